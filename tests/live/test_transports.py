"""Phones reach the real Asterisk by UDP, TCP, TLS and WebSocket, with what `ringback sip asterisk-config` writes."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio

from ringback.demo.asterisk import Asterisk
from ringback.demo.phone import Account, Phone, PhoneOptions
from ringback.demo.ports import HOST, Ports, free_ports
from ringback.demo.programs import AsteriskProgram
from ringback.demo.server import Server
from ringback.sip.odbc import sqlite_url
from ringback.sip.transports_conf import Nat, Tls
from tests.certificates import certificate
from tests.patience import ENOUGH

from .conftest import Extension, World, until
from .digest import Line, Register, invited
from .websocket import WebSocket, websocket

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

CACHED = 600
WAYS = ("UDP", "TCP", "TLS", "WSS")
OUTSIDE = "198.51.100.7"
"""RFC 5737: what the world would know this Asterisk by."""
BEYOND = "127.0.0.9"
"""A phone there is not in Asterisk's own network."""

Transport = Literal["udp", "tcp", "tls"]


@dataclass(frozen=True, slots=True)
class Everywhere(World):
    """An Asterisk with every transport, which remembers what it has read."""

    tls: Tls = field(kw_only=True)
    digests: tuple[str, ...] = field(kw_only=True)

    def at(self, transport: str) -> tuple[str, int]:
        return HOST, {"tls": self.tls.port, "wss": self.tls.wss_port}.get(transport, self.ports.phones)

    @contextmanager
    def encrypted(self, transport: str, version: ssl.TLSVersion) -> Iterator[ssl.SSLSocket]:
        """A connection to that port by that version of TLS alone."""
        context = ssl.create_default_context(cafile=self.tls.certificate)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        with (
            socket.create_connection(self.at(transport), timeout=ENOUGH) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as line,
        ):
            yield line

    def browser(self) -> AbstractContextManager[WebSocket]:
        """A browser's connection."""
        return websocket(*self.at("wss"), self.tls.certificate)

    @contextmanager
    def udp(self, source: str = HOST) -> Iterator[socket.socket]:
        """A phone by hand."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(ENOUGH)
            line.bind((source, 0))
            line.connect(self.at("udp"))
            yield line

    @contextmanager
    def line(self, way: str) -> Iterator[Line]:
        """A phone by hand: UDP, TCP, TLS or WSS."""
        with ExitStack() as open:
            if way == "UDP":
                yield open.enter_context(self.udp())
            elif way == "WSS":
                yield open.enter_context(self.browser())
            elif way == "TLS":
                yield open.enter_context(self.encrypted("tls", ssl.TLSVersion.TLSv1_3))
            else:
                yield open.enter_context(socket.create_connection(self.at("tcp"), timeout=ENOUGH))

    async def register(
        self, extension: Extension, line: Line, transport: str = "UDP", algorithm: str = "MD5", expires: str = "60"
    ) -> int:
        """The final status of a REGISTER on that line."""
        asked = Register("", extension, algorithm, expires=expires, transport=transport)
        return (await asyncio.to_thread(asked.over, line))[0]

    async def forget(self, extension: Extension) -> None:
        """Asterisk reads this phone anew."""
        for kind in ("auth", "aor", "endpoint"):
            said = await self.asterisk.command(
                f"sorcery memory cache expire res_pjsip/{kind} {extension['endpoint_id']}"
            )
            assert "Successfully" in said or "not present" in said, said

    def account(self, extension: Extension) -> Account:
        return Account(extension["extension"], extension["realm"], extension["password"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Everywhere]:
    folder, ports = tmp_path_factory.mktemp("everywhere"), Ports.find()
    files = [str(path) for path in certificate(folder, "sip")]
    tls, knows_sha = Tls(files[0], files[1], *free_ports(2)), program.major >= 22
    settings = {"asterisk_digest": "password_digest"} if knows_sha else {}
    async with await Server.start(folder / "home", contact_poll_interval="0.1", **settings) as server:
        options = replace(
            ports.options(sqlite_url(server.database)),
            tls=tls,
            nat=Nat(OUTSIDE, (f"{HOST}/32",)),
            cache=CACHED,
        )
        async with await Asterisk.start(program, options, folder / "asterisk") as asterisk:
            digests = ("MD5", "SHA-256") if knows_sha else ("MD5",)
            one = Everywhere(server, asterisk, ports, tls=tls, digests=digests)
            yield one
            provoked = re.compile("SSL|ssl")
            assert [line for line in one.complaints() if not provoked.search(line)] == []


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_softphone_registers_by_each_transport_and_is_seen_there(
    world: Everywhere, tmp_path: Path, transport: Transport
) -> None:
    extension = await world.create({"udp": "2601", "tcp": "2602", "tls": "2603"}[transport])
    server = "{}:{}".format(*world.at(transport))
    account = world.account(extension)
    async with await Phone.start(PhoneOptions(transport, server, tmp_path, account=account, transport=transport)) as it:
        assert await it.register() == 200

        (contact,) = await world.contacts(extension, fresh=True)
        found = re.search(r"transport=(\w+)", contact["uri"])
        assert (found[1].lower() if found else "udp") == transport


async def test_phones_of_other_transports_hear_each_other(world: Everywhere, tmp_path: Path) -> None:
    one, two = await asyncio.gather(world.create("2661"), world.create("2662"))
    by_tls = PhoneOptions("tls", "{}:{}".format(*world.at("tls")), tmp_path, 440, world.account(one), transport="tls")
    by_tcp = PhoneOptions("tcp", "{}:{}".format(*world.at("tcp")), tmp_path, 660, world.account(two), transport="tcp")
    async with await Phone.start(by_tls) as caller, await Phone.start(by_tcp) as callee:
        assert [await caller.register(), await callee.register()] == [200, 200]
        made, taken = await asyncio.gather(caller.call(f"sip:2662@{two['realm']}"), callee.next_call())

    assert (made.status, made.heard(660) > 0.9, taken.heard(440) > 0.9) == (200, True, True)
    assert min(made.sent, made.received, taken.sent, taken.received) > 10


async def test_a_browser_registers_by_websocket_with_each_digest_until_it_closes(world: Everywhere) -> None:
    extension = await world.create("2604")
    with world.browser() as line:
        for digest in world.digests:
            assert await world.register(extension, line, "WSS", digest) == 200
            assert await world.register({**extension, "password": "wrong"}, line, "WSS", digest) == 401

        assert ["transport=ws" in one["uri"] for one in await world.contacts(extension, fresh=True)] == [True]

    async def gone() -> bool:
        return await world.contacts(extension, fresh=True) == []

    assert await until(gone)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("transport", ["tls", "wss"])
async def test_tls_is_spoken_from_1_2_on(world: Everywhere, transport: str) -> None:
    ours_to_say = transport == "wss" or world.asterisk.program.major >= 22  # else openssl.cnf's
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1) if ours_to_say else ():
        with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"), world.encrypted(transport, version):
            pass
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with world.encrypted(transport, version) as line:
            assert (line.version() or "").replace(".", "_") == version.name


async def test_https_serves_websockets_and_nothing_else(world: Everywhere) -> None:
    for path in ("/", "/httpstatus", "/static/", "/ari/api-docs/resources.json"):
        with world.encrypted("wss", ssl.TLSVersion.TLSv1_3) as line:
            line.sendall(f"GET {path} HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
            assert line.recv(65535).split()[1] == b"404", path


@pytest.mark.parametrize(
    ("number", "source", "shown"),
    [("2606", BEYOND, OUTSIDE), ("2607", HOST, HOST)],
    ids=["beyond its network", "in its network"],
)
async def test_a_phone_is_told_the_address_that_it_can_reach(
    world: Everywhere, tmp_path: Path, number: str, source: str, shown: str
) -> None:
    extension, other = await asyncio.gather(world.create(number), world.create(f"{number}1"))
    options = PhoneOptions("caller", "{}:{}".format(*world.at("udp")), tmp_path, account=world.account(other))
    async with await Phone.start(options) as caller:
        assert await caller.register() == 200
        with world.udp(source) as line:
            assert await world.register(extension, line) == 200
            call = caller.call(f"sip:{number}@{extension['realm']}")
            called, report = await asyncio.gather(asyncio.to_thread(invited, line), call)

    assert report.status == 486
    assert re.findall(r"^c=IN IP4 (\S+)\r$", called, re.MULTILINE) == [shown]
    assert re.findall(r"^Contact: <sip:.*@([\d.]+):", called, re.MULTILINE) == [shown]


async def test_what_is_remembered_of_a_phone_counts_until_it_is_forgotten(world: Everywhere) -> None:
    extension = await world.create("2608")
    with world.udp() as line:
        assert await world.register(extension, line) == 200
        changed = await world.change(extension, password_regenerate=True)
        assert [await world.register(one, line) for one in (changed, extension)] == [401, 200]

        await world.forget(extension)

        assert [await world.register(one, line) for one in (changed, extension)] == [200, 401]


async def test_a_browser_is_offered_audio_as_browsers_want_it(world: Everywhere, tmp_path: Path) -> None:
    extension, other = await asyncio.gather(world.create("2609"), world.create("2610"))
    world.sql("UPDATE ps_endpoints SET webrtc = 'yes', rewrite_contact = 'yes' WHERE id = ?", extension["endpoint_id"])
    options = PhoneOptions("caller", "{}:{}".format(*world.at("udp")), tmp_path, account=world.account(other))
    async with await Phone.start(options) as caller:
        assert await caller.register() == 200
        with world.browser() as line:
            assert await world.register(extension, line, "WSS") == 200
            call = caller.call(f"sip:2609@{extension['realm']}")
            called, report = await asyncio.gather(asyncio.to_thread(invited, line), call)

    assert report.status == 486
    offer = called.split("\r\n\r\n", 1)[1].splitlines()
    assert [row.split()[2] for row in offer if row.startswith("m=audio")] == ["UDP/TLS/RTP/SAVPF"]
    assert [sign for sign in ("a=fingerprint:SHA-256", "a=rtcp-mux", "a=ice-ufrag") if sign not in str(offer)] == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_password_is_one_customers_and_good_until_it_changes_by_each_transport(
    world: Everywhere, way: str
) -> None:
    number = f"262{WAYS.index(way)}"
    ours, theirs = await asyncio.gather(world.create(number), world.create(number, customer=world.other))
    with world.line(way) as line:
        for digest in world.digests:
            asked = (ours, theirs, {**ours, "password": "wrong"}, {**ours, "password": theirs["password"]})
            assert [await world.register(one, line, way, digest) for one in asked] == [200, 200, 401, 401]
        assert [len(await world.contacts(one, fresh=True)) for one in (ours, theirs)] == [1, 1]

        changed = await world.change(ours, password_regenerate=True)
        await world.delete(theirs)
        for one in (ours, theirs):
            await world.forget(one)

        assert [await world.register(one, line, way) for one in (ours, changed, theirs)] == [401, 200, 401]


@pytest.mark.parametrize("way", WAYS)
async def test_another_phone_is_added_or_replaces_one_by_each_transport(world: Everywhere, way: str) -> None:
    """The one whose time is over first."""
    extension = await world.create(f"263{WAYS.index(way)}")

    async def there() -> list[str]:
        return [contact["id"] for contact in await world.contacts(extension, fresh=True)]

    with ExitStack() as open:
        lines = [open.enter_context(world.line(way)) for _ in range(5)]
        seen = []
        for line, expires in zip(lines[:4], ("60", "120", "120", "120"), strict=True):
            assert await world.register(extension, line, way, expires=expires) == 200
            seen.append(set(await there()))
        assert [len(ids) for ids in seen] == [1, 2, 3, 3]
        assert seen[1] > seen[0]
        assert not seen[0] & seen[3]

        world.sql("UPDATE ps_aors SET max_contacts = 1 WHERE id = ?", extension["endpoint_id"])
        await world.forget(extension)
        assert await world.register(extension, lines[4], way) == 200
        assert len(set(await there()) - seen[3]) == len(await there()) == 1
