"""Customers come, are frozen, recover and end: what others tell of them, and what becomes of theirs."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from ringback.customers.model import PUBLISHER as CUSTOMERS
from ringback.kit import inbox
from ringback.kit.db import CHUNK, Conflict, Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.inbox import Inbox
from ringback.kit.secret import Secret
from ringback.registrar import cascade
from ringback.registrar.asked import Wanted
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.wire import NewExtension
from ringback.registrar.heard import HEARD
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Status
from ringback.registrar.trunks import service as trunks
from ringback.registrar.trunks.wire import NewTrunk
from ringback.registrar.work import Uow
from tests.world import PASSWORD, MakeWorld, Reply, World, nothing

SIP = ("ps_aors", "ps_auths", "ps_endpoints", "ps_contacts", "registrar_sip_auths")


async def fill(world: World, phones: int, lines: int, customer: UUID | None = None) -> set[str]:
    """Give a customer that many extensions, each tenth with a direct address, and trunks; the ids of all."""
    of = customer or world.customer
    tag = of.hex[:6]

    async def extend(uow: Uow, some: range) -> set[str]:
        asked = [
            NewExtension(extension=f"{1000 + number}", password=Secret(PASSWORD), direct=number % 10 == 0)
            for number in some
        ]
        made = await extensions.create_all(uow, of, [Wanted(one) for one in asked])
        return {str(one.extension.id) for one in made}

    async def connect(uow: Uow) -> set[str]:
        made = set()
        for number in range(lines):
            ips = (f"203.0.113.{number % 250 + 1}",)
            line = NewTrunk(domain_name=f"t{tag}.n{number}", auth_types=("ip",), allowed_ips=ips)
            made.add(str((await trunks.create(uow, of, line)).trunk.id))
        return made

    made = await world.ringback.work.write(connect)
    for first in range(0, phones, 10):
        some = range(first, min(first + 10, phones))
        made |= await world.ringback.work.write(partial(extend, some=some))
    return made


def status(world: World, customer: UUID | None = None) -> str | None:
    of = (customer or world.customer).bytes
    rows = world.sql("SELECT status FROM registrar_customers WHERE customer_id = ?", of)
    return str(rows[0]["status"]) if rows else None


def realm(world: World, customer: UUID | None = None) -> str | None:
    of = (customer or world.customer).bytes
    rows = world.sql("SELECT realm FROM registrar_customer_domains WHERE customer_id = ?", of)
    return str(rows[0]["realm"]) if rows else None


def left(world: World) -> int:
    """How many live extensions and trunks there are, whoever's they are."""
    tables = ("registrar_extensions", "registrar_trunks")
    return sum(len(world.sql(f"SELECT id FROM {table} WHERE tm_delete IS NULL")) for table in tables)


def ended(world: World) -> Counter[str]:
    """How often each object's end was told."""
    told = ("extension_deleted", "trunk_deleted")
    return Counter(str(payload["id"]) for type, payload in world.events() if type in told)


def once(ids: set[str]) -> Counter[str]:
    return Counter(dict.fromkeys(ids, 1))


def stuck(world: World, table: str, column: str, *values: str) -> Callable[[], None]:
    """Let nobody end the objects with these values; gives what takes that back."""
    among = ", ".join(f"'{value}'" for value in values)
    world.refuse("UPDATE", table, f"OLD.{column} IN ({among}) AND NEW.tm_delete IS NOT NULL")
    return world.allow


async def lookup(world: World, hash: str) -> Reply:
    return await world.rpc("GET", f"/v1/extensions/by-direct-hash/{hash}")


async def creates(world: World) -> list[tuple[int, str]]:
    """The refusals of a new extension and a new trunk."""
    asked = (("/v1/extensions", world.asked("1999")), ("/v1/trunks", world.asked_trunk("carrier-z")))
    return [(await world.rpc("POST", uri, data)).refusal for uri, data in asked]


# ---- frozen and recovered


@pytest.mark.contract("registrar R-68, R-39")
async def test_a_frozen_customers_addresses_are_unknown_until_they_recover(world: World) -> None:
    made = await world.create(direct=True)
    hash = made["direct_hash"]
    unknown = await lookup(world, "f" * 12)

    assert await world.tell("customer_frozen")
    frozen = [await lookup(world, hash), await world.rpc("GET", f"/v1/extension-directs?hash={hash}")]
    seen_by_asterisk = world.sql("SELECT * FROM ringback_directs")
    assert await world.tell("customer_recovered")

    assert unknown.refusal == (404, "DIRECT_NOT_FOUND")
    assert [reply.raw for reply in frozen] == [unknown.raw] * 2
    assert seen_by_asterisk == []
    assert (await lookup(world, hash)).data == {**made, "password": ""}
    assert world.sql("SELECT * FROM ringback_directs") == [{"hash": hash, "endpoint": made["endpoint_id"]}]


@pytest.mark.contract("registrar R-68, R-28")
async def test_a_frozen_customer_gets_nothing_new_and_keeps_what_they_have(world: World) -> None:
    one = f"/v1/extensions/{(await world.create())['id']}"
    line = f"/v1/trunks/{(await world.create_trunk())['id']}"
    assert await world.tell("customer_frozen")
    before = world.everything()

    assert await creates(world) == [(409, "CUSTOMER_FROZEN")] * 2
    assert world.everything() == before
    for uri in (one, line):
        for method, data in (("GET", None), ("PUT", {"name": "new"}), ("DELETE", None)):
            assert (await world.rpc(method, uri, data)).status_code == 200, (method, uri)

    assert await world.tell("customer_recovered")
    await world.create("1999")
    await world.create_trunk("carrier-z")


@pytest.mark.contract("registrar R-68")
@pytest.mark.parametrize("type", ["customer_frozen", "customer_recovered", "customer_created"])
async def test_what_is_told_twice_is_done_once(world: World, type: str) -> None:
    await fill(world, 2, 1)
    assert await world.tell(type)
    after = but_when(world)

    assert await world.tell(type)

    assert but_when(world) == after


def but_when(world: World) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, without when somebody last told a customer's status."""
    return {
        table: [{name: value for name, value in row.items() if name != "tm_status"} for row in rows]
        for table, rows in world.everything().items()
    }


@pytest.mark.contract("registrar R-68")
async def test_a_customer_whom_nobody_knew_can_be_frozen(world: World) -> None:
    assert await world.tell("customer_frozen")

    assert (status(world), realm(world)) == ("frozen", None)
    assert await creates(world) == [(409, "CUSTOMER_FROZEN")] * 2
    assert await world.tell("customer_created")
    assert (status(world), realm(world)) == ("frozen", f"{world.customer}.registrar.localhost")


@pytest.mark.contract("registrar R-68")
async def test_no_other_customer_is_touched(world: World) -> None:
    other = world.customer
    ids = await fill(world, 3, 2)
    before = world.everything()
    world.customer = uuid4()
    for type in ("customer_frozen", "customer_recovered", "customer_frozen", "customer_deleted"):
        assert await world.tell(type)

    after = world.everything()
    mine = [row for row in after.pop("registrar_customers") if row["customer_id"] == world.customer.bytes]
    after["ringback_audit"] = [row for row in after["ringback_audit"] if row["customer_id"] != world.customer.bytes]
    assert [row["status"] for row in mine] == ["deleted"]
    assert after == {name: rows for name, rows in before.items() if name != "registrar_customers"}
    assert (status(world, other), len(ids)) == ("active", left(world))


# ---- created


async def test_a_new_customer_gets_a_realm_named_by_their_id(world: World) -> None:
    assert await world.tell("customer_created")

    assert realm(world) == f"{world.customer}.registrar.localhost"
    assert world.events() == []


async def test_a_realm_that_is_there_before_its_customer_stays(world: World) -> None:
    await world.label("acme")
    await world.create()

    assert await world.tell("customer_created")

    assert realm(world) == "acme.registrar.localhost"


# ---- deleted


@pytest.mark.contract("registrar R-67, R-28")
async def test_a_deleted_customer_leaves_nothing_behind_but_what_was(world: World) -> None:
    made = await world.create("1001", direct=True)
    world.register(made["endpoint_id"])
    ids = await fill(world, 0, 2) | {made["id"]}
    key = await world.http()

    assert await world.tell("customer_deleted")

    tables = world.everything()
    assert {name: tables[name] for name in SIP} == {name: [] for name in SIP}
    assert tables["registrar_contact_states"] == tables["registrar_customer_domains"] == []
    assert (left(world), status(world), world.slept) == (0, "deleted", [])
    assert ended(world) == once(ids)
    types = [type for type, payload in world.events() if payload.get("extension_id", payload["id"]) == made["id"]]
    assert types[2:] == ["contact_registered", "contact_unregistered", "extension_direct_deleted", "extension_deleted"]
    assert await creates(world) == [(409, "CUSTOMER_DELETED")] * 2
    assert (await lookup(world, made["direct_hash"])).refusal == (404, "DIRECT_NOT_FOUND")
    async with key:
        assert (await key.get("/v1.0/extensions")).status_code == 401


@pytest.mark.contract("registrar R-67")
async def test_a_repeat_is_harmless(world: World) -> None:
    await fill(world, 3, 2)
    assert await world.tell("customer_deleted")
    after = world.everything()

    assert await world.tell("customer_deleted")

    assert world.everything() == after


@pytest.mark.contract("registrar R-67")
@pytest.mark.parametrize("late", ["customer_created", "customer_recovered", "customer_frozen"])
@pytest.mark.parametrize("known", [True, False])
async def test_deleted_is_the_end_whatever_comes_late(world: World, late: str, known: bool) -> None:
    if known:
        await fill(world, 2, 1)
    assert await world.tell("customer_deleted")
    after = world.everything()

    assert await world.tell(late)

    assert world.everything() == after
    assert (status(world), realm(world)) == ("deleted", None)
    assert await creates(world) == [(409, "CUSTOMER_DELETED")] * 2


@pytest.mark.contract("registrar R-67")
async def test_nothing_new_comes_while_the_rest_goes(world: World) -> None:
    ids = await fill(world, 3, 1)
    later: list[asyncio.Future[Reply]] = []

    def create(statement: Statement) -> None:
        if len(ended(world)) == 2 and not later:
            asked = world.rpc("POST", "/v1/extensions", world.asked("1999"))
            later.append(asyncio.ensure_future(asked))

    world.before_statement = create
    assert await world.tell("customer_deleted")

    assert [(await reply).refusal for reply in later] == [(409, "CUSTOMER_DELETED")]
    assert ended(world) == once(ids)


@pytest.mark.contract("registrar R-67")
async def test_one_that_fails_keeps_no_other_and_the_event_is_tried_again(world: World) -> None:
    ids = await fill(world, 4, 2)
    loosen = stuck(world, "registrar_extensions", "extension", "1001", "1003")

    def look() -> None:
        seen.append((left(world), status(world), realm(world)))
        if len(world.slept) == 2:
            loosen()

    seen: list[Any] = []
    world.asleep = look
    assert await world.tell("customer_deleted")

    assert world.slept == [5, 30]
    assert seen == [(2, "deleted", f"{world.customer}.registrar.localhost")] * 2
    assert (left(world), realm(world)) == (0, None)
    assert ended(world) == once(ids)


@pytest.mark.contract("registrar R-67")
async def test_a_trunk_that_fails_keeps_no_other_either(world: World) -> None:
    ids = await fill(world, 2, 3)
    loosen = stuck(world, "registrar_trunks", "allowed_ips", '["203.0.113.2"]')
    world.asleep = lambda: loosen() if left(world) == 1 else None

    assert await world.tell("customer_deleted")

    assert (world.slept, left(world), realm(world)) == ([5], 0, None)
    assert ended(world) == once(ids)


@pytest.mark.sqlite
@pytest.mark.contract("registrar R-67")
async def test_a_row_that_cannot_be_read_keeps_no_other(world: World) -> None:
    ids = await fill(world, 3, 1)
    (spoilt,) = world.sql("SELECT tm_create FROM registrar_extensions WHERE extension = '1001'")
    world.sql("UPDATE registrar_extensions SET tm_create = 'junk' WHERE extension = '1001'")

    def mend() -> None:
        assert left(world) == 1
        world.sql("UPDATE registrar_extensions SET tm_create = ? WHERE extension = '1001'", spoilt["tm_create"])

    world.asleep = mend
    assert await world.tell("customer_deleted")

    assert (world.slept, left(world)) == ([5], 0)
    assert ended(world) == once(ids)


@pytest.mark.contract("registrar R-67")
@pytest.mark.long
async def test_more_failures_than_one_read_holds_keep_none_of_the_next_read(world: World) -> None:
    ids = await fill(world, CHUNK + 20, 0)
    last = sorted(ids)[CHUNK + 5 :]
    numbers = {row["id"]: row["extension"] for row in world.sql("SELECT id, extension FROM registrar_extensions")}
    free = [numbers[UUID(id).bytes] for id in last]
    stuck(
        world,
        "registrar_extensions",
        "extension",
        *(str(1000 + n) for n in range(CHUNK + 20) if f"{1000 + n}" not in free),
    )

    with pytest.raises(cascade.Incomplete):
        await cascade.end(world.ringback.work, world.customer)

    assert ended(world) == once(set(last))


@pytest.mark.contract("registrar R-67")
async def test_what_cannot_be_ended_is_kept_and_gone_on_with_when_it_can(world: World) -> None:
    ids = await fill(world, 3, 1)
    loosen = stuck(world, "registrar_extensions", "extension", "1001")

    assert not await world.tell("customer_deleted")

    (dead,) = await world.ringback.work.read(lambda uow: inbox.dead(uow.session))
    assert (dead["event_type"], str(world.customer) in dead["payload"]) == ("customer_deleted", True)
    assert dead["error"] == "Some of the customer's objects could not be deleted."
    assert (world.slept, left(world)) == ([5, 30, 120], 1)
    loosen()
    await cascade.resume(world.ringback.work)
    assert (left(world), realm(world)) == (0, None)
    assert ended(world) == once(ids)


@pytest.mark.contract("registrar R-67")
@pytest.mark.parametrize("error", [DatabaseUnavailable(), Conflict()], ids=repr)
@pytest.mark.long
async def test_a_failure_before_any_statement_delays_the_end_and_does_nothing_twice(
    world: World, error: Exception
) -> None:
    for number in count():
        world.customer = uuid4()
        ids = await fill(world, 1, 1)
        world.fail_at(number, error)
        assert await world.tell("customer_deleted")

        assert (left(world), realm(world), status(world)) == (0, None, "deleted"), f"statement {number}"
        assert {id: times for id, times in ended(world).items() if id in ids} == once(ids), f"statement {number}"
        if world.before_statement is not nothing:
            break
    assert number > 20
    assert world.slept == ([5] * number if isinstance(error, DatabaseUnavailable) else [])


@pytest.mark.contract("registrar R-67")
async def test_a_database_that_is_down_is_asked_once_a_try_and_not_once_an_object(world: World) -> None:
    ids = await fill(world, 3, 2)
    asked: list[Statement] = []

    def fail(statement: Statement) -> None:
        if "LEFT OUTER JOIN" in repr(statement):  # the first one of a deletion
            asked.append(statement)
            raise DatabaseUnavailable

    world.before_statement = fail
    world.asleep = lambda: world.heal() if len(world.slept) == 3 else None
    assert await world.tell("customer_deleted")

    assert (len(asked), world.slept) == (3, [5, 30, 120])
    assert ended(world) == once(ids)


@pytest.mark.contract("registrar R-67")
async def test_two_who_hear_it_at_once_end_each_object_once(make_world: MakeWorld) -> None:
    world = make_world()
    ids = await fill(world, 20, 10)
    other = make_world(beside=world)

    counted = await asyncio.gather(*(cascade.end(one.ringback.work, world.customer) for one in (world, other)))

    assert sum(counted) == 30
    assert (left(world), realm(world)) == (0, None)
    assert ended(world) == once(ids)


async def test_requests_are_answered_while_a_customer_ends(world: World) -> None:
    await fill(world, 30, 0)
    asked = ("GET", "/v1/extensions/count_by_customer", {"customer_id": str(world.customer)})
    ending = asyncio.ensure_future(world.tell("customer_deleted"))

    found = []
    while not ending.done():
        found.append((await asyncio.ensure_future(world.rpc(*asked))).data["count"])

    assert found == sorted(found, reverse=True)
    assert len(set(found)) > 5
    assert await ending


# ---- what was left unfinished


def cut_off(world: World, *owners: UUID) -> None:
    """What a process leaves that died right after it had written the tombstones."""
    for customer in owners:
        world.sql("UPDATE registrar_customers SET status = 'deleted' WHERE customer_id = ?", customer.bytes)


async def until(holds: Callable[[], bool]) -> None:
    """Let others work until it holds."""
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never holds")


@pytest.mark.contract("registrar R-67")
async def test_a_start_and_each_pass_go_on_with_what_was_left(world: World) -> None:
    ids = await fill(world, 2, 1)
    cut_off(world, world.customer)
    running = asyncio.ensure_future(world.ringback.reconciler.run(0))
    await until(lambda: left(world) == 0 and realm(world) is None)
    first = world.customer

    world.customer = uuid4()
    ids |= await fill(world, 1, 2)
    cut_off(world, world.customer)
    world.ringback.reconciler.behind.set()
    await until(lambda: left(world) == 0 and realm(world) is None)

    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert ended(world) == once(ids)
    assert (realm(world, first), status(world, first)) == (None, "deleted")


@pytest.mark.contract("registrar R-67")
@pytest.mark.parametrize(("phones", "lines"), [(2, 0), (0, 2), (0, 0)])
async def test_whatever_is_left_of_a_deleted_customer_is_found(world: World, phones: int, lines: int) -> None:
    ids = await fill(world, phones, lines)
    if ids:
        world.sql("DELETE FROM registrar_customer_domains")
    else:
        await world.label("acme")
        await world.set_status(Status.FROZEN)
    cut_off(world, world.customer)

    await cascade.resume(world.ringback.work)

    assert (left(world), realm(world)) == (0, None)
    assert ended(world) == once(ids)


@pytest.mark.contract("registrar R-67")
async def test_nobody_else_is_gone_on_with(world: World) -> None:
    await fill(world, 2, 1)
    await fill(world, 1, 1, frozen := uuid4())
    await world.tell("customer_frozen", frozen)
    before = world.everything()

    await cascade.resume(world.ringback.work)

    assert world.everything() == before


@pytest.mark.contract("registrar R-67, R-64")
async def test_a_customer_who_cannot_be_ended_keeps_no_other_and_no_repair(world: World) -> None:
    owners = sorted(uuid4() for _ in range(3))
    for owner in owners:
        await fill(world, 1, 1, owner)
    await fill(world, 1, 0)
    world.refuse("DELETE", "registrar_customer_domains", f"OLD.customer_id = x'{owners[1].hex}'")
    cut_off(world, *owners)
    mine = ("SELECT id FROM ps_auths WHERE id LIKE ?", f"%{world.customer}%")
    world.sql("DELETE FROM ps_auths WHERE id LIKE ?", mine[1])

    running = asyncio.ensure_future(world.ringback.reconciler.run(3600))
    await until(lambda: bool(world.sql(*mine)))
    assert left(world) == 1 + 2 * len(owners)  # what is wrong is repaired before
    await until(lambda: realm(world, owners[2]) is None)

    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert [realm(world, owner) is None for owner in owners] == [True, False, True]
    assert left(world) == 1


@pytest.mark.contract("registrar R-68")
@pytest.mark.parametrize(
    ("first", "then", "left"),
    [("customer_frozen", "customer_recovered", "active"), ("customer_recovered", "customer_frozen", "frozen")],
)
async def test_what_failed_here_does_not_undo_what_another_instance_heard_later(
    make_world: MakeWorld, first: str, then: str, left: str
) -> None:
    world = make_world()
    other = make_world(beside=world)
    other.now, other.customer = world.now, world.customer
    waiting = asyncio.Event()

    async def pause(seconds: float) -> None:
        world.heal()
        waiting.set()
        other.wait(seconds)
        assert await other.tell(then)
        world.wait(2 * seconds)

    def fail(statement: Statement) -> None:
        raise DatabaseUnavailable

    inbox = Inbox(HEARD, world.ringback.work, lambda publisher, type, ms: None, sleep=pause)
    world.before_statement = fail
    data = {"id": str(world.customer)}
    assert await inbox.take(msgspec.json.encode({"publisher": CUSTOMERS, "type": first, "data": data}))

    assert waiting.is_set()
    assert status(world) == left


@pytest.mark.contract("registrar R-68")
async def test_what_failed_here_is_done_later_unless_somebody_said_otherwise(world: World) -> None:
    await world.ringback.work.write(lambda uow: realms.set_limits(uow, world.customer, extension=5))
    world.fail_at(0, DatabaseUnavailable())
    world.asleep = lambda: None

    assert await world.tell("customer_frozen")

    assert status(world) == "frozen"
