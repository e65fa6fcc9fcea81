"""SIP that lies, byte by byte at a real Asterisk and a real edge: refused, nobody rings, and nothing is written."""

import asyncio
import re

import pytest

from ringback.sip.ami import Address
from ringback.sip.ami_link import Link
from tests.patience import ENOUGH

from .conftest import Edge, Extension, StartPhone, World
from .digest import Register, register
from .party import Message, Party, invite

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

LIAR, CARRIER, LYING_CARRIER = "127.0.0.61", "127.0.0.62", "127.0.0.69"
NUMBERS = ("1%27", "%27%20OR%201=1", "1%00", "1%0a", "$%7BEXTEN%7D", "1&PJSIP%2f2001", "1,2,3")
HASHES = ("0'", "0%27", "%27%20OR%20%27x%27=%27x", "0123456789ab%27", "0123456789ab%00", "0123456789ab%0a", "%25s%25n",
          "0123456789ab)%2CSHELL(id", "$%7BSHELL(id)%7D", "0123456789ab%22;--", "..%2f..%2f", "a" * 300)  # fmt: skip


async def final(party: Party) -> Message:
    """The first answer that is no ringing."""
    while (answer := await party.hear()).status < 200:
        pass
    return answer


def whole(world: World) -> None:
    """The database is what it was, and reads as before."""
    assert world.sql("PRAGMA integrity_check") == [("ok",)]
    assert world.sql("SELECT count(*) >= 0 FROM ringback_extensions, ps_contacts") == [(1,)]


@pytest.mark.parametrize("hash", HASHES)
async def test_a_hash_that_would_be_sql_or_a_dialplan_is_one_that_nobody_has(world: World, hash: str) -> None:
    before = world.asterisk.problems()
    with Party.udp(LIAR) as party:
        await party.send(
            invite(f"sip:direct.{hash}@sip.localhost", "example.com").request(party, "INVITE", 1), world.ports.public_at
        )
        assert (await final(party)).status in (400, 404)
    whole(world)
    assert world.asterisk.problems() == before


@pytest.mark.parametrize("number", NUMBERS)
async def test_a_number_that_would_be_more_than_one_is_none(world: World, phone: StartPhone, number: str) -> None:
    extension = await world.create(f"17{len(world.sql('SELECT 1 FROM registrar_extensions')):03}")
    caller = await phone(extension)
    assert await caller.register() == 200
    before = world.asterisk.problems()

    assert (await caller.call(f"sip:{number}@{extension['realm']}")).status in (400, 404)
    assert world.asterisk.problems() == before
    whole(world)


async def test_another_customers_from_proves_nothing(world: World, phone: StartPhone) -> None:
    mine, theirs = await world.create("1711"), await world.create("1711", customer=world.other)
    callee = await phone(theirs)
    assert await callee.register() == 200

    with Party.udp(LIAR) as party:
        for server in (world.ports.phones_at, world.ports.public_at):
            said = invite(f"sip:1711@{theirs['realm']}", theirs["realm"]).request(party, "INVITE", 1)
            await party.send(said.replace("sip:party@", "sip:1711@"), server)
            assert (await final(party)).status == (401 if server == world.ports.phones_at else 404)
    as_them = {**mine, "realm": theirs["realm"]}  # with the password of one's own
    status, _ = Register(world.ports.phones_at, as_them, source=LIAR).run()
    assert (status, callee.rang) == (401, 0)


CONTACTS = [
    "<sip:x%0d%0aX-Evil:1@127.0.0.61:5060>",
    "<sip:x@127.0.0.61:5060>\r\n Evil: 1",
    "<sip:x@127.0.0.61;a=%0aINSERT>",
    "<sip:x\n@127.0.0.61>",
    "<sip:'; DELETE FROM ps_contacts; --@127.0.0.61>",
]


async def test_a_contact_with_a_line_end_or_sql_in_it_stays_a_contact_or_none(world: World) -> None:
    """All at once: what is no SIP gets no answer, for which each waits to its end."""

    def answered(extension: Extension, contact: str) -> int:
        class Lying(Register):
            def request(self, *said: object, **more: object) -> bytes:
                text = super().request(*said, **more).decode()  # type: ignore[arg-type]
                return re.sub(r"Contact: [^\r]*", lambda _: f"Contact: {contact}", text).encode()

        try:
            return Lying(world.ports.phones_at, extension, source=LIAR).run(2.0)[0]
        except TimeoutError:
            return 0

    extensions = [await world.create(f"1721{number}") for number in range(len(CONTACTS))]
    statuses = await asyncio.gather(
        *(asyncio.to_thread(answered, *case) for case in zip(extensions, CONTACTS, strict=True))
    )

    for extension, status in zip(extensions, statuses, strict=True):
        rows = world.sql("SELECT uri, path, user_agent FROM ps_contacts WHERE endpoint = ?", extension["endpoint_id"])
        assert status in (0, 200, 400)
        assert len(rows) == (status == 200) or not status  # which may have come too late to be heard
        assert not any(re.search(r"[\x00-\x1f]", text or "") for row in rows for text in row)
    whole(world)


@pytest.mark.parametrize(
    "uri",
    ["sip:x&PJSIP/{theirs}@{at}", "sip:x,1,g&PJSIP/{theirs}@{at}", "sip:x@{at};a=&PJSIP/{theirs}"],
)
async def test_a_contact_that_would_be_two_is_rung_as_one(world: World, phone: StartPhone, uri: str) -> None:
    number = f"1743-{len(world.sql('SELECT 1 FROM registrar_extensions'))}"
    mine, other = await world.create(number), await world.create(f"{number}-1")
    theirs = await world.create(f"{number}-2", customer=world.other)
    world.sql("UPDATE ps_endpoints SET rewrite_contact = 'no' WHERE id = ?", mine["endpoint_id"])  # it is believed
    caller, foreign = await phone(other), await phone(theirs)
    assert [await caller.register(), await foreign.register()] == [200, 200]

    with Party.udp(LIAR) as party:
        contact = uri.format(theirs=theirs["endpoint_id"].replace("@", "%40"), at=party.at)

        class Lying(Register):
            def request(self, *said: object, **more: object) -> bytes:
                text = super().request(*said, **more).decode()  # type: ignore[arg-type]
                return re.sub(r"Contact: [^\r]*", lambda _: f"Contact: <{contact}>", text).encode()

        assert Lying(world.ports.phones_at, mine, source=LIAR).run()[0] == 200
        call = asyncio.create_task(caller.call(f"sip:{number}@{mine['realm']}"))
        asked = await party.hear()
        await party.answer(asked, 486, world.ports.phones_at, tag="busy")
        assert ((await call).status, foreign.rang) == (486, 0)
        assert asked.text.startswith(f"INVITE {contact} SIP/2.0\r\n")


@pytest.mark.parametrize("name", ["Subject", "X-Long", "From", "Contact"])
async def test_headers_of_8_kilobytes_ring_nobody_and_the_next_call_is_served(
    world: World, edge: Edge, phone: StartPhone, name: str
) -> None:
    extension = await world.create(f"173-{name}", direct=True)
    callee = await phone(extension)
    assert await callee.register() == 200
    trunk = await edge.create(f"long-{name.lower()}", "ip", allowed_ips=[CARRIER])
    address, nobody = (f"sip:direct.{hash}@sip.localhost" for hash in (extension["direct_hash"], "0" * 12))

    with Party.udp(CARRIER) as party:
        for server, called, status in ((edge.kamailio.at, address, 513), (world.ports.public_at, nobody, 404)):
            said = invite(called, trunk["realm"]).request(party, "INVITE", 1)
            long = re.sub(f"^{name}: ", f'{name}: "{"x" * 8192}" ', said, flags=re.MULTILINE)
            long = long if long != said else said.replace("Max-Forwards", f"{name}: {'x' * 8192}\r\nMax-Forwards")
            await party.send(long, server)
            assert (await final(party)).status == status
    stranger = await phone()
    assert ((await stranger.call(address, talk=0.1)).status, callee.rang) == (200, 1)


async def test_a_trunks_lies_are_refused_through_the_edge_too(world: World, edge: Edge, phone: StartPhone) -> None:
    """Hashes and numbers that would be SQL or a dialplan, another customer's phone, and names with line ends."""
    mine, theirs = await world.create("1741", direct=True), await world.create("1742", customer=world.other)
    trunk = await edge.create("liar", "ip", allowed_ips=[LYING_CARRIER])
    called, foreign = await phone(mine), await phone(theirs)
    assert [await called.register(), await foreign.register()] == [200, 200]

    async def status(party: Party, uri: str, name: str = "party", host: str = "") -> int:
        said = invite(uri, host or trunk["realm"]).request(party, "INVITE", 1)
        await party.send(said.replace("<sip:party@", f"<sip:{name}@", 1), edge.kamailio.at)
        return (await final(party)).status

    with Party.udp(LYING_CARRIER) as party:
        uris = [
            *(f"sip:direct.{hash}@sip.localhost" for hash in HASHES),
            *(f"sip:{n}@{trunk['realm']}" for n in NUMBERS),
        ]
        assert {uri: got for uri in uris if (got := await status(party, uri)) not in (400, 404)} == {}
        for host in (trunk["realm"], theirs["realm"]):
            assert await status(party, f"sip:1742@{theirs['realm']}", "1742", host) in (404, 407)
            assert await status(party, f"sip:1742@{trunk['realm']}", "1742", host) in (404, 407)
        name = f"x%0d%0aX-Ringback-Trunk%3a%20{theirs['realm']}%0d%0a"
        assert await status(party, f"sip:1742@{trunk['realm']}", name) == 404

    assert (called.rang, foreign.rang) == (0, 0)
    assert world.complaints() == []
    whole(world)


async def test_no_name_of_a_caller_begins_an_event_of_its_own(world: World) -> None:
    """In what Asterisk tells its managers, line ends of a name are line ends."""
    extension = await world.create("1740", direct=True)
    name = "x%0d%0a%0d%0aEvent%3a%20Forged%0d%0aA%3a"
    manager = world.asterisk.options.manager
    assert manager
    heard: asyncio.Queue[str] = asyncio.Queue()
    connected = asyncio.Event()
    address = Address(manager.host, manager.port, manager.user, manager.secret)
    link = Link(
        address, lambda message: heard.put_nowait(f"{message['Event']} {message.get('Service')}"), connected.set
    )
    task = asyncio.create_task(link.run())

    class Lying(Register):
        def request(self, *said: object, **more: object) -> bytes:
            return super().request(*said, **more).replace(b"sip:1740@", f"sip:{name}@".encode())  # type: ignore[arg-type]

    async with asyncio.timeout(ENOUGH):
        await connected.wait()
        assert Lying(world.ports.phones_at, extension, source=LIAR).run()[0] == 401
        with Party.udp(LIAR) as party:
            said = invite(f"sip:direct.{extension['direct_hash']}@sip.localhost", "example.com").request(
                party, "INVITE", 1
            )
            await party.send(said.replace("<sip:party@", f"<sip:{name}@"), world.ports.public_at)
            assert (await final(party)).status == 480
        assert (await register(world.ports.phones_at, extension))[0] == 200
        told = []
        while (event := await heard.get()) != "SuccessfulAuth PJSIP":
            told.append(event)
    task.cancel()
    await asyncio.wait({task})

    assert not [event for event in told if event.startswith("Forged")]
