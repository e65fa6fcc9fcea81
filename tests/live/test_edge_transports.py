"""A real edge by TLS and WebSocket, with what `ringback sip kamailio-config` writes for them."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from ringback.demo.kamailio import Kamailio
from ringback.demo.phone import Account, Phone, PhoneOptions
from ringback.demo.ports import free_ports
from ringback.sip.transports_conf import Tls
from tests.certificates import certificate
from tests.patience import ENOUGH

from .conftest import EDGE, Callee, Edge, StartPhone, Trunk, as_phone
from .digest import Line, Register, invited
from .party import SDP, Message, Party, caller_leg, invite
from .websocket import websocket

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

PURE = 0.8  # a recording that is hardly anything but that tone


@dataclass(frozen=True, slots=True)
class Secure:
    """An edge with a certificate, beside the usual one."""

    edge: Edge
    tls: Tls
    folder: Path

    def at(self, transport: str) -> tuple[str, int]:
        return EDGE, {"tls": self.tls.port, "wss": self.tls.wss_port}[transport]

    @contextmanager
    def encrypted(self, transport: str, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Iterator[ssl.SSLSocket]:
        """A connection to that port by that version of TLS alone."""
        context = ssl.create_default_context(cafile=self.tls.certificate)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        with (
            socket.create_connection(self.at(transport), timeout=ENOUGH) as plain,
            context.wrap_socket(plain, server_hostname=EDGE) as line,
        ):
            yield line

    async def register(self, trunk: Trunk, line: Line, transport: str) -> tuple[int, list[str]]:
        who = as_phone(trunk, password=trunk["password"])
        return await asyncio.to_thread(Register("", who, transport=transport).over, line)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def secure(edge: Edge, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secure]:
    folder = tmp_path_factory.mktemp("secure")
    files = [str(path) for path in certificate(folder, "edge", EDGE)]
    port, tls_port, wss_port = free_ports(3)
    tls = Tls(files[0], files[1], tls_port, wss_port)
    options = replace(edge.kamailio.options, sip_port=port, tls=tls)
    async with await Kamailio.start(edge.kamailio.program, options, folder / "kamailio") as kamailio:
        yield Secure(Edge(edge.world, kamailio), tls, folder)
        provoked = re.compile(
            "tls_|tcp_read|tcpconn_do_send|CON_ERROR|ws_frame|for WebSocket could not|build_req_buf|t_fwd"
        )
        assert [line for line in kamailio.problems() if not provoked.search(line)] == []


async def test_a_trunk_registers_by_tls_and_by_websocket(secure: Secure) -> None:
    trunk = await secure.edge.create("by-tls", "basic", username="pbx01")
    wrong = {**trunk, "password": "Sample-Pass-0002"}
    with secure.encrypted("tls") as line:
        assert await secure.register(wrong, line, "TLS") == (401, ["MD5"])
        assert await secure.register(trunk, line, "TLS") == (200, ["MD5"])
    with websocket(*secure.at("wss"), secure.tls.certificate) as browser:
        assert await secure.register(wrong, browser, "WSS") == (401, ["MD5"])
        assert await secure.register(trunk, browser, "WSS") == (200, ["MD5"])


@pytest.mark.parametrize("side", ["caller", "callee"])
async def test_a_call_by_tls_is_heard_and_ended_by_either_side(
    secure: Secure, callee: Callee, tmp_path: Path, side: str
) -> None:
    trunk = await secure.edge.create(f"calls-by-tls-{side}", "basic", username="pbx01")
    one, address = callee
    account = Account("pbx", trunk["realm"], trunk["password"], "pbx01")
    server = "{}:{}".format(*secure.at("tls"))
    options = PhoneOptions("secure", server, tmp_path, tone=1000, account=account, transport="tls")
    async with await Phone.start(options) as pbx:
        assert await pbx.register() == 200
        call = asyncio.create_task(pbx.call(address, talk=0.4 if side == "caller" else 30))
        if side == "callee":
            await one.answered()
            await one.hang_up()
        made, taken = await call, await one.next_call()

    assert (made.status, taken.status) == (200, 200)
    if side == "caller":
        assert (made.heard(660) > PURE, taken.heard(1000) > PURE) == (True, True)


async def test_a_call_by_websocket_goes_on_until_the_other_side_hangs_up(secure: Secure, callee: Callee) -> None:
    trunk = await secure.edge.create("calls-by-wss", "ip", allowed_ips=["127.0.0.1"])
    one, address = callee
    with Party.udp() as party, websocket(*secure.at("wss"), secure.tls.certificate) as browser:

        async def say(text: str) -> None:
            await asyncio.to_thread(browser.send, text.replace("SIP/2.0/UDP", "SIP/2.0/WSS").encode())

        async def hear() -> Message:
            while (heard := Message((await asyncio.to_thread(browser.recv, 65535)).decode())).status in (100, 180, 183):
                pass
            return heard

        sdp = SDP.format(host="127.0.0.1", version=1)
        await say(invite(address, trunk["realm"]).request(party, "INVITE", 1, body=sdp))
        answer = await hear()
        assert answer.status == 200
        leg = caller_leg(answer)
        await say(leg.request(party, "ACK", 1))
        await one.hang_up()
        bye = await hear()
        lines = ["SIP/2.0 200 OK", *(f"{name}: {bye.all(name)[0]}" for name in ("From", "To", "Call-ID", "CSeq"))]
        vias = [f"Via: {via}" for via in bye.all("Via")]
        await say("\r\n".join([lines[0], *vias, *lines[1:], "Content-Length: 0", "", ""]))

    assert (bye.method, bye.all("Call-ID")) == ("BYE", [leg.call_id])
    assert ((await one.next_call()).status, one.rang) == (200, 1)


async def test_a_phone_by_tls_calls_and_is_rung_over_its_connection(
    secure: Secure, phone: StartPhone, tmp_path: Path
) -> None:
    world = secure.edge.world
    mine, theirs = await asyncio.gather(world.create("4941"), world.create("4942"))
    other = await phone(theirs)
    assert await other.register() == 200
    account = Account("4941", mine["realm"], mine["password"], mine["username"])
    server = "{}:{}".format(*secure.at("tls"))
    options = PhoneOptions("secure", server, tmp_path, tone=1000, account=account, transport="tls")
    async with await Phone.start(options) as one:
        assert await one.register() == 200
        made, taken = await other.call(f"sip:4941@{mine['realm']}", talk=0.4), await one.next_call()
        await one.answered()
        assert (made.status, made.heard(1000) > PURE, taken.heard(440) > PURE) == (200, True, True)
        call = asyncio.create_task(other.call(f"sip:4941@{mine['realm']}", talk=3600))
        await one.answered()
        await one.hang_up()
        assert (await call).status == 200
        assert (await one.call(f"sip:4942@{theirs['realm']}", talk=0.1)).status == 200

    assert one.rang == 2


async def test_a_browser_is_rung_over_its_websocket_and_not_once_that_is_closed(
    secure: Secure, phone: StartPhone
) -> None:
    world = secure.edge.world
    mine, theirs = await asyncio.gather(world.create("4943"), world.create("4944"))
    other = await phone(theirs)
    assert await other.register() == 200
    number = f"sip:4943@{mine['realm']}"
    with websocket(*secure.at("wss"), secure.tls.certificate) as browser:
        assert await asyncio.to_thread(Register("", mine, transport="WSS").over, browser) == (200, ["MD5"])
        answer = await world.server.rest("GET", f"/v1.0/extensions/{mine['id']}/contacts")
        (contact,) = answer.body["result"]
        rung = asyncio.create_task(asyncio.to_thread(invited, browser))
        assert (await other.call(number)).status == 486
        host, _ = browser.getsockname()
        assert f"INVITE sip:4943@{host}:" in await rung
        assert contact["transport"] == "ws"

    assert (await other.call(number)).status == 480


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("transport", ["tls", "wss"])
async def test_tls_is_spoken_from_1_2_on(secure: Secure, transport: str) -> None:
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises((ssl.SSLError, OSError)), secure.encrypted(transport, version):
            pass
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with secure.encrypted(transport, version) as line:
            assert (line.version() or "").replace(".", "_") == version.name


async def test_https_serves_websockets_and_nothing_else(secure: Secure) -> None:
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YQ==\r\n"
    for transport, path, more in (
        ("wss", "/", ""),
        ("wss", "/rpc", upgrade),
        ("wss", "/ws", ""),
        ("tls", "/ws", upgrade),
    ):
        with secure.encrypted(transport) as line:
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: {EDGE}\r\n{more}\r\n".encode())
            assert line.recv(65535).split()[1] == b"404", (transport, path)
