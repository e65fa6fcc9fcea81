"""Phones register with what Ringback has written, and Ringback sees what Asterisk has written."""

import asyncio
import re
import time

import pytest

from .conftest import StartPhone, World, until

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

TABLES = ("ps_endpoints", "ps_auths", "ps_aors")


@pytest.mark.contract("registrar R-58")
async def test_a_phone_registers_by_md5_and_its_contact_is_seen_until_it_leaves(
    world: World, phone: StartPhone
) -> None:
    extension = await world.create("1101")
    one = await phone(extension)

    assert await one.register() == 200
    (contact,) = await world.contacts(extension)
    assert re.fullmatch(r"1101@demo\.registrar\.localhost\^3B@[0-9a-f]{32}", contact["id"])
    assert contact["endpoint"] == extension["endpoint_id"]
    assert contact["reg_server"] == "asterisk"
    assert contact["user_agent"] == "Ringback demo phone"
    assert 0 < contact["expiration_time"] - time.time() <= 300

    assert await one.unregister() == 200
    assert await world.contacts(extension, fresh=True) == []


@pytest.mark.contract("registrar R-50")
async def test_a_contacts_uri_is_as_stored_over_rpc_and_plain_in_rest(world: World, phone: StartPhone) -> None:
    extension = await world.create("1102")
    assert await (await phone(extension)).register() == 200

    (contact,) = await world.contacts(extension)
    answer = await world.server.rest("GET", f"/v1.0/extensions/{extension['id']}/contacts")

    assert [(contact["uri"],)] == world.sql("SELECT uri FROM ps_contacts WHERE id = ?", contact["id"])
    assert re.fullmatch(r"sip:1102@127\.0\.0\.1:\d+\^3Bob", contact["uri"])
    assert (answer.status, answer.body["registered"]) == (200, True)
    (shown,) = answer.body["result"]
    assert shown["uri"] == contact["uri"].replace("^3B", ";")
    assert 0 < shown["expires_in"] <= 300
    assert f"127.0.0.1:{shown['via_port']}" in shown["uri"]


@pytest.mark.contract("registrar R-48")
async def test_a_phone_that_registers_after_an_empty_answer_is_found(world: World, phone: StartPhone) -> None:
    extension = await world.create("1103")
    one = await phone(extension)
    assert await world.contacts(extension) == []

    assert await one.register() == 200

    assert await until(lambda: world.contacts(extension))


@pytest.mark.contract("registrar R-79")
async def test_the_command_line_sees_at_once_what_the_phone_did(world: World, phone: StartPhone) -> None:
    extension = await world.create("1104")
    one = await phone(extension)
    look = ("registrar-control", "extension", "get", "--id", extension["id"])
    assert "not registered" in (await world.server.run(*look))[1]

    assert await one.register() == 200

    code, text = await world.server.run(*look)
    assert code == 0
    assert "not registered" not in text
    assert "sip:1104@127.0.0.1" in text


async def test_a_wrong_password_is_refused(world: World, phone: StartPhone) -> None:
    extension = await world.create("1105")

    assert await (await phone(extension, password="something-else")).register() == 401
    assert await world.contacts(extension) == []


@pytest.mark.contract("registrar R-27, R-25")
async def test_a_deleted_extensions_next_register_is_refused_and_nothing_of_it_is_left(
    world: World, phone: StartPhone
) -> None:
    extension = await world.create("1106")
    one = await phone(extension)
    assert await one.register() == 200

    await world.delete(extension)

    assert await one.register() == 401
    name = extension["endpoint_id"]
    assert [world.sql(f"SELECT id FROM {table} WHERE id = ?", name) for table in TABLES] == [[], [], []]
    assert world.sql("SELECT id FROM ps_contacts WHERE endpoint = ?", name) == []
    assert world.sql("SELECT 1 FROM registrar_sip_auths WHERE username = '1106'") == []


@pytest.mark.contract("registrar R-24")
async def test_a_new_password_counts_at_once_and_purges_the_phone_that_had_the_old_one(
    world: World, phone: StartPhone
) -> None:
    extension, caller = await asyncio.gather(world.create("1107"), world.create("1108"))
    before, after, other = await asyncio.gather(
        phone(extension), phone(extension, password="Brand-New-Secret"), phone(caller)
    )
    assert [await before.register(), await after.register(), await other.register()] == [200, 401, 200]
    assert len(await world.contacts(extension)) == 1

    await world.change(extension, password="Brand-New-Secret")

    assert await world.contacts(extension) == []
    assert (await other.call(f"sip:1107@{extension['realm']}")).status == 480
    assert (await after.register(), await before.register()) == (200, 401)


@pytest.mark.contract("registrar R-77")
async def test_a_phone_whose_username_is_not_its_number_registers_and_is_called_by_its_number(
    world: World, phone: StartPhone
) -> None:
    words = ("--extension_number", "1109", "--username", "user1109", "--password", "Sample-Pass-0001")
    code, text = await world.server.run("registrar-control", "extension", "create", *words)
    assert code == 0, text
    (found,) = (await world.server.rest("GET", "/v1.0/extensions?extension=1109")).body["result"]
    assert found["username"] == "user1109"
    extension = {**found, "password": "Sample-Pass-0001"}
    caller = await world.create("1110")
    one, other, by_number = await asyncio.gather(
        phone(extension), phone(caller), phone({**extension, "username": "1109"})
    )

    assert [await one.register(), await other.register(), await by_number.register()] == [200, 200, 401]
    assert (await other.call(f"sip:1109@{extension['realm']}", talk=0.1)).status == 200
    assert one.rang == 1
    assert world.sql("SELECT username FROM ps_auths WHERE id = ?", f"1109@{extension['realm']}") == [("user1109",)]


async def test_all_phones_of_a_number_ring_and_a_fourth_replaces_the_oldest(world: World, phone: StartPhone) -> None:
    extension, other = await asyncio.gather(world.create("1111"), world.create("1112"))
    caller, *phones = await asyncio.gather(phone(other), *(phone(extension) for _ in range(4)))
    assert [await one.register() for one in (caller, *phones[:2])] == [200] * 3

    assert (await caller.call(f"sip:1111@{extension['realm']}", talk=0.1)).status == 200
    assert [one.rang for one in phones] == [1, 1, 0, 0]

    assert [await one.register() for one in phones[2:]] == [200] * 2
    assert len(await world.contacts(extension, fresh=True)) == 3
