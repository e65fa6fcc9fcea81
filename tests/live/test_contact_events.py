"""Registrations at a real Asterisk become events: one for each that comes, goes or expires, none for a refresh."""

import asyncio
import json

import pytest

from .conftest import Extension, StartPhone, World, until
from .digest import register

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

REGISTERED = ("contact_registered", "")
EXPIRED = ("contact_expired", "")


def unregistered(cause: str) -> tuple[str, str]:
    return "contact_unregistered", cause


async def told(world: World, extension: Extension, *expected: tuple[str, str]) -> None:
    """Wait until there are as many events; they are these, and a further look adds none."""

    async def enough() -> bool:
        return len(await world.news(extension)) >= len(expected)

    await until(enough)
    await world.contacts(extension, fresh=True)
    assert await world.news(extension) == list(expected)


@pytest.mark.contract("registrar R-51")
async def test_register_refresh_a_second_device_and_unregister_are_told_once_each(
    world: World, phone: StartPhone
) -> None:
    extension = await world.create("1701")
    one, two = await asyncio.gather(phone(extension), phone(extension))

    assert await one.register() == 200
    await told(world, extension, REGISTERED)

    assert await one.register() == 200
    await told(world, extension, REGISTERED)

    assert await two.register() == 200
    await told(world, extension, REGISTERED, REGISTERED)

    assert await one.unregister() == 200
    await told(world, extension, REGISTERED, REGISTERED, unregistered("removed"))
    assert len(await world.contacts(extension)) == 1


@pytest.mark.contract("registrar R-50, R-51")
async def test_an_event_says_which_phone_it_is_and_where(world: World, phone: StartPhone) -> None:
    extension = await world.create("1702")
    assert await (await phone(extension)).register() == 200
    await told(world, extension, REGISTERED)

    code, text = await world.server.run("ringback", "events", "--format", "json")

    assert code == 0
    messages = [json.loads(line) for line in text.splitlines()]
    (event,) = [one for one in messages if one["data"].get("extension_id") == extension["id"]]
    (shown,) = (await world.server.rest("GET", f"/v1.0/extensions/{extension['id']}/contacts")).body["result"]
    data = event["data"]
    assert (event["type"], event["publisher"]) == ("contact_registered", "registrar-manager")
    assert [data[name] for name in ("extension", "realm", "customer_id", "cause")] == [
        "1702", extension["realm"], extension["customer_id"], ""
    ]  # fmt: skip
    same = ("id", "uri", "user_agent", "via_addr", "via_port", "reg_server", "call_id", "expire_time")
    assert {name: data[name] for name in same} == {name: shown[name] for name in same}
    assert "^3B" not in data["uri"]


@pytest.mark.contract("registrar R-51")
async def test_a_phone_that_falls_silent_expires(world: World) -> None:
    """How short a registration may be is an operator's own column: what we write leaves it alone."""
    extension = await world.create("1703")
    name = extension["endpoint_id"]
    world.sql("UPDATE ps_aors SET minimum_expiration = 1 WHERE id = ?", name)

    assert await register(world.ports.phones_at, extension, expires="2") == (200, ["MD5"])

    await told(world, extension, REGISTERED)
    await told(world, extension, REGISTERED, EXPIRED)
    assert await world.contacts(extension) == []
    assert world.sql("SELECT minimum_expiration FROM ps_aors WHERE id = ?", name) == [(1,)]


@pytest.mark.contract("registrar R-52")
async def test_a_phone_that_is_unregistered_by_rest_rings_no_more_until_it_registers_again(
    world: World, phone: StartPhone
) -> None:
    extension, other = await asyncio.gather(world.create("1704"), world.create("1705"))
    one, two, caller = await asyncio.gather(phone(extension), phone(extension), phone(other))
    assert [await one.register(), await caller.register()] == [200, 200]
    path = f"/v1.0/extensions/{extension['id']}/contacts"
    number = f"sip:1704@{extension['realm']}"
    (first,) = (await world.server.rest("GET", path)).body["result"]
    assert await two.register() == 200

    gone = await world.server.rest("DELETE", f"{path}/{first['id']}")
    assert (gone.status, [each["id"] for each in gone.body["result"]]) == (200, [first["id"]])
    await told(world, extension, REGISTERED, REGISTERED, unregistered("api"))
    assert (await caller.call(number, talk=0.1)).status == 200
    assert (one.rang, two.rang) == (0, 1)

    assert (await world.server.rest("DELETE", path)).status == 200
    await told(world, extension, REGISTERED, REGISTERED, unregistered("api"), unregistered("api"))
    assert (await caller.call(number)).status == 480
    assert (one.rang, two.rang) == (0, 1)

    assert await one.register() == 200
    assert (await caller.call(number, talk=0.1)).status == 200
    assert (one.rang, two.rang) == (1, 1)


@pytest.mark.contract("registrar R-24, R-51")
async def test_a_new_password_and_the_end_of_an_extension_are_told_as_causes(world: World, phone: StartPhone) -> None:
    changed, deleted = await asyncio.gather(world.create("1706"), world.create("1707"))
    one, two = await asyncio.gather(phone(changed), phone(deleted))
    assert [await one.register(), await two.register()] == [200, 200]
    await told(world, changed, REGISTERED)

    await world.change(changed, password="Brand-New-Secret")
    await world.delete(deleted)

    await told(world, changed, REGISTERED, unregistered("password_changed"))
    await told(world, deleted, REGISTERED, unregistered("extension_deleted"))
