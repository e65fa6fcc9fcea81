"""Plans of a customer's extensions and trunks: what they say, that they do exactly that, and that it can be undone."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringback.kit.errors import AlreadyExists, Failure, ValidationFailed
from ringback.registrar.plans.model import (
    MOST,
    ChangedSince,
    NothingToUndo,
    OtherPlan,
    StateMoved,
    TooManyChanges,
)
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import CustomerFrozen, LimitExceeded, Status
from ringback.sip.digest import ha1
from tests.registrar.plans import apply, file, plan, said, there, undo
from tests.world import PASSWORD, Broken, World

pytestmark = pytest.mark.long

OFFICE = """
version: 1
extensions:
  - {extension: 1001, name: Front desk, direct: true}
  - {extension: 0017, username: twelve, detail: door}
trunks:
  - {domain_name: Carrier-A, auth_types: [basic, ip], username: pbx01, allowed_ips: [203.0.113.7]}
"""
CHANGED = """
version: 1
prune: true
extensions:
  - {extension: 1001, name: Reception, direct: false}
  - {extension: 1003}
trunks:
  - {domain_name: carrier-a, auth_types: [ip]}
"""
LIVE = "SELECT id, {} FROM registrar_{}s WHERE tm_delete IS NULL ORDER BY tm_create"


def kept(world: World, kind: str = "extension") -> list[dict[str, Any]]:
    """Ids and credentials of what lives, and what SIP servers know of it."""
    return world.sql(LIVE.format("username, realm, ha1, ha1_sha256", kind))


async def test_a_plan_says_what_would_be_made_and_writes_nothing(world: World) -> None:
    before = world.everything()

    planned = await plan(world, file(OFFICE))

    assert said(planned) == [
        "create 1001 extension username name direct password",
        "create 0017 extension username detail password",
        "create carrier-a domain_name auth_types username allowed_ips password",
    ]
    assert world.everything() == before


async def test_an_apply_makes_what_single_requests_would_and_tells_the_generated_passwords_once(world: World) -> None:
    done = await apply(world, file(OFFICE))

    assert [(one.change.key, len(one.secret.reveal())) for one in done.passwords] == [
        ("1001", 24), ("0017", 24), ("carrier-a", 24),
    ]  # fmt: skip
    assert [type for type, _ in world.events()] == [
        "extension_created", "extension_direct_created", "extension_created", "trunk_created",
    ]  # fmt: skip
    assert len(world.sql("SELECT id FROM ps_auths")) == 2
    assert len(world.sql("SELECT id FROM registrar_sip_auths")) == 3
    (row,) = world.sql("SELECT number, actor, changes, tm_undo FROM registrar_applies")
    assert (row["number"], row["actor"], row["tm_undo"]) == (1, "cli:test", None)
    remembered = msgspec.json.encode(row["changes"]).decode()
    secrets = [one.secret.reveal() for one in done.passwords]
    assert [text for text in (*secrets, *(row["ha1"] for row in kept(world))) if text in remembered] == []


async def test_a_plan_of_what_was_applied_is_empty_and_an_empty_plan_does_nothing(world: World) -> None:
    await apply(world, file(OFFICE))
    before = world.everything()

    again = await apply(world, file(OFFICE))

    assert (again.apply, again.changes, again.passwords) == (None, (), ())
    assert world.everything() == before


async def test_what_the_file_does_not_name_is_kept_unless_it_is_to_be_pruned(world: World) -> None:
    await apply(world, file(OFFICE))
    fewer = CHANGED.replace("prune: true\n", "")

    planned, pruning = await plan(world, file(fewer)), await plan(world, file(CHANGED))

    assert (planned.kept, pruning.kept) == (("extension 0017",), ())
    assert said(planned) == ["change 1001 name direct", "change carrier-a auth_types", said(planned)[2]]
    assert said(pruning)[0].startswith("delete 0017 ")
    assert [line for line in said(pruning) if "carrier-a" in line] == ["change carrier-a auth_types"]
    no_trunks = await plan(world, file("version: 1\nprune: true\nextensions: []\n"))
    assert [line.split()[:2] for line in said(no_trunks)] == [["delete", "1001"], ["delete", "0017"]]


async def test_undo_brings_back_what_was_there_with_its_ids_and_its_passwords(world: World) -> None:
    await apply(world, file(OFFICE))
    before, phones, lines = await there(world), kept(world), kept(world, "trunk")
    await apply(world, file(CHANGED))
    assert sorted(await there(world)) == ["1001", "1003", "carrier-a"]

    await undo(world)

    assert (await there(world), kept(world), kept(world, "trunk")) == (before, phones, lines)
    auths = world.sql("SELECT username, md5_cred FROM ps_auths ORDER BY username")
    assert auths == sorted(({"username": row["username"], "md5_cred": row["ha1"]} for row in phones), key=str)
    await undo(world)
    assert await there(world) == {}
    with pytest.raises(NothingToUndo):
        await undo(world)


async def test_a_direct_address_that_ended_is_dead_for_ever_so_undo_gives_another_one(world: World) -> None:
    await apply(world, file(OFFICE))
    (old,) = world.sql("SELECT hash FROM registrar_directs WHERE tm_delete IS NULL")
    await apply(world, file("version: 1\nprune: true\nextensions: []\n"))

    await undo(world)

    (new,) = world.sql("SELECT hash FROM registrar_directs WHERE tm_delete IS NULL")
    assert new != old


async def test_a_plan_is_refused_when_the_state_has_moved_or_the_file_says_something_else(world: World) -> None:
    planned = await plan(world, file(OFFICE))
    with pytest.raises(OtherPlan):
        await apply(world, file(OFFICE.replace("Front", "Back")), planned)
    await world.create("1009")
    before = world.everything()

    with pytest.raises(StateMoved):
        await apply(world, file(OFFICE), planned)

    assert world.everything() == before


async def test_a_password_that_was_changed_moves_the_state_too(world: World) -> None:
    extension = await world.create("1001")
    planned = await plan(world, file(OFFICE))
    await world.rpc("PUT", f"/v1/extensions/{extension['id']}", {"password": "Another-Pass-2"})

    with pytest.raises(StateMoved):
        await apply(world, file(OFFICE), planned)


async def test_undo_is_refused_when_somebody_has_changed_since_what_was_applied_unless_forced(world: World) -> None:
    await apply(world, file(OFFICE))
    await apply(world, file(CHANGED))
    id = kept(world)[0]["id"]
    (row,) = world.sql("SELECT id FROM registrar_extensions WHERE extension = '1003'")
    await world.rpc("PUT", f"/v1/extensions/{UUID(bytes=id) if isinstance(id, bytes) else id}", {"detail": "by hand"})
    await world.rpc("DELETE", f"/v1/extensions/{UUID(bytes=row['id']) if isinstance(row['id'], bytes) else row['id']}")
    before = world.everything()

    with pytest.raises(ChangedSince) as refused:
        await undo(world)

    assert [fault.field for fault in refused.value.faults] == ["extension 1001", "extension 1003"]
    assert world.everything() == before
    await undo(world, force=True)
    now = await there(world)
    assert sorted(now) == ["0017", "1001", "carrier-a"]
    assert (now["1001"]["name"], now["1001"]["detail"]) == ("Front desk", "by hand")
    with pytest.raises(ChangedSince):
        await undo(world)


async def test_a_change_between_two_applies_is_found_when_the_first_is_undone(world: World) -> None:
    await apply(world, file(OFFICE))
    id = kept(world)[0]["id"]
    await world.rpc(
        "PUT",
        f"/v1/extensions/{UUID(bytes=id) if isinstance(id, bytes) else id}",
        {"password": "Another-Pass-2"},
    )
    await apply(world, file(CHANGED))

    await undo(world)

    with pytest.raises(ChangedSince):
        await undo(world)


async def test_an_apply_that_was_undone_by_somebody_faster_is_not_undone_twice(world: World) -> None:
    await apply(world, file(OFFICE))
    await apply(world, file(CHANGED))
    await undo(world, 2)

    with pytest.raises(StateMoved):
        await undo(world, 2)

    assert sorted(await there(world)) == ["0017", "1001", "carrier-a"]


async def test_passwords_of_elsewhere_are_kept_at_what_elsewhere_says(world: World) -> None:
    text = "version: 1\nextensions: [{extension: 1001, password: 'env:PHONE'}]\n"
    made = await apply(world, file(text, PHONE=PASSWORD))
    first = kept(world)

    same, other = await plan(world, file(text, PHONE=PASSWORD)), await plan(world, file(text, PHONE="Another-Pass-2"))
    changed = await apply(world, file(text, PHONE="Another-Pass-2"))

    assert (made.passwords, changed.passwords) == ((), ())
    assert (said(same), said(other)) == ([], ["change 1001 password"])
    assert kept(world) != first
    assert PASSWORD not in msgspec.json.encode(other).decode()
    await undo(world)  # the old password is known no more
    assert await plan(world, file(text, PHONE="Another-Pass-2")) is not None
    assert said(await plan(world, file(text, PHONE="Another-Pass-2"))) == []


async def test_a_trunks_new_user_name_takes_a_new_password_there_and_back(world: World) -> None:
    await apply(world, file(OFFICE))
    renamed = OFFICE.replace("pbx01", "pbx02")
    with pytest.raises(ValidationFailed) as refused:
        await plan(world, file(renamed))
    assert [fault.field for fault in refused.value.faults] == ["trunks[0].password"]

    there_again = file(renamed.replace("username: pbx02", "username: pbx02, password: generate"))
    done = await apply(world, there_again)
    back = await undo(world)

    assert [one.change.key for one in (*done.passwords, *back.passwords)] == ["carrier-a", "carrier-a"]
    assert (await there(world))["carrier-a"]["username"] == "pbx01"


async def test_all_that_cannot_be_done_is_told_at_once_with_its_place(world: World) -> None:
    await world.create("1001", username="desk")
    other = uuid4()
    await world.rpc("POST", "/v1/trunks", {**world.asked_trunk("theirs"), "customer_id": str(other)})
    text = """
version: 1
extensions: [{extension: 1001, username: front}, {extension: 1002, username: DESK}]
trunks:
  - {domain_name: Theirs, auth_types: [ip], allowed_ips: [203.0.113.7]}
  - {domain_name: carrier-b, auth_types: [basic, ip]}
"""

    with pytest.raises(ValidationFailed) as refused:
        await plan(world, file(text))

    assert [fault.field for fault in refused.value.faults] == [
        "extensions[0].username", "extensions[1].username", "trunks[1].username", "trunks[1].allowed_ips",
        "trunks[0].domain_name",
    ]  # fmt: skip


async def test_an_apply_that_fails_anywhere_leaves_nothing_and_does_all_of_it_the_next_time(world: World) -> None:
    await apply(world, file(OFFICE))
    planned = await plan(world, file(CHANGED))
    before, counts = world.everything(), len(world.statements)
    number = 0
    while True:
        world.fail_at(number)
        try:
            await apply(world, file(CHANGED), planned)
        except Broken:
            assert world.everything() == before, number
            number += 7
            continue
        world.heal()
        break
    assert number > 21
    assert len(world.statements) > counts
    assert sorted(await there(world)) == ["1001", "1003", "carrier-a"]


@pytest.mark.parametrize("failing", [3, 11, 19])
async def test_an_undo_that_fails_leaves_everything(world: World, failing: int) -> None:
    await apply(world, file(OFFICE))
    await apply(world, file(CHANGED))
    before = world.everything()

    world.fail_at(failing)
    with pytest.raises(Broken):
        await undo(world)

    assert world.everything() == before


async def test_limits_states_and_sizes_refuse_the_whole(make_world: Any) -> None:
    world = make_world(limit_extension_default=1)
    wanted = file(OFFICE)
    with pytest.raises(LimitExceeded):
        await apply(world, wanted)
    many = "".join(f"  - {{extension: {number}}}\n" for number in range(1000, 1001 + MOST))
    with pytest.raises(TooManyChanges):
        await apply(world, file(f"version: 1\nextensions:\n{many}"))
    planned = await plan(world, wanted)
    await world.set_status(Status.FROZEN)
    with pytest.raises(CustomerFrozen):
        await apply(world, wanted, planned)

    assert await there(world) == {}
    assert world.sql("SELECT id FROM registrar_applies") == []


@pytest.mark.parametrize("text", [CHANGED, "version: 1\nprune: true\nextensions: []\n"], ids=["changes", "deletes"])
async def test_nothing_is_applied_or_undone_for_a_frozen_customer(world: World, text: str) -> None:
    await apply(world, file(OFFICE))
    planned = await plan(world, file(text))
    await world.set_status(Status.FROZEN)
    before = world.everything()

    with pytest.raises(CustomerFrozen):
        await apply(world, file(text), planned)
    with pytest.raises(CustomerFrozen):
        await undo(world)

    assert world.everything() == before


async def test_the_order_and_the_spelling_of_ways_and_addresses_are_no_change(world: World) -> None:
    await apply(world, file(OFFICE))
    spelt = "auth_types: [ip, basic, ip], username: pbx01, allowed_ips: [203.0.113.7/32, '::ffff:203.0.113.7']"
    text = OFFICE.replace("auth_types: [basic, ip], username: pbx01, allowed_ips: [203.0.113.7]", spelt)

    assert text != OFFICE
    assert said(await plan(world, file(text))) == []


async def test_a_number_that_was_taken_since_is_not_undone_over(world: World) -> None:
    await apply(world, file("version: 1\nextensions: [{extension: 1001}]\n"))
    await apply(world, file("version: 1\nprune: true\nextensions: []\n"))
    await world.create("1001")

    with pytest.raises(ChangedSince):
        await undo(world)
    await undo(world, force=True)
    assert len(await there(world)) == 1


async def test_a_username_that_was_taken_since_refuses_an_undo(world: World) -> None:
    await apply(world, file("version: 1\nextensions: [{extension: 1001, username: desk}]\n"))
    await apply(world, file("version: 1\nprune: true\nextensions: []\n"))
    await world.create("1002", username="Desk")

    with pytest.raises(AlreadyExists):
        await undo(world)


async def test_the_end_of_a_customer_forgets_what_was_applied(world: World) -> None:
    await apply(world, file(OFFICE))

    assert await world.tell("customer_deleted")

    assert world.sql("SELECT id FROM registrar_applies") == []


NAMES = st.sampled_from(["", "Desk", "Zwölf", "yes", "a: b #c"])
PHONES = st.dictionaries(
    st.sampled_from(["1001", "1002", "0017", "a-b"]), st.tuples(NAMES, st.none() | st.booleans()), max_size=4
)
LINES = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.sampled_from([(["ip"], "", ["203.0.113.7"]), (["basic"], "pbx", []), (["ip", "basic"], "pbx", ["::1"])]),
    max_size=2,
)
FILES = st.tuples(st.booleans(), PHONES, LINES)


def text_of(wanted: tuple[bool, Any, Any], suffix: str) -> str:
    prune, phones, lines = wanted
    extensions = [{"extension": key, "name": name, "direct": direct} for key, (name, direct) in phones.items()]
    trunks = [
        {
            "domain_name": f"t-{key}-{suffix}",
            "auth_types": ways,
            "username": name,
            "allowed_ips": ips,
            "password": "generate",
        }
        for key, (ways, name, ips) in lines.items()
    ]
    document = {"version": 1, "prune": prune, "extensions": extensions, "trunks": trunks}
    return msgspec.yaml.encode(document).decode()


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(wanted=st.lists(FILES, min_size=1, max_size=4))
async def test_any_file_once_applied_plans_nothing_and_undo_leads_back_step_by_step(
    world: World, wanted: list[tuple[bool, Any, Any]]
) -> None:
    customer = uuid4()
    stations = []
    for one in wanted:
        before = await there(world, customer)
        text = text_of(one, customer.hex[:8])
        done = await apply(world, file(text), of=customer)
        assert (await plan(world, file(text), of=customer)).changes == ()
        if done.apply:
            stations.append(before)

    while stations:
        await undo(world, of=customer)
        assert await there(world, customer) == stations.pop()
    with pytest.raises(Failure):
        await undo(world, of=customer)


async def test_of_two_who_apply_one_plan_at_once_one_does_it(world: World) -> None:
    planned = await plan(world, file(OFFICE))

    ended = await asyncio.gather(*(apply(world, file(OFFICE), planned) for _ in range(2)), return_exceptions=True)

    assert sorted(type(one).__name__ for one in ended) == ["Done", "StateMoved"]
    assert sorted(await there(world)) == ["0017", "1001", "carrier-a"]


async def test_of_two_who_undo_one_apply_at_once_one_does_it(world: World) -> None:
    await apply(world, file(OFFICE))
    await apply(world, file(CHANGED))

    ended = await asyncio.gather(undo(world, 2), undo(world, 2), return_exceptions=True)

    assert sorted(type(one).__name__ for one in ended) == ["Done", "StateMoved"]


async def test_what_is_brought_back_is_news_to_peers_and_stands_in_the_audit_log(world: World) -> None:
    await apply(world, file(OFFICE))
    edge = world.sql("SELECT id, username, ha1 FROM registrar_sip_auths ORDER BY id")
    await apply(world, file("version: 1\nprune: true\nextensions: []\ntrunks: []\n"))
    assert world.sql("SELECT id FROM registrar_sip_auths") == []
    before, audited = len(world.events()), len(world.sql("SELECT id FROM ringback_audit"))

    await undo(world)

    assert world.sql("SELECT id, username, ha1 FROM registrar_sip_auths ORDER BY id") == edge
    told = [(type, data["name"]) for type, data in world.events()[before:] if type != "extension_direct_created"]
    assert told == [
        ("trunk_created", ""), ("extension_created", ""), ("extension_created", "Front desk"),
        ("extension_updated", "Front desk"),
    ]  # fmt: skip
    kinds = world.sql("SELECT kind, action, actor FROM ringback_audit ORDER BY id")[audited:]
    assert [(row["kind"], row["action"]) for row in kinds if row["kind"] != "direct"] == [
        ("trunk", "created"), ("extension", "created"), ("extension", "created"), ("extension", "updated"),
    ]  # fmt: skip


async def test_an_extension_that_comes_back_to_another_realm_gets_another_password(world: World) -> None:
    await apply(world, file("version: 1\nextensions: [{extension: 1001}]\n"))
    await apply(world, file("version: 1\nprune: true\nextensions: []\n"))
    await world.ringback.work.write(lambda uow: realms.set_label(uow, world.customer, "acme"))

    done = await undo(world)

    (one,) = kept(world)
    ((_, secret),) = [(one.change, one.secret) for one in done.passwords]
    assert one["realm"] == "acme.registrar.localhost"
    assert one["ha1"] == ha1("1001", one["realm"], secret).md5
    assert world.sql("SELECT id FROM ps_endpoints") == [{"id": "1001@acme.registrar.localhost"}]


@pytest.mark.sqlite
async def test_clear_passwords_of_an_edge_that_needs_them_are_compared_and_come_back(make_world: Any) -> None:
    world = make_world(secret_storage="plaintext")
    text = "version: 1\nextensions: [{extension: 1001, password: 'env:PHONE'}]\n"
    await apply(world, file(text, PHONE=PASSWORD))
    assert said(await plan(world, file(text, PHONE=PASSWORD))) == []
    assert said(await plan(world, file(text, PHONE="Another-Pass-2"))) == ["change 1001 password"]
    await apply(world, file("version: 1\nprune: true\nextensions: []\n"))

    await undo(world)

    assert world.sql("SELECT password FROM registrar_extensions") == [{"password": PASSWORD}]
    assert [row for row in world.sql("SELECT changes FROM registrar_applies") if PASSWORD in str(row)] == []
