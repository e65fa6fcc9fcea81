"""The form of every event: its envelope, its payload, and what is never in it."""

import json
from typing import Any
from uuid import UUID

import pytest

from ringback.kit.events import Message
from tests.world import MakeWorld, World

MARKER = "Marker-Pass-4711"
EXTENSION = "id,customer_id,name,detail,extension,domain_name,realm,username,direct_hash,direct_uri"
TRUNK = "id,customer_id,name,detail,domain_name,realm,auth_types,username,allowed_ips"
WHERE = "uri,transport,user_agent,via_addr,via_port,path,reg_server,call_id,expire_time"
CONTACT = f"id,customer_id,extension_id,extension,realm,{WHERE}"
KEYS = {
    "extension": f"{EXTENSION},tm_create,tm_update,tm_delete",
    "trunk": f"{TRUNK},tm_create,tm_update,tm_delete",
    "extension_direct": "id,customer_id,extension_id,hash,tm_create,tm_update,tm_delete,direct_uri",
    "contact": f"{CONTACT},cause,tm_event",
}
ACTIONS = {
    **dict.fromkeys(("extension", "trunk", "extension_direct"), ("created", "updated", "deleted")),
    "contact": ("registered", "unregistered", "expired"),
}


async def every_event(world: World) -> tuple[UUID, UUID]:
    """Let every event happen at least once; the ids of the extension and of the trunk."""
    phone = await world.create("1001", password=MARKER, direct=True)
    line = await world.create_trunk(password=MARKER)
    uri, other = f"/v1/extensions/{phone['id']}", f"/v1/trunks/{line['id']}"
    world.register(phone["endpoint_id"], expires_in=30)
    world.register(phone["endpoint_id"])
    await world.ringback.feed.once()
    world.wait(60)
    await world.ringback.feed.once()
    for method, where, asked in (
        ("PUT", uri, {"password": f"{MARKER}-2", "direct_regenerate": True}),
        ("PUT", other, {"password": f"{MARKER}-2"}),
        ("DELETE", uri, None),
        ("DELETE", other, None),
    ):
        assert (await world.rpc(method, where, asked)).status_code == 200
    return UUID(phone["id"]), UUID(line["id"])


@pytest.mark.contract("registrar R-66, R-59, R-56")
@pytest.mark.parametrize("storage", ["digest", "plaintext"])
async def test_every_event_has_four_keys_its_payload_and_no_password(make_world: MakeWorld, storage: str) -> None:
    world = make_world(secret_storage=storage)
    heard: list[Message] = []
    stop = world.bus.subscribe(heard.append)
    phone, line = await every_event(world)
    while await world.ringback.relay.publish_waiting():
        pass

    assert {message.type for message in heard} == {f"{noun}_{verb}" for noun in ACTIONS for verb in ACTIONS[noun]}
    for message in heard:
        envelope: dict[str, Any] = message.envelope()
        assert list(envelope) == ["type", "publisher", "data_type", "data"]
        assert (envelope["publisher"], envelope["data_type"]) == ("registrar-manager", "application/json")
        noun = message.type.rpartition("_")[0]
        assert sorted(envelope["data"]) == sorted(KEYS[noun].split(","))
        whose = line if noun == "trunk" else phone
        assert (message.object_id, message.subscription_id) == (whose, whose)
        assert envelope["data"]["customer_id"] == str(world.customer)
        assert MARKER not in json.dumps(envelope)
    ids = [message.id for message in heard]
    assert (sorted(set(ids)), ids[0]) == (ids, 1)

    stop()
    await world.create("1002")
    assert await world.ringback.relay.publish_waiting() == 1
    assert len(heard) == len(ids)


@pytest.mark.contract("registrar R-66")
async def test_an_id_of_a_message_is_never_given_again(world: World) -> None:
    heard: list[Message] = []
    world.bus.subscribe(heard.append)
    await world.create("1001")
    await world.ringback.relay.publish_waiting()
    world.sql("DELETE FROM registrar_outbox")
    await world.create("1002")
    await world.ringback.relay.publish_waiting()

    assert [message.id for message in heard] == [1, 2]


@pytest.mark.contract("registrar R-66")
async def test_one_listener_that_fails_keeps_no_event_from_the_others(world: World) -> None:
    def fail(message: Message) -> None:
        raise ValueError(message.type)

    heard: list[Message] = []
    for listener in (fail, heard.append):
        world.bus.subscribe(listener)
    await world.create("1001")

    assert await world.ringback.relay.publish_waiting() == 1
    assert [message.type for message in heard] == ["extension_created"]
    assert await world.ringback.relay.publish_waiting() == 0
