"""Contacts that come, go and expire are told once each, whoever notices."""

import re
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest

from ringback.kit.db import Statement
from ringback.registrar.contacts import store
from tests.registrar.test_list import insert
from tests.world import Broken, MakeWorld, World, nothing

REGISTERED = ("contact_registered", "")
EXPIRED = ("contact_expired", "")


def unregistered(cause: str) -> tuple[str, str]:
    return "contact_unregistered", cause


def told(world: World, since: int = 0) -> list[tuple[str, str]]:
    """(type, cause) of the news about contacts, in order."""
    return [(type, data["cause"]) for type, data in world.events()[since:] if type.startswith("contact_")]


async def look(world: World) -> list[tuple[str, str]]:
    """What one look tells."""
    before = len(world.events())
    await world.ringback.feed.once()
    return told(world, before)


async def rpc_2(world: World) -> list[tuple[str, str]]:
    """What one RPC 2 tells."""
    before = len(world.events())
    of = {"customer_id": str(world.customer), "extension": "1001"}
    assert (await world.rpc("PUT", "/v1/contacts", of)).raw == {"status_code": 200, "data_type": ""}
    return told(world, before)


def refresh(world: World, id: str, *, expires_in: int = 600, **columns: Any) -> None:
    columns["expiration_time"] = int(world.now.timestamp()) + expires_in
    sets = ", ".join(f"{name} = ?" for name in columns)
    world.sql(f"UPDATE ps_contacts SET {sets} WHERE id = ?", *columns.values(), id)


def counted(world: World) -> dict[str, float]:
    """How many came and went, by the metrics."""
    found = re.findall(r'^registrar_manager_contact_events_total{type="(\w+)"} (.+)$', world.metrics(), re.MULTILINE)
    return {type: float(number) for type, number in found if float(number)}


def seen(world: World) -> list[dict[str, Any]]:
    return world.everything()["registrar_contact_states"]


def writes(world: World) -> list[Statement]:
    """The statements that were no reads."""
    return [statement for statement in world.statements if not statement.core.is_select]


@pytest.mark.contract("registrar R-51")
@pytest.mark.parametrize("notices", [look, rpc_2])
async def test_register_refresh_expire_and_remove_are_told_once_each(
    world: World, notices: Callable[[World], Any]
) -> None:
    made = await world.create()
    assert await notices(world) == []

    first = world.register(made["endpoint_id"], expires_in=600)
    assert await notices(world) == [REGISTERED]
    assert await notices(world) == []
    world.wait(300)
    refresh(world, first)
    assert await notices(world) == []
    world.wait(500)
    assert await notices(world) == []
    world.wait(100)
    assert await notices(world) == [EXPIRED]
    assert await notices(world) == []
    refresh(world, first)
    assert await notices(world) == [REGISTERED]
    second = world.register(made["endpoint_id"])
    assert await notices(world) == [REGISTERED]
    world.sql("DELETE FROM ps_contacts WHERE id = ?", second)
    assert await notices(world) == [unregistered("removed")]
    assert await notices(world) == []

    assert [row["id"] for row in seen(world)] == [first]
    assert counted(world) == {"contact_registered": 3.0, "contact_expired": 1.0, "contact_unregistered": 1.0}


@pytest.mark.contract("registrar R-50, R-51")
async def test_an_event_says_which_phone_and_where_and_why(world: World) -> None:
    world.frozen = True
    made = await world.create()
    id = "1001@x^3B@9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d"
    world.register(made["endpoint_id"], id=id, user_agent="Phone/2.1 (x^3B y)")
    await look(world)
    world.wait(1)
    await world.rpc("DELETE", f"/v1/extensions/{made['id']}")

    (_, here), (_, gone) = [event for event in world.events() if event[0].startswith("contact_")]
    assert here == {
        "id": "1948a9e11140562478472e1fe5844737",
        "customer_id": str(world.customer),
        "extension_id": made["id"],
        "extension": "1001",
        "realm": made["realm"],
        "uri": "sip:1001@192.0.2.44:5062;transport=tcp",
        "transport": "tcp",
        "user_agent": "Phone/2.1 (x; y)",
        "via_addr": "192.0.2.44",
        "via_port": 5062,
        "path": "",
        "reg_server": "ast-1",
        "call_id": "f81d4fae",
        "expire_time": "2026-02-11T09:40:00Z",
        "cause": "",
        "tm_event": "2026-02-11T09:30:00.123456Z",
    }
    assert gone == {**here, "cause": "extension_deleted", "tm_event": "2026-02-11T09:30:01.123456Z"}
    rows = world.sql("SELECT object_id, subscription_id FROM registrar_outbox WHERE event_type LIKE 'contact_%'")
    assert rows == [dict.fromkeys(("object_id", "subscription_id"), UUID(made["id"]).bytes)] * 2


async def password(world: World, uri: str) -> Any:
    return await world.rpc("PUT", uri, {"password": "Another-Pass-0002"})


async def deletion(world: World, uri: str) -> Any:
    return await world.rpc("DELETE", uri)


async def rest(world: World, uri: str) -> Any:
    async with await world.http() as http:
        return await http.delete(f"/v1.0/extensions/{uri.rpartition('/')[2]}/contacts")


PURGES = {"password_changed": password, "extension_deleted": deletion, "api": rest}


@pytest.mark.contract("registrar R-51, R-52, R-24")
@pytest.mark.parametrize("cause", PURGES)
@pytest.mark.parametrize("looked", [True, False])
async def test_a_purge_tells_its_cause_and_no_look_tells_it_again(world: World, cause: str, looked: bool) -> None:
    made = await world.create()
    other = await world.create("1002")
    for endpoint in (made["endpoint_id"], made["endpoint_id"], other["endpoint_id"]):
        world.register(endpoint)
    gone = world.register(made["endpoint_id"], expires_in=30)
    if looked:
        assert await look(world) == [REGISTERED] * 4
    world.sql("DELETE FROM ps_contacts WHERE id = ?", gone)
    world.register(made["endpoint_id"], expires_in=-10)
    before = len(world.events())

    assert (await PURGES[cause](world, f"/v1/extensions/{made['id']}")).status_code == 200

    news = told(world, before)
    noticed = [unregistered("removed")] if looked else [REGISTERED, REGISTERED]
    assert news == [*noticed, unregistered(cause), unregistered(cause)]
    assert await look(world) == ([] if looked else [REGISTERED])
    assert [row["endpoint"] for row in world.everything()["ps_contacts"]] == [other["endpoint_id"]]
    assert [row["extension_id"] for row in seen(world)] == [UUID(other["id"]).bytes]


@pytest.mark.contract("registrar R-51")
async def test_the_news_of_a_purge_comes_before_that_of_the_phone(world: World) -> None:
    made = await world.create(direct=True)
    world.register(made["endpoint_id"])
    await look(world)
    before = len(world.events())

    await world.rpc("DELETE", f"/v1/extensions/{made['id']}")

    types = [type for type, _ in world.events()[before:]]
    assert types == ["contact_unregistered", "extension_direct_deleted", "extension_deleted"]


@pytest.mark.contract("registrar R-51")
async def test_what_happened_while_nobody_looked_is_told_afterwards_and_the_rest_is_not_repeated(world: World) -> None:
    endpoints = [(await world.create(str(number)))["endpoint_id"] for number in range(1001, 1006)]
    stays, expires, goes, renews, _ = [world.register(endpoint, expires_in=900) for endpoint in endpoints]
    refresh(world, expires, expires_in=60)
    assert await look(world) == [REGISTERED] * 5
    world.ringback.database.close()

    world.wait(300)
    world.sql("DELETE FROM ps_contacts WHERE id IN (?, ?)", expires, goes)
    refresh(world, renews, user_agent="Phone/3.0")
    world.ringback = world.start()

    assert sorted(await look(world)) == [EXPIRED, unregistered("removed")]
    assert await look(world) == []
    assert {row["id"] for row in seen(world)} >= {stays, renews}


@pytest.mark.contract("registrar R-51")
async def test_a_refresh_that_changes_something_is_no_news_but_remembered(world: World) -> None:
    made = await world.create()
    id = world.register(made["endpoint_id"])
    await look(world)

    refresh(world, id, user_agent="Phone/3.0", via_port=5099, call_id="new")
    assert await look(world) == []
    (row,) = seen(world)
    assert (row["user_agent"], row["via_port"], row["call_id"]) == ("Phone/3.0", 5099, "new")
    refresh(world, id, user_agent="Phone/4.0")
    assert await rpc_2(world) == []
    world.sql("DELETE FROM ps_contacts")
    assert await look(world) == [unregistered("removed")]

    assert world.events()[-1][1]["user_agent"] == "Phone/4.0"


@pytest.mark.contract("registrar R-51")
async def test_a_phone_that_registers_from_elsewhere_is_told_as_both(world: World) -> None:
    made = await world.create()
    world.register(made["endpoint_id"])
    await look(world)

    world.sql("DELETE FROM ps_contacts")
    world.register(made["endpoint_id"], uri="sip:1001@198.51.100.9:5060")

    assert await look(world) == [REGISTERED, unregistered("removed")]
    assert [data["uri"] for _, data in world.events()[-2:]] == [
        "sip:1001@198.51.100.9:5060", "sip:1001@192.0.2.44:5062;transport=tcp",
    ]  # fmt: skip
    world.sql("DELETE FROM ps_contacts")
    again = world.register(made["endpoint_id"])
    world.sql("DELETE FROM ps_contacts WHERE id = ?", again)
    assert await look(world) == [unregistered("removed")]


@pytest.mark.contract("registrar R-51")
async def test_a_row_that_is_another_phones_now_is_told_for_both(world: World) -> None:
    one, two = await world.create("1001"), await world.create("1002")
    id = world.register(one["endpoint_id"])
    await look(world)

    world.sql("UPDATE ps_contacts SET endpoint = ?", two["endpoint_id"])

    assert await look(world) == [unregistered("removed"), REGISTERED]
    assert [data["extension"] for _, data in world.events()[-2:]] == ["1001", "1002"]
    assert [(row["id"], row["extension_id"]) for row in seen(world)] == [(id, UUID(two["id"]).bytes)]
    assert await look(world) == []


@pytest.mark.contract("registrar R-51")
async def test_the_contacts_of_an_extension_that_vanished_behind_our_back_are_those_of_the_next_one(
    world: World,
) -> None:
    made = await world.create()
    world.register(made["endpoint_id"])
    await look(world)

    world.sql("UPDATE registrar_extensions SET tm_delete = tm_create")
    assert await look(world) == []
    assert seen(world) == []
    world.sql("UPDATE registrar_extensions SET tm_delete = NULL")
    assert await look(world) == [REGISTERED]
    next_one = uuid4()
    world.sql("UPDATE registrar_extensions SET id = ?", next_one.bytes)

    assert await look(world) == [REGISTERED]
    assert world.events()[-1][1]["extension_id"] == str(next_one)
    assert await look(world) == []


@pytest.mark.contract("registrar R-51")
async def test_a_realm_of_another_name_takes_the_contacts_of_the_old_one_away(make_world: MakeWorld) -> None:
    world = make_world(secret_storage="plaintext")
    made = await world.create()
    world.register(made["endpoint_id"])
    await look(world)

    async with await world.http() as http:
        answer = await http.put("/v1.0/customer_domain", json={"domain_label": "acme"})

    assert answer.status_code == 200
    type, data = world.events()[-2]
    assert (type, data["cause"], data["realm"]) == ("contact_unregistered", "removed", made["realm"])
    assert await look(world) == []
    assert (world.everything()["ps_contacts"], seen(world)) == ([], [])
    world.register("1001@acme.registrar.localhost")
    assert await look(world) == [REGISTERED]


@pytest.mark.contract("registrar R-51")
@pytest.mark.long
async def test_more_contacts_than_one_read_gives_are_all_told(world: World) -> None:
    world.frozen = True
    with world.bulk():
        for number in range(501):
            insert(world, number, number)
            world.register(f"{number}@r.registrar.localhost", id=f"{number:04}")
    assert await look(world) == [REGISTERED] * 501
    assert len({data["id"] for _, data in world.events()}) == 501

    world.sql("DELETE FROM ps_contacts WHERE id >= '0001'")
    assert await look(world) == [unregistered("removed")] * 500
    assert await look(world) == []


@pytest.mark.contract("registrar R-51")
async def test_rows_that_pass_between_phones_of_one_transaction_are_told_for_both(world: World) -> None:
    made = [await world.create(number) for number in ("1001", "1002")]
    ids = [world.register(phone["endpoint_id"]) for phone in made]
    await look(world)
    for id, phone in zip(ids, reversed(made), strict=True):
        world.sql("UPDATE ps_contacts SET endpoint = ? WHERE id = ?", phone["endpoint_id"], id)
    before = len(world.events())

    await world.ringback.feed.compare(phone["endpoint_id"] for phone in made)

    assert told(world, before) == [REGISTERED, unregistered("removed")] * 2
    assert {row["id"]: row["extension_id"] for row in seen(world)} == {
        id: UUID(phone["id"]).bytes for id, phone in zip(ids, reversed(made), strict=True)
    }
    assert await look(world) == []


@pytest.mark.contract("registrar R-51")
async def test_fifty_phones_that_come_or_go_cost_as_many_statements_as_two(world: World) -> None:
    async def cost(first: int, last: int) -> int:
        names = [f"{number}@r.registrar.localhost" for number in range(first, last)]
        with world.bulk():
            for number, name in zip(range(first, last), names, strict=True):
                insert(world, number, number)
                world.register(name, id=f"{number:04}")
        world.sql("DELETE FROM ps_contacts WHERE id = ?", f"{first - 1:04}")
        world.statements.clear()
        await world.ringback.feed.compare([f"{first - 1}@r.registrar.localhost", *names])
        return len(world.statements)

    await cost(1, 3)
    assert await cost(3, 52) == await cost(52, 54)


@pytest.mark.sqlite
@pytest.mark.contract("registrar R-51")
@pytest.mark.long
async def test_two_thousand_refreshes_cost_forty_short_transactions(world: World) -> None:
    world.frozen = True
    with world.bulk():
        for number in range(2000):
            id = insert(world, number, number)
            contact = world.register(f"{number}@r.registrar.localhost", id=f"{number:04}")
            world.sql("INSERT INTO registrar_contact_states (id, extension_id, expiration_time) VALUES (?, ?, 1)", *(
                contact, UUID(id).bytes
            ))  # fmt: skip
    transactions: list[str] = []
    writer = world.ringback.database.writer  # type: ignore[attr-defined]
    writer.set_trace_callback(lambda sql: transactions.append(sql) if sql.startswith("BEGIN") else None)
    world.statements.clear()

    assert await look(world) == []

    assert len(transactions) == 40
    assert writes(world) == [store.CHANGE] * 40
    assert len(world.statements) < 60
    transactions.clear()
    assert await look(world) == []
    assert transactions == []


@pytest.mark.contract("registrar R-51")
@pytest.mark.long
async def test_contacts_of_nobody_are_no_news_and_no_endless_work(world: World) -> None:
    made = await world.create()
    deleted = await world.create("1002")
    await world.rpc("DELETE", f"/v1/extensions/{deleted['id']}")
    names = ("x@pbx.example.com", "trunk-1", "", "x@registrar.localhost", "ghost@x.registrar.localhost")
    for endpoint in (*names, deleted["endpoint_id"]):
        world.register(endpoint)
    world.statements.clear()

    assert await look(world) == await look(world) == []

    assert (writes(world), seen(world)) == ([], [])
    world.register(made["endpoint_id"].upper())
    assert await look(world) in ([], [REGISTERED])  # where names are compared without letter case, for Asterisk too
    world.statements.clear()
    assert await look(world) == []
    assert writes(world) == []


@pytest.mark.contract("registrar R-47, R-51")
@pytest.mark.parametrize(
    ("time", "is_live"),
    [
        (None, False), (-1, False), (0, False),
        *(pytest.param(odd, False, marks=pytest.mark.sqlite) for odd in ("", -(2**63), "soon", b"")),
        *(
            pytest.param(odd, True, marks=pytest.mark.sqlite)
            for odd in (2**62, 1e30, "9" * 30, float("inf"), "1970802200 s", "9" * 30 + "x")
        ),
    ],
)  # fmt: skip
async def test_whatever_stands_for_the_end_of_a_contact_the_look_goes_on_and_comes_to_rest(
    world: World, time: Any, is_live: bool
) -> None:
    odd, sound = await world.create("1001"), await world.create("1002")
    world.allow_null()
    world.register(odd["endpoint_id"], id="odd", expiration_time=time)
    world.register(sound["endpoint_id"], id="sound", via_port=time)

    assert await look(world) == [REGISTERED] * (1 + is_live)

    world.statements.clear()
    assert await look(world) == []
    assert writes(world) == []
    for number in ("1001", "1002"):
        of = {"customer_id": str(world.customer), "extension": number}
        reply = await world.rpc("GET", "/v1/contacts", of)
        assert (reply.status_code, len(reply.data)) == (200, is_live if number == "1001" else 1)
    async with await world.http() as http:
        assert (await http.get(f"/v1.0/extensions/{odd['id']}/contacts")).json()["registered"] is is_live


@pytest.mark.contract("registrar R-51, R-61")
async def test_a_failure_before_any_statement_leaves_nothing_half_told(world: World) -> None:
    made = await world.create()
    gone = world.register(made["endpoint_id"])
    await look(world)
    world.sql("DELETE FROM ps_contacts WHERE id = ?", gone)
    world.register(made["endpoint_id"])
    world.register(made["endpoint_id"])
    changed = [REGISTERED, REGISTERED, unregistered("removed")]
    before, start = world.everything(), len(world.events())
    of = {"customer_id": str(world.customer), "extension": "1001"}
    for number in count():
        world.fail_at(number)
        reply = await world.rpc("PUT", "/v1/contacts", of)
        if reply.status_code == 200:
            break
        assert world.everything() == before, number
        assert counted(world) == {"contact_registered": 1.0}
    assert number > 8
    assert told(world, start) == changed
    assert counted(world) == {"contact_registered": 3.0, "contact_unregistered": 1.0}


@pytest.mark.contract("registrar R-51")
@pytest.mark.long
async def test_a_failure_before_any_statement_of_a_look_delays_news_and_loses_or_doubles_none(world: World) -> None:
    mover, renewer = [(await world.create(number))["endpoint_id"] for number in ("1001", "1002")]
    kept = world.register(renewer)
    last = world.register(mover)
    await look(world)
    for number in count():
        world.sql("DELETE FROM ps_contacts WHERE id = ?", last)
        last = world.register(mover)
        refresh(world, kept, user_agent=f"Phone/{number}")
        start = len(world.events())
        world.fail_at(number)
        with suppress(Broken):
            await world.ringback.feed.once()
        if world.before_statement is not nothing:
            break
        await look(world)
        assert told(world, start) == [REGISTERED, unregistered("removed")], number
        assert {row["user_agent"] for row in seen(world)} == {"Phone/2.1", f"Phone/{number}"}
    assert number > 8


@pytest.mark.sqlite
@pytest.mark.contract("registrar R-51")
async def test_a_phone_that_cannot_be_compared_keeps_no_other_from_being_told(
    world: World, logged: Callable[[], str]
) -> None:
    broken, sound = await world.create("1001"), await world.create("1002")
    gone = world.register(broken["endpoint_id"])
    await look(world)
    world.sql("UPDATE registrar_extensions SET tm_create = 'once' WHERE extension = '1001'")
    world.sql("DELETE FROM ps_contacts WHERE id = ?", gone)
    for endpoint in (broken["endpoint_id"], sound["endpoint_id"]):
        world.register(endpoint)

    assert await look(world) == [REGISTERED]

    assert world.events()[-1][1]["extension"] == "1002"
    assert "cannot be compared" in logged()
    world.sql("UPDATE registrar_extensions SET tm_create = tm_update WHERE extension = '1001'")
    assert sorted(await look(world)) == [REGISTERED, unregistered("removed")]


@pytest.mark.sqlite
@pytest.mark.contract("registrar R-51")
@pytest.mark.parametrize("number", range(4))
async def test_a_phone_deleted_during_a_look_is_told_by_its_end_alone(world: World, number: int) -> None:
    made, stays = await world.create("1001"), await world.create("1002")
    other = world.start()
    for endpoint in (made["endpoint_id"], stays["endpoint_id"]):
        world.register(endpoint)
    start = len(world.events())

    world.during(number, other.rpc.serve(world.envelope("DELETE", f"/v1/extensions/{made['id']}")))
    await world.ringback.feed.once()
    await look(world)

    other.database.close()
    news = [(type, data["cause"]) for type, data in world.events()[start:] if data.get("extension_id") == made["id"]]
    assert news == [REGISTERED, unregistered("extension_deleted")]
    assert told(world, start).count(REGISTERED) == 2
