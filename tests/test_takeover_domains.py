"""Realms that another service has given: what follows from them for names, customers and the base domains."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from ringback import server
from ringback.kit.errors import CannotStart
from ringback.registrar.drift.model import Pass
from tests.foreign import BASE, CREATED, TRUNK_BASE, Foreign, meta, refusal, settings, upgrade
from tests.world import MakeWorld, World

pytestmark = pytest.mark.long

DELETED = "2026-02-12 10:00:00.000001"
EARLIER = "2026-02-01 08:00:00.000000"
ENDPOINT = ("endpoint_id", "aor_id", "auth_id")
DOMAINS = (
    "customer_id binary(16) primary key, domain_label varchar(64), realm varchar(255), tm_create datetime(6), "
    "tm_update datetime(6)"
)
PS_ENDPOINTS = "id varchar(40) NOT NULL primary key, aors varchar(200), auth varchar(40), context varchar(40)"

MakeForeign = Callable[..., Foreign]


@pytest.fixture
def make_foreign(tmp_path: Path) -> MakeForeign:
    return lambda **tables: Foreign(tmp_path / "foreign.db", **tables)


@pytest.fixture
def foreign(make_foreign: MakeForeign) -> Foreign:
    return make_foreign()


def world_over(foreign: Foreign, make_world: MakeWorld) -> World:
    return make_world(database=foreign.path, secret_storage="plaintext", domain_name_extension=BASE)


def domain(foreign: Foreign, customer: UUID, label: str, base: str = BASE) -> None:
    row = (customer.bytes, label, f"{label}.{base}", CREATED)
    foreign.sql("INSERT INTO registrar_customer_domains VALUES (?, ?, ?, ?, NULL)", *row)


def domains(foreign: Foreign) -> dict[UUID, tuple[Any, ...]]:
    rows = foreign.sql("SELECT * FROM registrar_customer_domains")
    return {UUID(bytes=row.pop("customer_id")): tuple(row.values()) for row in rows}


def names(foreign: Foreign, id: UUID) -> list[str | None]:
    row = foreign.one("registrar_extensions", id)
    return [row[column] for column in ENDPOINT]


@pytest.mark.parametrize("said", [None, "", "1001", "9999@elsewhere.example.com", "@"])
async def test_names_that_asterisk_knows_a_phone_by_are_made_of_number_and_realm(
    foreign: Foreign, make_world: MakeWorld, said: str | None
) -> None:
    phone = foreign.extension("1001", **dict.fromkeys(ENDPOINT, said))
    gone = foreign.extension("1002", **dict.fromkeys(ENDPOINT, said), tm_delete=DELETED)
    upgrade(foreign)
    world = world_over(foreign, make_world)
    passes: list[Pass] = [await world.ringback.reconciler.once(no_grace=True) for _ in range(2)]

    assert names(foreign, phone) == [f"1001@{foreign.customer}.{BASE}"] * 3
    assert names(foreign, gone) == [said] * 3
    assert len(passes[0].due) == 3
    assert passes[1] == Pass()


def test_a_phone_that_asterisk_knows_by_another_name_alone_stops_it(make_foreign: MakeForeign) -> None:
    foreign = make_foreign(ps_endpoints=PS_ENDPOINTS)
    both, neither, one = (
        foreign.extension(number, endpoint_id=f"{number}@old.{BASE}") for number in ("1001", "1002", "1003")
    )
    own = {number: f"{number}@{foreign.customer}.{BASE}" for number in ("1001", "1002", "1003")}
    for name in (own["1001"], f"1001@old.{BASE}", f"1003@old.{BASE}"):
        foreign.sql("INSERT INTO ps_endpoints (id) VALUES (?)", name)

    (line,) = refusal(foreign)[1:]
    assert line == (
        f"registrar_extensions: row {one}: ps_endpoints has it as 1003@old.{BASE}, "
        f"its extension and realm say {own['1003']}"
    )

    foreign.sql("UPDATE registrar_extensions SET realm = ? WHERE id = ?", f"{foreign.customer}.{BASE}", one.bytes)
    foreign.sql("DELETE FROM ps_endpoints WHERE id = ?", f"1003@old.{BASE}")
    upgrade(foreign)
    assert [names(foreign, id)[0] for id in (both, neither, one)] == list(own.values())


@pytest.mark.contract("registrar R-83")
async def test_a_start_with_another_base_domain_is_refused(foreign: Foreign) -> None:
    foreign.extension("1001")
    foreign.trunk("PBX", realm=f"pbx.{TRUNK_BASE}")
    foreign.extension("1002", realm="x.gone.example.com", tm_delete=DELETED)
    foreign.trunk("gone", realm="other", tm_delete=DELETED)
    upgrade(foreign)

    assert (meta(foreign)["domain_name_extension"], meta(foreign)["domain_name_trunk"]) == (BASE, TRUNK_BASE)
    for setting in ("domain_name_extension", "domain_name_trunk"):
        with pytest.raises(CannotStart, match=f"^{setting}: this database was made with .*example.com"):
            async with server.running(settings(foreign, secret_storage="plaintext", **{setting: "else.example.com"})):
                pytest.fail("it has started")
    async with server.running(settings(foreign, secret_storage="plaintext")):
        pass


def test_without_a_live_realm_any_base_domain_may_be_chosen(foreign: Foreign) -> None:
    foreign.extension("1001", tm_delete=DELETED)
    upgrade(foreign)

    assert {"domain_name_extension", "domain_name_trunk"}.isdisjoint(meta(foreign))


def test_several_base_domains_stop_it(foreign: Foreign) -> None:
    phones = [foreign.extension("1001"), foreign.extension("1002")]
    other = foreign.extension("1001", customer_id=uuid4(), realm="b.old.example.com")
    trunks = [foreign.trunk("pbx"), foreign.trunk("carrier", realm="carrier.old.example.com")]

    assert refusal(foreign)[1:] == [
        "domain_name_extension can be only one of what realms end in: "
        f"old.example.com (1 of them, registrar_extensions: row {other}); "
        f"{BASE} (2 of them, registrar_extensions: row {phones[0]})",
        "domain_name_trunk can be only one of what realms end in: "
        f"old.example.com (1 of them, registrar_trunks: row {trunks[1]}); "
        f"{TRUNK_BASE} (1 of them, registrar_trunks: row {trunks[0]})",
    ]


def test_realms_that_no_base_domain_can_be_read_from_stop_it(foreign: Foreign) -> None:
    bare = foreign.extension("1001", realm="localhost")
    spaced = foreign.extension("1002", customer_id=uuid4(), realm="a b.example.com")
    trunk = foreign.trunk("pbx", realm=f"other.{TRUNK_BASE}")
    long = ".".join(["a" * 60, "b" * 60])
    foreign.extension("1003", customer_id=uuid4(), realm=f"c.{long}")

    assert refusal(foreign)[1:] == [
        f"registrar_extensions: row {bare}: its realm is not <label>.<domain>",
        f"registrar_extensions: row {spaced}: its realm is not <label>.<domain>",
        f"domain_name_extension cannot be {long}: it is too long",
        f"registrar_trunks: row {trunk}: its realm is not <domain_name>.<domain>",
    ]


@pytest.mark.contract("registrar R-54")
async def test_each_customer_of_live_phones_has_a_domain(make_foreign: MakeForeign, make_world: MakeWorld) -> None:
    foreign = make_foreign(registrar_customer_domains=DOMAINS)
    known, short, gone = uuid4(), uuid4(), uuid4()
    domain(foreign, known, "Known")
    foreign.extension("1001")
    foreign.extension("1002", tm_create=EARLIER)
    for number, label in (("1001", "known"), ("1002", str(known))):
        foreign.extension(number, customer_id=known, realm=f"{label}.{BASE}")
    foreign.extension("1001", customer_id=short, realm=f"Ab12.{BASE}", domain_name="Ab12")
    foreign.extension("1001", customer_id=gone, tm_delete=DELETED)
    upgrade(foreign)
    world = world_over(foreign, make_world)

    label = str(foreign.customer)
    assert domains(foreign) == {
        known: ("Known", f"known.{BASE}", CREATED, None),
        foreign.customer: (label, f"{label}.{BASE}", EARLIER, None),
        short: ("ab12", f"ab12.{BASE}", CREATED, None),
    }
    for customer, name in ((foreign.customer, label), (short, "AB12"), (known, "known")):
        reply = await world.rpc("GET", f"/v1/customer_domains/realm/{name}.{BASE}")
        assert (reply.status_code, reply.data["customer_id"]) == (200, str(customer))
    assert (await world.rpc("GET", f"/v1/customer_domains/realm/{gone}.{BASE}")).status_code == 404


def test_realms_that_tell_no_customer_apart_stop_it(make_foreign: MakeForeign) -> None:
    foreign = make_foreign(registrar_customer_domains=DOMAINS)
    first, second, third = sorted(uuid4() for _ in range(3))
    domain(foreign, third, "third")
    domain(foreign, first, "third")
    foreign.extension("1001", realm=f"one.{BASE}")
    foreign.extension("1002", realm=f"two.{BASE}")
    foreign.extension("1001", customer_id=second, realm=f"TWO.{BASE}")

    assert refusal(foreign)[1:] == [
        f"registrar_customer_domains: domain_label third in more than one row: {third}, {first}",
        f"registrar_customer_domains: realm third.{BASE} in more than one row: {third}, {first}",
        f"registrar_extensions: customer_id {foreign.customer} has more than one realm: one.{BASE}, two.{BASE}",
        f"registrar_extensions: realm third.{BASE} of more than one customer: {first}, {third}",
        f"registrar_extensions: realm two.{BASE} of more than one customer: "
        + ", ".join(sorted([str(second), str(foreign.customer)])),
    ]
