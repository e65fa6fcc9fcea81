"""When a phone came and went, for its customer: told once each, summed up, kept for a while, and gone with them."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from ringback.kit.columns import NIL
from ringback.registrar.contacts.history import summed_up
from ringback.registrar.contacts.model import Entry
from tests.world import START, World, refusal


async def history(http: httpx.AsyncClient, made: Any, query: str = "") -> Any:
    answer = await http.get(f"/v1.0/extensions/{made['id']}/contact_history{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def rows(world: World) -> list[dict[str, Any]]:
    return world.everything()["registrar_contact_history"]


async def test_each_event_is_an_entry_that_says_where_the_phone_was(http: httpx.AsyncClient, world: World) -> None:
    made = await world.create()
    empty = await history(http, made)
    id = world.register(made["endpoint_id"], user_agent="Phone (^3B)", path="<sip:edge^3Blr>")
    await world.ringback.feed.once()
    world.sql("DELETE FROM ps_contacts WHERE id = ?", id)
    await world.ringback.feed.once()

    found = await history(http, made)

    nothing = {"last_seen": None, "address_changes": 0, "flaps_last_hour": 0}
    assert empty == {"result": [], "next_page_token": "", **nothing}
    assert [(one["event"], one["cause"]) for one in found["result"]] == [
        ("unregistered", "removed"),
        ("registered", ""),
    ]
    (told,) = [data for type, data in world.events() if type == "contact_registered"]
    same = ("uri", "transport", "user_agent", "via_addr", "via_port", "path", "reg_server")
    assert {name: told[name] for name in same} == {name: found["result"][1][name] for name in same}
    assert (found["result"][1]["contact_id"], found["result"][1]["path"]) == (told["id"], "<sip:edge;lr>")
    assert (found["last_seen"], found["flaps_last_hour"]) == (found["result"][0]["tm_create"], 0)


async def test_a_phone_that_is_registered_is_seen_now_and_its_flaps_and_moves_are_counted(
    http: httpx.AsyncClient, world: World
) -> None:
    made = await world.create()
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        world.sql("DELETE FROM ps_contacts")
        await world.ringback.feed.once()
        world.register(made["endpoint_id"], via_addr=address)
        await world.ringback.feed.once()
    world.frozen = True

    found = await history(http, made)

    assert found["last_seen"] == world.now.isoformat().replace("+00:00", "Z")
    assert (found["address_changes"], found["flaps_last_hour"]) == (1, 2)


def entry(event: str, minutes: float, address: str = "192.0.2.1") -> Entry:
    """An entry of so many minutes ago."""
    return Entry(
        NIL, NIL, NIL, event, "", "", "", "udp", "", address, 5060, "", "", START - timedelta(minutes=minutes)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("oldest_first", "flaps"),
    [
        ([("registered", 50)], 0),
        ([("unregistered", 50), ("registered", 40)], 1),
        ([("unregistered", 61), ("registered", 59)], 0),
        ([("expired", 50), ("registered", 40), ("registered", 30)], 1),
        ([("expired", 50), ("unregistered", 45), ("registered", 40)], 1),
        ([("expired", 50), ("registered", 40), ("expired", 30), ("registered", 20)], 2),
        ([("registered", 50), ("expired", 40)], 0),
    ],
)
def test_a_flap_is_a_registration_that_followed_an_end_within_the_hour(
    oldest_first: list[tuple[str, float]], flaps: int
) -> None:
    newest_first = [entry(event, minutes) for event, minutes in reversed(oldest_first)]

    assert summed_up(newest_first, START, is_here=False).flaps_last_hour == flaps


async def test_pages_go_on_where_the_last_one_ended(http: httpx.AsyncClient, world: World) -> None:
    made = await world.create()
    for _ in range(5):
        world.register(made["endpoint_id"])
    await world.ringback.feed.once()  # all in one moment

    pages = [await history(http, made, "?page_size=2")]
    while token := pages[-1]["next_page_token"]:
        pages.append(await history(http, made, f"?page_size=2&page_token={token}"))

    contacts = [one["contact_id"] for page in pages for one in page["result"]]
    assert ([len(page["result"]) for page in pages], len(set(contacts))) == ([2, 2, 1], 5)
    assert [one["contact_id"] for one in (await history(http, made))["result"]] == contacts


async def test_the_history_of_others_is_not_shown(http: httpx.AsyncClient, world: World) -> None:
    foreign = await world.create("1001", customer_id=str(uuid4()))
    for id, code, reason in ((foreign["id"], 404, "EXTENSION_NOT_FOUND"), ("x", 400, "INVALID_ID")):
        assert refusal(await http.get(f"/v1.0/extensions/{id}/contact_history")) == (code, reason)
    made = await world.create()
    for query in ("page_size=0", "page_token=x", "colour=red"):
        assert (await http.get(f"/v1.0/extensions/{made['id']}/contact_history?{query}")).status_code == 400


async def test_entries_go_after_the_days_they_are_kept(world: World) -> None:
    made = await world.create()
    world.register(made["endpoint_id"], expires_in=60)
    await world.ringback.feed.once()
    world.wait(29 * 86400)
    await world.ringback.feed.once()
    await world.ringback.history.once()
    assert {row["event"] for row in rows(world)} == {"registered", "expired"}

    world.wait(86400)
    await world.ringback.history.once()
    assert [row["event"] for row in rows(world)] == ["expired"]


async def test_the_history_of_a_deleted_customer_is_gone_and_that_of_others_stays(world: World) -> None:
    made = await world.create()
    other = await world.create("1001", customer_id=str(uuid4()))
    for one in (made, other):
        world.register(one["endpoint_id"])
    await world.ringback.feed.once()
    assert len(rows(world)) == 2

    assert await world.tell("customer_deleted")

    assert [row["customer_id"] for row in rows(world)] == [UUID(other["customer_id"]).bytes]
