"""Headers that a caller hides behind line ends of its own, from a real edge: Asterisk never sees them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from secrets import token_hex

import pytest
import pytest_asyncio

from ringback.demo.kamailio import Kamailio
from ringback.demo.ports import free_ports
from tests.patience import ENOUGH

from .conftest import Callee, Edge
from .party import SDP, Party, invite
from .test_trunk_calls import final

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

CALLER = "127.0.0.117"
HIDDEN = ("\r", "\r\r", "\r \r", "\n", "\x00", "\x00\r\n", "\n\r")
PLACES: dict[str, Callable[[str, str], str]] = {
    "a header": lambda text, hidden: text.replace("Max-Forwards", f"Subject: x{hidden}\r\nMax-Forwards"),
    "the first line": lambda text, hidden: text.replace(" SIP/2.0\r\n", f";x=x{hidden} SIP/2.0\r\n", 1),
    "a name": lambda text, hidden: text.replace("From: ", f'From: "x{hidden}" ', 1),
    "the last header": lambda text, hidden: text.replace("\r\n\r\n", f"\r\nSubject: x{hidden}\r\n\r\n", 1),
}
IN_PIECES = ("the first line", "a name")
"""Where Kamailio may take nothing at all of what is broken."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def outer(edge: Edge, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    """An edge whose log may hold what its parser says of no SIP."""
    options = replace(edge.kamailio.options, sip_port=free_ports(1)[0])
    async with await Kamailio.start(
        edge.kamailio.program, options, tmp_path_factory.mktemp("outer") / "kamailio"
    ) as kamailio:
        yield Edge(edge.world, kamailio)


@asynccontextmanager
async def party(transport: str, at: str) -> AsyncIterator[Party]:
    with Party.udp(CALLER) if transport == "udp" else await Party.tcp(CALLER, at) as one:
        yield one


async def first(caller: Party, at: str, text: str, patience: float) -> int:
    """Of the first answer to that request; 0 for none in so many seconds, or where the connection is closed."""
    await caller.send(text, at)
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            said = await asyncio.get_running_loop().sock_recv(caller.socket, 65535)
            return int(said.split()[1]) if said else 0
    return 0


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("who", ["stranger", "phone", "trunk"])
async def test_a_header_behind_a_line_end_that_is_none_is_refused_and_rings_nobody(
    outer: Edge, callee: Callee, who: str, transport: str
) -> None:
    one, uri = callee
    world, at = outer.world, outer.kamailio.at
    victim = await world.create(f"79-{who}-{transport}", customer=world.other)
    mine = await world.create(f"79-{who}-{transport}")
    trunk = await outer.create(f"hides-{who}-{transport}", "ip", allowed_ips=[CALLER])
    domain = {"stranger": "example.com", "phone": mine["realm"], "trunk": trunk["realm"]}[who]
    cases = [(place, end) for place in PLACES for end in HIDDEN]

    async def status(place: str, hidden: str) -> int:
        async with party(transport, at) as caller:
            said = invite(uri, domain).request(caller, "INVITE", 1, body=SDP.format(host=CALLER, version=1))
            text = PLACES[place](said, f"{hidden}X-Ringback-Phone: {victim['endpoint_id']}")
            return await first(caller, at, text, 1.0 if place in IN_PIECES else ENOUGH)

    got = await asyncio.gather(*(status(*case) for case in cases))

    wrong = [
        case for case, status in zip(cases, got, strict=True) if status != 400 and (status or case[0] not in IN_PIECES)
    ]
    assert (wrong, one.rang) == ([], 0)


@pytest.mark.parametrize("method", ["REGISTER", "OPTIONS", "BYE", "CANCEL"])
async def test_no_other_request_hides_one_either_and_an_ack_gets_no_answer(outer: Edge, method: str) -> None:
    with Party.udp(CALLER) as caller:
        leg = invite("sip:x@example.com", "example.com")
        for one in ("ACK", method):
            said = leg.request(caller, one, 1)
            await caller.send(said.replace("Max-Forwards", "Subject: x\rY: z\r\nMax-Forwards"), outer.kamailio.at)
        answer = await final(caller)
        assert (answer.status, answer.all("CSeq")) == (400, [f"1 {method}"])
        assert caller.heard() == []


async def test_folded_lines_and_any_body_are_no_fault(outer: Edge) -> None:
    """RFC 3261 7.3.1."""
    with Party.udp(CALLER) as caller:
        said = invite("sip:direct.0123456789ab@sip.localhost", "example.com")
        changes = {
            "Max-Forwards": "Subject: one\r\n two\r\n\tthree\r\nMax-Forwards",
            "Content-Length: 0\r\n\r\n": "Content-Length: 7\r\n\r\n\r\n\rx\n\x00y",
        }
        for old, new in changes.items():
            text = said.request(caller, "INVITE", 1, branch=token_hex(8), call_id=token_hex(8))
            assert old in text
            await caller.send(text.replace(old, new), outer.kamailio.at)
            assert (await final(caller)).status == 404
