"""What a closer look found: odd letters, damaged rows, stale contacts, the look of a phone's own words."""

from typing import Any

import pytest
from prometheus_client import generate_latest

from ringback.kit.events import Message
from ringback.transports.memory import MemoryBus
from tests.world import World


@pytest.mark.contract("registrar R-20")
@pytest.mark.parametrize(
    "number", ["\u212a1001", "dev\u017f", "\u0130x", "\u01311", "anonymous", "Anonymous", "direct.1"]
)
async def test_letters_beyond_ascii_and_words_of_asterisk_are_no_numbers(world: World, number: str) -> None:
    reply = await world.rpc("POST", "/v1/extensions", world.asked(number))

    assert (reply.status_code, reply.faulty) == (400, ["extension"])
    assert world.sql("SELECT * FROM registrar_extensions") == []


async def test_anonymous_may_be_a_username(world: World) -> None:
    assert (await world.create("1001", username="anonymous"))["username"] == "anonymous"


@pytest.mark.contract("registrar R-64")
@pytest.mark.parametrize(
    "damage",
    [
        *(
            pytest.param(odd, marks=pytest.mark.sqlite)
            for odd in ("auth_types = ''", "allowed_ips = '{'", "id = x'0102'")
        ),
        "auth_types = NULL",
    ],
)
async def test_a_damaged_row_keeps_nothing_else_from_being_repaired(world: World, damage: str) -> None:
    made = await world.create()
    world.sql(f"UPDATE registrar_sip_auths SET {damage}")
    world.sql("DELETE FROM ps_auths")

    await world.ringback.reconciler.once()

    assert world.sql("SELECT id FROM ps_auths") == [{"id": made["endpoint_id"]}]
    if not damage.startswith("id"):
        assert world.sql("SELECT auth_types, allowed_ips FROM registrar_sip_auths") == [
            {"auth_types": '["basic"]', "allowed_ips": "[]"}
        ]


@pytest.mark.contract("registrar R-27")
async def test_a_new_extension_does_not_inherit_the_contacts_of_its_number(world: World) -> None:
    made = await world.create("2001")
    await world.rpc("DELETE", f"/v1/extensions/{made['id']}")
    world.register(made["endpoint_id"])

    await world.create("2001")

    assert world.sql("SELECT * FROM ps_contacts") == []


@pytest.mark.contract("registrar R-12")
async def test_a_list_names_the_faults_of_its_query_and_its_filters_at_once(world: World) -> None:
    reply = await world.rpc("GET", "/v1/extensions?page_size=0", {"customer_id": "bad", "deleted": "x"})

    assert sorted(reply.faulty) == ["customer_id", "deleted", "page_size"]


async def test_a_field_that_is_wrong_is_named_once(world: World) -> None:
    reply = await world.rpc("GET", "/v1/extensions", {"customer_id": "bad"})

    assert reply.faulty == ["customer_id"]


async def test_a_listener_that_fails_keeps_no_event_from_the_others(make_world: Any) -> None:
    bus, seen = MemoryBus(), []

    def fail(message: Message) -> None:
        raise RuntimeError(message.type)

    bus.subscribe(fail)
    bus.subscribe(lambda message: seen.append(message.type))
    world = make_world(bus=bus)
    await world.create()

    assert await world.ringback.relay.publish_waiting() == 1
    assert seen == ["extension_created"]


@pytest.mark.sqlite
async def test_a_phone_with_an_expiry_that_is_no_number_is_not_online(world: World) -> None:
    made = await world.create()
    world.register(made["endpoint_id"], expiration_time="")

    async with await world.http() as http:
        assert (await http.get("/")).json()["phones_online"] == 0
    world.register(made["endpoint_id"])
    world.register(made["endpoint_id"])
    async with await world.http() as http:
        assert (await http.get("/")).json()["phones_online"] == 1
    assert generate_latest(world.ringback.memory.metrics.registry)


async def test_a_value_of_the_wrong_type_is_told_its_type(world: World) -> None:
    reply = await world.rpc("POST", "/v1/extensions", {**world.asked(), "extension": 1001, "name": 7})

    told = {detail["field"]: detail["description"] for detail in reply.data["details"]}
    assert told == {"extension": "must be a string", "name": "must be a string"}


async def test_two_credentials_are_none(world: World) -> None:
    async with await world.http() as http:
        key = http.headers["authorization"]
        answer = await http.get("/v1.0/extensions", headers=[("authorization", key), ("authorization", key)])

    assert (answer.status_code, answer.json()["error"]["reason"]) == (401, "INVALID_CREDENTIALS")
