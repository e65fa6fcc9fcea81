"""What phones do at a real Asterisk is told as it happens: polling is as good as off here, so that only Asterisk's own
word can have told it."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from ringback.demo.programs import AsteriskProgram
from ringback.sip.ami import Address, Message
from ringback.sip.ami_events import Refusal, refused
from ringback.sip.ami_link import Link
from tests.patience import ENOUGH

from .conftest import Extension, StartPhone, World, running, until
from .digest import Register, register
from .test_contact_events import EXPIRED, REGISTERED, unregistered

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

PHONES, ABREAST = 2000, 50
PASSWORD = "Sample-Pass-0001"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running(program, tmp_path_factory.mktemp("live"), contact_poll_interval="3600") as one:
        await until(lambda: connected(one))
        yield one
        assert one.complaints() == []


async def connected(world: World, times: int = 1) -> bool:
    """Whether Ringback has begun so often to hear its Asterisk."""
    return world.server.log.read_text().count("an Asterisk tells its events") >= times


async def told(world: World, extension: Extension, *expected: tuple[str, str]) -> None:
    """Wait until there are as many events; they are these."""

    async def enough() -> bool:
        return len(await world.news(extension)) >= len(expected)

    await until(enough)
    assert await world.news(extension) == list(expected)


def last(world: World, extension: Extension) -> Mapping[str, Any]:
    """The data of the newest event about the extension's contacts."""
    about = "subscription_id = ? AND event_type LIKE 'contact%' ORDER BY id DESC LIMIT 1"
    ((payload,),) = world.sql(f"SELECT payload FROM registrar_outbox WHERE {about}", UUID(extension["id"]).bytes)
    found: dict[str, Any] = json.loads(payload)
    return found


@pytest.mark.contract("registrar R-51")
async def test_register_elsewhere_and_unregister_are_told_by_asterisks_word(world: World, phone: StartPhone) -> None:
    extension = await world.create("2701")
    one, two = await asyncio.gather(phone(extension), phone(extension))

    assert await one.register() == 200
    await told(world, extension, REGISTERED)
    here = last(world, extension)
    assert (here["transport"], here["via_addr"], here["path"]) == ("udp", "127.0.0.1", "")
    assert here["user_agent"]

    assert await two.register() == 200
    await told(world, extension, REGISTERED, REGISTERED)
    assert await one.register() == 200  # a refresh is no news
    assert await two.unregister() == 200
    await told(world, extension, REGISTERED, REGISTERED, unregistered("removed"))
    assert len(await world.contacts(extension)) == 1


@pytest.mark.contract("registrar R-51")
async def test_a_phone_that_falls_silent_is_told_when_its_time_is_over(world: World) -> None:
    extension = await world.create("2702")
    world.sql("UPDATE ps_aors SET minimum_expiration = 1 WHERE id = ?", extension["endpoint_id"])

    assert await register(world.ports.phones_at, extension, expires="2") == (200, ["MD5"])

    await told(world, extension, REGISTERED)
    await told(world, extension, REGISTERED, EXPIRED)


async def test_an_asterisk_that_was_killed_is_heard_again_and_what_was_missed_is_told(
    world: World,
) -> None:
    extension, missed = await asyncio.gather(world.create("2703"), world.create("2705"))
    assert await register(world.ports.phones_at, extension) == (200, ["MD5"])
    await told(world, extension, REGISTERED)

    await world.asterisk.kill()
    columns = "id, uri, expiration_time, endpoint, via_addr, reg_server"
    values = ("2705^3B@0123456789abcdef", "sip:2705@192.0.2.5", 4_000_000_000, missed["endpoint_id"], "192.0.2.5", "x")
    world.sql(f"INSERT INTO ps_contacts ({columns}) VALUES (?, ?, ?, ?, ?, ?)", *values)
    await world.asterisk.again()

    await until(lambda: connected(world, 2))
    await told(world, missed, REGISTERED)
    assert await register(world.ports.phones_at, extension) == (200, ["MD5"])
    await told(world, extension, REGISTERED, REGISTERED)


async def test_phones_that_register_while_asterisk_is_killed_are_told_once_each(world: World) -> None:
    phones = await asyncio.gather(*(world.create(f"271{n:02}") for n in range(ABREAST)))

    async def all_told() -> bool:
        return all([await world.news(phone) for phone in phones])

    times = world.server.log.read_text().count("an Asterisk tells its events")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(ENOUGH)
        host, port = world.ports.phones_at.split(":")
        udp.connect((host, int(port)))
        asked = {token_hex(8): Register("", phone) for phone in phones}
        challenges = await asyncio.to_thread(_challenges, udp, asked)
        for call_id, phone in asked.items():
            udp.send(phone.request(udp, call_id, 2, phone.proof(challenges[call_id])))
        await asyncio.to_thread(_answer, udp)
        where = udp.getsockname()

        await world.asterisk.kill()
        await world.asterisk.again()

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(ENOUGH)
        udp.bind(where)
        udp.connect((host, int(port)))
        await asyncio.to_thread(storm, udp, phones)
    await until(lambda: connected(world, times + 1))
    await until(all_told)
    assert [await world.news(phone) for phone in phones] == [[REGISTERED]] * ABREAST


async def test_a_wrong_password_is_known_with_its_reason_and_its_address(world: World) -> None:
    extension = await world.create("2704")
    manager = world.asterisk.options.manager
    assert manager
    heard: asyncio.Queue[tuple[str, Refusal]] = asyncio.Queue()
    connected = asyncio.Event()

    def hear(message: Message) -> None:
        if found := refused(message, datetime.now(UTC)):
            heard.put_nowait(found)

    link = Link(Address(manager.host, manager.port, manager.user, manager.secret), hear, connected.set)
    task = asyncio.create_task(link.run())
    async with asyncio.timeout(ENOUGH):
        await connected.wait()
        stranger = {**extension, "extension": "9999", "username": "9999"}
        assert await register(world.ports.phones_at, {**extension, "password": "wrong"}) == (401, ["MD5"])
        assert await register(world.ports.phones_at, stranger) == (401, ["MD5"])
        (account, refusal), (name, unknown) = await heard.get(), await heard.get()
    task.cancel()
    await asyncio.wait({task})

    assert (account, refusal.reason, refusal.transport) == (extension["endpoint_id"], "wrong_password", "udp")
    assert refusal.address.startswith("127.0.0.1:")
    assert refusal.server == "asterisk"
    assert (name, unknown.reason) == ("9999", "unknown_account")


@pytest.mark.contract("registrar R-52")
async def test_a_phone_that_is_unregistered_by_rpc_or_by_command_rings_no_more(world: World, phone: StartPhone) -> None:
    extension, other = await asyncio.gather(world.create("2707"), world.create("2708"))
    one, caller = await asyncio.gather(phone(extension), phone(other))
    number = f"sip:2707@{extension['realm']}"
    of = {"customer_id": extension["customer_id"], "extension": "2707"}
    assert await caller.register() == 200

    for unregister in ("rpc", "command"):
        assert await one.register() == 200
        (contact,) = await world.contacts(extension, fresh=True)
        if unregister == "rpc":
            reply = await world.server.rpc("DELETE", "/v1/contacts", {**of, "id": contact["id"]})
            assert [gone["id"] for gone in reply.body] == [contact["id"]]
        else:
            words = ("extension", "unregister", f"--id={extension['id']}", "--format=json")
            code, text = await world.server.run("registrar-control", *words)
            assert (code, len(json.loads(text))) == (0, 1)
        assert (await caller.call(number)).status == 480

    await told(world, extension, REGISTERED, unregistered("api"), REGISTERED, unregistered("api"))


@pytest.mark.long
async def test_two_thousand_phones_that_come_at_once_are_told_once_each(world: World) -> None:
    phones = await imported(world, PHONES)
    everybody = "SELECT subscription_id FROM registrar_outbox WHERE event_type = 'contact_registered'"
    ours = {UUID(phone["id"]).bytes for phone in phones}

    async def told_of() -> list[bytes]:
        return sorted(id for (id,) in world.sql(everybody) if id in ours)

    async def all_told() -> bool:
        return set(await told_of()) == ours

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(ENOUGH)
        host, port = world.ports.phones_at.split(":")
        udp.connect((host, int(port)))
        await asyncio.to_thread(storm, udp, phones)
        await until(all_told)
        await asyncio.to_thread(storm, udp, phones)  # they refresh, which is no news

    another = await world.create("2706")
    assert await register(world.ports.phones_at, another) == (200, ["MD5"])
    await told(world, another, REGISTERED)
    assert await told_of() == sorted(ours)


async def imported(world: World, count: int) -> list[Extension]:
    """So many phones at once, from 30000 on."""
    rows = "\n".join(["extension,password", *(f"{30000 + number},{PASSWORD}" for number in range(count))])
    headers = {"authorization": f"Bearer {world.server.keys.customer_key}", "content-type": "text/csv"}
    async with httpx.AsyncClient(headers=headers, timeout=ENOUGH) as http:
        answer = await http.post(f"{world.server.url}/v1.0/extensions:import", content=rows)
    assert answer.json()["created"] == count
    names = ("id", "extension", "realm", "username")
    found = world.sql(f"SELECT {', '.join(names)} FROM registrar_extensions WHERE extension LIKE '3____'")
    return [
        {**dict(zip(names, row, strict=True)), "id": str(UUID(bytes=row[0])), "password": PASSWORD} for row in found
    ]


def storm(udp: socket.socket, phones: list[Extension]) -> None:
    """All of them register, some at a time, from one socket; each is let in."""
    for begin in range(0, len(phones), ABREAST):
        asked = {token_hex(8): Register("", phone) for phone in phones[begin : begin + ABREAST]}
        challenges = _challenges(udp, asked)
        for call_id, phone in asked.items():
            udp.send(phone.request(udp, call_id, 2, phone.proof(challenges[call_id])))
        assert all("SIP/2.0 200 OK" in text for _, text in (_answer(udp) for _ in asked))


def _challenges(udp: socket.socket, asked: Mapping[str, Register]) -> dict[str, str]:
    for call_id, phone in asked.items():
        udp.send(phone.request(udp, call_id, 1))
    return dict(_answer(udp) for _ in asked)


def _answer(udp: socket.socket) -> tuple[str, str]:
    """The Call-ID of a response, and all of it."""
    text = udp.recv(65535).decode()
    found = re.search(r"^Call-ID: *(\S+)", text, re.MULTILINE | re.IGNORECASE)
    assert found
    return found[1], text
