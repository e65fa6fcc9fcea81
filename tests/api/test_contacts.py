"""Where a phone is, for its customer: seen, and taken away."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.world import World, refusal

KEYS = [
    "id", "uri", "transport", "user_agent", "via_addr", "via_port", "path", "reg_server", "call_id", "expire_time",
    "expires_in",
]  # fmt: skip


async def registered(world: World, *numbers: str) -> list[str]:
    """Extensions with two devices each, that a look has seen; the paths of their contacts."""
    paths = []
    for number in numbers:
        made = await world.create(number)
        for device in (1, 2):
            world.register(made["endpoint_id"], id=f"{made['endpoint_id']}^3B@{device}", via_port=5060 + device)
        paths.append(f"/v1.0/extensions/{made['id']}/contacts")
    await world.ringback.feed.once()
    return paths


def news(world: World) -> list[tuple[str, str, str]]:
    """(number, contact id, cause) of contacts that were unregistered."""
    gone = [data for type, data in world.events() if type == "contact_unregistered"]
    return [(data["extension"], data["id"], data["cause"]) for data in gone]


def left(world: World) -> list[str]:
    return [row["id"] for row in world.everything()["ps_contacts"]]


async def test_contacts_are_shown_by_all_keys_and_as_of_when(http: httpx.AsyncClient, world: World) -> None:
    world.frozen = True
    made = await world.create()
    path = f"/v1.0/extensions/{made['id']}/contacts"
    nothing = await http.get(path)
    world.wait(5)
    world.register(made["endpoint_id"], id="5", path="<sip:edge.example.com^3Blr>", user_agent="Z 5 (^5E^3B v2)")

    shown = await http.get(path)

    times = {"as_of": "2026-02-11T09:30:01.123456Z"}
    assert nothing.json() == {"result": [], "next_page_token": "", "registered": False, **times}
    assert shown.status_code == 200
    assert list(shown.json()["result"][0]) == KEYS
    assert shown.json() == {
        "result": [
            {
                "id": "ef2d127de37b942baad06145e54b0c61",
                "uri": "sip:1001@192.0.2.44:5062;transport=tcp",
                "transport": "tcp",
                "user_agent": "Z 5 (^; v2)",
                "via_addr": "192.0.2.44",
                "via_port": 5062,
                "path": "<sip:edge.example.com;lr>",
                "reg_server": "ast-1",
                "call_id": "f81d4fae",
                "expire_time": "2026-02-11T09:40:06Z",
                "expires_in": 600,
            }
        ],
        "next_page_token": "",
        "registered": True,
        "as_of": "2026-02-11T09:30:06.123456Z",
    }


@pytest.mark.parametrize(
    ("contact", "shown", "transport"),
    [
        ("7369703a314068", "sip:1@h", "udp"),
        ("736970733a314068", "sips:1@h", "tls"),
        ("7369703a3140683b7472616e73706f72743d7773", "sip:1@h;transport=ws", "ws"),
        ("736970", "sip", "udp"),
        ("7", "sip:1@192.0.2.5;binding=5", "udp"),
        ("", "sip:1@192.0.2.5;binding=5", "udp"),
    ],
)
async def test_of_a_phone_at_the_edge_its_own_contact_is_shown(
    http: httpx.AsyncClient, world: World, contact: str, shown: str, transport: str
) -> None:
    made = await world.create()
    path = f"<sip:192.0.2.5:5060^3Blr^3Bcontact={contact}^3Bpeer=7369703a>"
    world.register(made["endpoint_id"], uri="sip:1@192.0.2.5^3Bbinding=5", path=path)

    (found,) = (await http.get(f"/v1.0/extensions/{made['id']}/contacts")).json()["result"]

    assert (found["uri"], found["transport"]) == (shown, transport)


@pytest.mark.contract("registrar R-50")
@pytest.mark.parametrize(
    ("stored", "plain", "transport"),
    [
        ("sip:1@192.0.2.4", "sip:1@192.0.2.4", "udp"),
        ("sips:1@192.0.2.4:5061", "sips:1@192.0.2.4:5061", "tls"),
        ("sip:1@192.0.2.4^3BTransport=WSS^3Bob", "sip:1@192.0.2.4;Transport=WSS;ob", "wss"),
        ("sip:a^5E3B@h^3Btransport=tls?x=^3B", "sip:a^3B@h;transport=tls?x=;", "tls"),
        ("sip:^@h^3", "sip:^@h^3", "udp"),
        ("", "", "udp"),
    ],
)
async def test_a_uri_is_plain_and_names_its_transport(
    http: httpx.AsyncClient, world: World, stored: str, plain: str, transport: str
) -> None:
    made = await world.create()
    world.register(made["endpoint_id"], uri=stored)

    (shown,) = (await http.get(f"/v1.0/extensions/{made['id']}/contacts")).json()["result"]

    assert (shown["uri"], shown["transport"]) == (plain, transport)


@pytest.mark.contract("registrar R-52")
async def test_all_contacts_of_a_phone_are_removed_shown_and_told(http: httpx.AsyncClient, world: World) -> None:
    mine, other = await registered(world, "1001", "1002")
    before = (await http.get(mine)).json()
    world.register(f"1001@{world.customer}.registrar.localhost", id="expired", expires_in=-5)

    answer = await http.delete(mine)

    assert answer.status_code == 200
    assert list(answer.json()) == ["result", "next_page_token", "registered", "as_of"]
    assert [(item["id"], item["uri"]) for item in answer.json()["result"]] == [
        (item["id"], item["uri"]) for item in before["result"]
    ]
    assert (answer.json()["next_page_token"], answer.json()["registered"]) == ("", False)
    assert sorted(news(world)) == sorted(("1001", item["id"], "api") for item in before["result"])
    assert [id.partition("@")[0] for id in left(world)] == ["1002", "1002"]
    assert (await http.get(mine)).json()["registered"] is False
    assert len((await http.get(other)).json()["result"]) == 2
    again = await http.delete(mine)
    assert (again.status_code, again.json()["result"], len(news(world))) == (200, [], 2)
    await world.ringback.feed.once()
    assert len(news(world)) == 2


@pytest.mark.contract("registrar R-52")
async def test_one_contact_of_a_phone_is_removed_shown_and_told(http: httpx.AsyncClient, world: World) -> None:
    mine, _ = await registered(world, "1001", "1002")
    first, second = (await http.get(mine)).json()["result"]

    answer = await http.delete(f"{mine}/{first['id']}")

    assert answer.status_code == 200
    assert ([item["id"] for item in answer.json()["result"]], answer.json()["registered"]) == ([first["id"]], True)
    assert news(world) == [("1001", first["id"], "api")]
    assert [item["id"] for item in (await http.get(mine)).json()["result"]] == [second["id"]]
    assert len(left(world)) == 3
    gone = await http.delete(f"{mine}/{first['id']}")
    assert refusal(gone) == (404, "CONTACT_NOT_FOUND")
    last = await http.delete(f"{mine}/{second['id']}")
    assert (last.status_code, last.json()["registered"]) == (200, False)
    assert news(world)[1:] == [("1001", second["id"], "api")]


@pytest.mark.contract("registrar R-52, R-74")
async def test_what_is_no_contact_of_that_phone_is_404_and_nothing_changes(
    http: httpx.AsyncClient, world: World
) -> None:
    mine, other = await registered(world, "1001", "1002")
    (first, _), (foreign, _) = [(await http.get(path)).json()["result"] for path in (mine, other)]
    expired = world.register(f"1001@{world.customer}.registrar.localhost", expires_in=-5)
    before = world.everything()

    for id in (foreign["id"], first["id"].upper(), first["id"][:-1], "x", "%00", str(uuid4()), expired):
        assert refusal(await http.delete(f"{mine}/{id}")) == (404, "CONTACT_NOT_FOUND"), id
    unknown = f"/v1.0/extensions/{uuid4()}/contacts"
    async with await world.http(await world.key(uuid4())) as stranger:
        made = {name: world.everything()[name] for name in ("registrar_accesskeys", "ringback_audit")}
        for path in (mine, unknown):
            for client in (stranger, http) if path is unknown else (stranger,):
                assert refusal(await client.get(path)) == (404, "EXTENSION_NOT_FOUND")
                assert refusal(await client.delete(path)) == (404, "EXTENSION_NOT_FOUND")
                assert refusal(await client.delete(f"{path}/{first['id']}")) == (404, "EXTENSION_NOT_FOUND")
    assert refusal(await http.delete(f"/v1.0/extensions/x/contacts/{first['id']}")) == (400, "INVALID_ID")

    assert world.everything() == {**before, **made}


@pytest.mark.contract("registrar R-52")
async def test_a_removal_that_fails_removes_and_tells_nothing(http: httpx.AsyncClient, world: World) -> None:
    (mine,) = await registered(world, "1001")
    before: dict[str, Any] = world.everything()
    for number in range(40):
        world.fail_at(number + 1)
        answer = await http.delete(mine)
        if answer.status_code == 200:
            break
        assert answer.status_code == 500
        assert world.everything() == before
    assert number > 6
    assert len(news(world)) == 2


async def test_the_front_page_counts_phones_not_devices(http: httpx.AsyncClient, world: World) -> None:
    await registered(world, "1001", "1002")
    await world.create("1003")
    world.register("ghost@pbx.example.com")

    assert (await http.get("/")).json()["phones_online"] == 2

    world.wait(600)
    assert (await http.get("/")).json()["phones_online"] == 0
