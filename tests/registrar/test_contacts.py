"""Where a phone is: contacts, by the wire."""

from typing import Any
from uuid import uuid4

import pytest

from ringback.kit.db import Statement
from ringback.sip import asterisk
from tests.world import MakeWorld, World

KEYS = (
    "id,uri,expiration_time,qualify_frequency,outbound_proxy,path,user_agent,qualify_timeout,reg_server,"
    "authenticate_qualify,via_addr,via_port,call_id,endpoint,prune_on_boot"
)


def of(world: World, number: str = "1001") -> dict[str, str]:
    return {"customer_id": str(world.customer), "extension": number}


async def contacts(world: World, number: str = "1001") -> list[dict[str, Any]]:
    reply = await world.rpc("GET", "/v1/contacts?ignored=1", of(world, number))
    assert reply.status_code == 200, reply
    return list(reply.data)


def reads(world: World) -> int:
    """How often the contacts were read from the database since the last time."""
    found = sum(statement is asterisk.CONTACTS for statement in world.statements)
    world.statements.clear()
    return found


@pytest.mark.contract("registrar R-47")
async def test_expired_rows_are_never_shown_not_from_a_warm_cache_either(world: World) -> None:
    made = await world.create()
    world.frozen = True
    first = world.register(made["endpoint_id"], expires_in=10)
    second = world.register(made["endpoint_id"], expires_in=1000)
    world.register(made["endpoint_id"], expires_in=0)
    world.register(made["endpoint_id"], expires_in=-1)
    world.allow_null()
    world.register(made["endpoint_id"], expiration_time=None)
    world.register(f"x{made['endpoint_id']}", expires_in=1000)

    async def seen() -> set[str]:
        return {contact["id"] for contact in await contacts(world)}

    assert await seen() == {first, second}
    world.wait(9)
    reads(world)
    assert await seen() == {first, second}
    world.wait(0.8)
    assert await seen() == {first, second}
    assert reads(world) in (0, 2)
    world.wait(0.2)
    assert await seen() == {second}
    world.wait(990)
    assert await seen() == set()


@pytest.mark.contract("registrar R-47")
async def test_the_cache_spares_the_database_for_its_time_and_not_longer(world: World) -> None:
    made = await world.create()
    world.frozen = True
    world.register(made["endpoint_id"], expires_in=1000)

    assert len(await contacts(world)) == 1
    assert reads(world) == 1
    world.wait(14.9)
    assert len(await contacts(world)) == 1
    assert reads(world) == 0
    world.wait(0.2)
    assert len(await contacts(world)) == 1
    assert reads(world) == 1


@pytest.mark.contract("registrar R-47")
async def test_null_in_every_nullable_column_gives_15_keys_of_empty_values(world: World) -> None:
    made = await world.create()
    id = world.register(made["endpoint_id"])
    columns = [name for name in KEYS.split(",") if name not in ("id", "expiration_time", "endpoint")]
    world.allow_null()
    world.sql(f"UPDATE ps_contacts SET {', '.join(f'{name} = NULL' for name in columns)}")

    (contact,) = await contacts(world)

    assert ",".join(contact) == KEYS
    numbers = {"qualify_frequency": 0, "qualify_timeout": 0.0, "via_port": 0}
    kept = {"id": id, "expiration_time": contact["expiration_time"], "endpoint": made["endpoint_id"]}
    assert contact == {**dict.fromkeys(columns, ""), **numbers, **kept}


@pytest.mark.sqlite
@pytest.mark.contract("registrar R-47")
async def test_no_row_that_a_phone_could_cause_fails_the_call(world: World) -> None:
    made = await world.create()
    good = world.register(made["endpoint_id"], id="good")
    odd: dict[str, dict[str, Any]] = {
        "a": {"expiration_time": 2**62},
        "b": {"expiration_time": 253402300800},
        "c": {"via_port": "5060x", "qualify_frequency": ""},
        "d": {"qualify_timeout": "3.5s"},
        "e": {"user_agent": "x" * 10_000},
    }
    for id, columns in odd.items():
        world.register(made["endpoint_id"], id=id, **columns)
    world.register(made["endpoint_id"], id="f")
    world.sql("UPDATE ps_contacts SET user_agent = CAST(x'4d6f62696cfc' AS TEXT) WHERE id = 'f'")

    shown = {contact["id"]: contact for contact in await contacts(world)}

    assert good in shown
    assert shown["f"]["user_agent"] == "Mobil�"
    async with await world.http() as http:
        reply = await http.get(f"/v1.0/extensions/{made['id']}/contacts")
    assert reply.status_code == 200, reply.text


@pytest.mark.contract("registrar R-48")
async def test_a_phone_that_registers_3_s_after_an_empty_answer_is_found(world: World) -> None:
    made = await world.create()
    world.frozen = True
    assert await contacts(world) == []
    world.wait(3)

    id = world.register(made["endpoint_id"])

    assert [contact["id"] for contact in await contacts(world, "1001")] == [id]


@pytest.mark.contract("registrar R-48")
async def test_an_empty_answer_is_believed_for_2_s_at_most(world: World) -> None:
    await world.create()
    world.frozen = True
    assert await contacts(world) == []
    reads(world)
    for seconds, expected in ((1.9, 0), (0.2, 1)):
        world.wait(seconds)
        await contacts(world)
        assert reads(world) == expected


@pytest.mark.sqlite
@pytest.mark.contract("registrar R-48")
async def test_what_another_process_wrote_is_seen_at_once(world: World) -> None:
    made = await world.create()
    world.frozen = True
    assert await contacts(world) == []

    id = world.register(made["endpoint_id"])

    assert [contact["id"] for contact in await contacts(world)] == [id]
    world.sql("DELETE FROM ps_contacts")
    assert await contacts(world) == []


@pytest.mark.contract("registrar R-49")
async def test_rpc_2_makes_the_next_read_go_to_the_database(world: World) -> None:
    made = await world.create()
    world.frozen = True
    world.register(made["endpoint_id"])
    await contacts(world)

    reply = await world.rpc("PUT", "/v1/contacts", of(world))

    assert reply.raw == {"status_code": 200, "data_type": ""}
    reads(world)
    await contacts(world)
    assert reads(world) == 1
    for unknown in (of(world, "nobody"), {**of(world), "customer_id": str(uuid4())}):
        assert (await world.rpc("PUT", "/v1/contacts", unknown)).raw == {"status_code": 200, "data_type": ""}
        assert (await world.rpc("GET", "/v1/contacts", unknown)).data == []


@pytest.mark.sqlite
@pytest.mark.contract("registrar R-49")
async def test_a_fill_in_flight_does_not_outlive_an_rpc_2(world: World) -> None:
    made = await world.create()
    world.frozen = True
    world.register(made["endpoint_id"])

    def before(statement: Statement) -> None:
        if statement is asterisk.CONTACTS:
            world.heal()
            reply = world.at_once(world.rpc("PUT", "/v1/contacts", of(world, "1001")))
            assert reply.status_code == 200

    world.before_statement = before
    assert len(await contacts(world)) == 1
    reads(world)

    assert len(await contacts(world)) == 1
    assert reads(world) == 1
    assert len(await contacts(world)) == 1
    assert reads(world) == 0


@pytest.mark.contract("registrar R-50")
async def test_a_uri_is_as_stored_over_rpc_and_plain_in_rest(world: World) -> None:
    made = await world.create()
    stored = "sip:1001@192.0.2.44:5062^3Btransport=TCP^3Bx-ast=1"
    world.register(made["endpoint_id"], uri=stored, via_port=5062)

    (contact,) = await contacts(world)
    async with await world.http() as http:
        shown = (await http.get(f"/v1.0/extensions/{made['id']}/contacts")).json()

    assert contact["uri"] == stored
    assert contact["via_port"] == 5062
    assert shown["registered"] is True
    assert shown["result"][0]["uri"] == "sip:1001@192.0.2.44:5062;transport=TCP;x-ast=1"
    assert shown["result"][0]["transport"] == "tcp"


@pytest.mark.contract("registrar R-47, R-49")
async def test_numbers_ignore_letter_case_and_no_cache_is_kept_where_none_is_wanted(make_world: MakeWorld) -> None:
    world = make_world(contact_cache_ttl=0)
    made = await world.create("Desk")
    id = world.register(made["endpoint_id"])

    for number in ("Desk", "desk", "DESK"):
        assert [contact["id"] for contact in await contacts(world, number)] == [id]
    assert reads(world) == 3
