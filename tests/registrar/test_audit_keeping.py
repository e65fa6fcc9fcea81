"""What is taken out of the audit log: data of people and customers who are gone, entries that were kept long enough."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from ringback.app import Ringback
from ringback.customers.audit import store
from ringback.kit import audit
from ringback.registrar import cascade
from tests.api.test_people import AUTH, ROOT, make
from tests.registrar.test_audit import APPEND_ONLY, log
from tests.world import PASSWORD, START, Broken, MakeWorld, World

EMAIL = "zaphod@example.com"
DAY = 86400


def fill(world: World, count: int, *, object_id: UUID | None = None, owner: UUID | None = None, days: int = 0) -> None:
    """So many entries that tell something, that many days old."""
    tm = (START - timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S.%f")
    told = '{"email": "zaphod@example.com"}'
    with world.bulk():
        for number in range(count):
            world.sql(
                "INSERT INTO ringback_audit (customer_id, tm, actor, source, address, action, kind, object_id, "
                "changed, new_values) VALUES (?, ?, 'nobody', 'rest', '192.0.2.7', 'created', 'person', ?, '[]', ?)",
                owner.bytes if owner else None,
                tm,
                (object_id or UUID(int=number + 1)).bytes,
                told,
            )


def chunks(world: World, statement: Any) -> int:
    """How often that was said since the statements were forgotten."""
    return world.statements.count(statement)


# ---- people


async def person(world: World, whose: UUID | None) -> tuple[httpx.AsyncClient, dict[str, Any]]:
    """Somebody of the customer or of the platform who has signed in, and tried to, and who may delete them."""
    http = await world.http(await world.key(whose))
    made = await make(http, EMAIL, "viewer", name="Zaphod")
    for password in (PASSWORD, "Wrong-Pass-0001"):
        await http.post(f"{AUTH}/login", json={"email": EMAIL, "password": password})
    return http, made


@pytest.mark.long
@pytest.mark.parametrize("is_of_customer", [True, False])
async def test_of_a_person_who_is_gone_stays_who_did_what_and_when(world: World, is_of_customer: bool) -> None:
    http, made = await person(world, world.customer if is_of_customer else None)
    other = await make(http, "ford@example.com", "viewer", name="Ford")
    before = log(world)

    await http.delete(f"{ROOT}/{made['id']}")
    assert EMAIL in str(log(world))
    await world.ringback.keeping.once()

    after = log(world)
    assert "aphod" not in str(world.everything())
    assert [entry["action"] for entry in after if entry["object_id"] == UUID(made["id"]).bytes] == [
        "created", "signed_in", "sign_in_refused", "deleted",
    ]  # fmt: skip
    for then, now in zip(before, after, strict=False):
        blank = then["object_id"] == UUID(made["id"]).bytes
        gone = {"address": None, "old_values": None, "new_values": None} if blank else {}
        assert now == {**then, **gone}
    assert [entry["new_values"]["email"] for entry in after if entry["object_id"] == UUID(other["id"]).bytes] == [
        "ford@example.com"
    ]
    assert world.sql("SELECT * FROM ringback_audit_erasures") == []
    await http.aclose()


async def test_nobody_blanks_a_person_who_is_there(world: World) -> None:
    http = await world.http()
    asked = {"email": EMAIL, "name": "Zaphod", "roles": ["viewer"]}
    made = (await http.post(ROOT, json=asked)).json()

    with pytest.raises(Exception, match=APPEND_ONLY):
        world.sql(
            "UPDATE ringback_audit SET address = NULL, old_values = NULL, new_values = NULL WHERE object_id = ?",
            UUID(made["id"]).bytes,
        )
    await http.aclose()


async def test_a_person_is_forgotten_a_little_at_a_time_and_through_any_failure(world: World) -> None:
    gone = uuid4()
    fill(world, 250, object_id=gone)
    fill(world, 1)
    ringback, number = world.ringback, 0
    await ringback.work.write(lambda uow: store.add_erasure(uow.session, gone, uow.now))
    world.statements.clear()
    while not await is_kept(ringback, world, number):
        number += 1

    assert number > 5
    assert chunks(world, audit.BLANK) >= 3
    assert [entry["new_values"] is None for entry in log(world)] == [True] * 250 + [False]
    assert world.sql("SELECT * FROM ringback_audit_erasures") == []


async def is_kept(ringback: Ringback, world: World, number: int) -> bool:
    """Whether it went through, when the statement of that number was to fail."""
    world.fail_at(number)
    try:
        await ringback.keeping.once()
    except Broken:
        return False
    world.heal()
    return True


# ---- entries that were kept for long enough


async def test_entries_stay_for_ever_unless_a_setting_says_how_long(world: World) -> None:
    fill(world, 3, days=5000)
    before = log(world)

    await world.ringback.keeping.once()

    assert log(world) == before


@pytest.mark.parametrize("setting", ["-1", "36501", "many"])
def test_a_setting_that_is_none_is_refused_by_its_name(make_world: MakeWorld, setting: str) -> None:
    with pytest.raises(Exception, match="audit_keep_days"):
        make_world(audit_keep_days=setting)


async def test_old_entries_go_a_few_at_a_time_and_one_entry_says_so(make_world: MakeWorld) -> None:
    world = make_world(audit_keep_days=30)
    fill(world, 1, days=40)
    fill(world, 1199, days=31)
    fill(world, 7, days=30)
    fill(world, 3, days=0)
    world.statements.clear()

    await world.ringback.keeping.once()

    assert chunks(world, store.REMOVE) == 12
    *young, told = log(world)
    assert [entry["tm"][:10] for entry in young] == ["2026-01-12"] * 7 + ["2026-02-11"] * 3
    assert (told["actor"], told["source"], told["kind"], told["action"]) == ("system", "system", "audit", "removed")
    assert (told["customer_id"], told["old_values"], told["changed"]) == (None, None, [])
    assert told["new_values"] == {
        "from": "2026-01-02T09:30:00.123456Z",
        "until": "2026-01-12T00:00:00Z",
        "entries": 1200,
    }
    assert world.sql("SELECT * FROM ringback_audit_removals") == []
    await world.ringback.keeping.once()
    assert log(world) == [*young, told]
    world.wait(DAY)
    await world.ringback.keeping.once()
    assert [entry["new_values"].get("entries") for entry in log(world)] == [None] * 3 + [1200, 7]


async def test_a_removal_goes_on_after_any_failure_and_is_told_once(make_world: MakeWorld) -> None:
    world = make_world(audit_keep_days=30)
    fill(world, 250, days=31)
    fill(world, 1)
    number = 0
    while not await is_kept(world.ringback, world, number):
        number += 1

    assert number == 8
    kept, told = log(world)
    assert (kept["kind"], told["new_values"]["entries"]) == ("person", 250)
    assert world.sql("SELECT * FROM ringback_audit_removals") == []


async def test_a_removal_that_was_begun_ends_whatever_the_setting_is_then(make_world: MakeWorld) -> None:
    world = make_world(audit_keep_days=30)
    fill(world, 150, days=31)
    fill(world, 1)
    statements: list[Any] = []

    def before(statement: Any) -> None:
        statements.append(statement)
        if statements.count(store.REMOVE) == 2:
            raise Broken

    world.before_statement = before
    with pytest.raises(Broken):
        await world.ringback.keeping.once()
    world.heal()
    assert len(log(world)) == 52
    other = make_world(beside=world)
    await other.ringback.keeping.once()

    assert len(log(world)) == 2


async def test_nobody_deletes_what_is_young_or_what_no_entry_speaks_of(make_world: MakeWorld) -> None:
    world = make_world(audit_keep_days=30)
    fill(world, 120, days=31)
    fill(world, 1)
    ringback, id = world.ringback, uuid4()
    untold = (id.bytes, 1000, "2999-01-01 00:00:00.000000", "2026-02-11 09:30:00.000000")
    world.sql("INSERT INTO ringback_audit_removals (id, last_number, tm_until, tm_create) VALUES (?, ?, ?, ?)", *untold)
    with pytest.raises(Exception, match=APPEND_ONLY):
        world.sql("DELETE FROM ringback_audit")
    world.sql("DELETE FROM ringback_audit_removals")

    def before(statement: Any) -> None:
        if statement is store.REMOVE:
            raise Broken

    world.before_statement = before
    with pytest.raises(Broken):
        await ringback.keeping.once()
    world.heal()
    begun = log(world)
    for condition in ("tm > '2026-02-01 00:00:00.000000'", "action = 'removed'", "1 = 1"):
        with pytest.raises(Exception, match=APPEND_ONLY):
            world.sql(f"DELETE FROM ringback_audit WHERE {condition}")
    assert log(world) == begun
    await ringback.keeping.once()
    assert len(log(world)) == 2
    with pytest.raises(Exception, match=APPEND_ONLY):
        world.sql("DELETE FROM ringback_audit")


# ---- customers


@pytest.mark.long
async def test_20000_entries_of_a_deleted_customer_are_blanked_100_at_a_time(world: World) -> None:
    fill(world, 20_000, owner=world.customer)
    world.statements.clear()

    assert await world.tell("customer_deleted")

    assert chunks(world, audit.BLANK) == 201  # and their own end
    assert {entry["new_values"] for entry in log(world, "person")} == {None}


async def test_a_kill_between_two_chunks_of_a_customer_is_gone_on_from(world: World) -> None:
    fill(world, 350, owner=world.customer)
    for _ in range(3):
        said: list[Any] = []

        def before(statement: Any, said: list[Any] = said) -> None:
            said.append(statement)
            if said.count(audit.BLANK) == 2:
                raise Broken

        world.before_statement = before
        with pytest.raises(Broken):
            await cascade.end(world.ringback.work, world.customer)
    world.heal()
    told = [entry for entry in log(world) if entry["new_values"] is not None]
    assert 0 < len(told) <= 53
    await cascade.resume(world.ringback.work)

    assert [entry for entry in log(world) if entry["new_values"] or entry["address"]] == []
