"""Anybody's calls through a real edge: they ring direct addresses, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from ringback.demo.kamailio import Kamailio
from ringback.demo.ports import free_ports
from ringback.registrar.realms.model import Status

from .conftest import Callee, Edge, Extension, StartPhone
from .party import SDP, Message, Party, caller_leg, invite
from .test_call_records import ended, said
from .test_trunk_calls import final
from .test_trunk_records import WHO

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

PURE = 0.8
STRANGER, LIAR, GUESSER, NEIGHBOUR, CARRIER = (f"127.0.0.{number}" for number in range(111, 116))
VOICE = "127.0.0.116"
LIMIT = 3
UNKNOWN = "sip:direct.000000000000@sip.localhost"


def address(extension: Extension) -> str:
    return f"sip:direct.{extension['direct_hash']}@sip.localhost"


async def called(party: Party, at: str, uri: str, domain: str = "example.com", header: str = "") -> Message:
    """The last answer to a call in the name of that domain. A refusal is acknowledged."""
    leg = invite(uri, domain)
    host = party.at.partition(":")[0]
    text = leg.request(party, "INVITE", 1, branch=leg.call_id, body=SDP.format(host=host, version=1))
    await party.send(text.replace("Max-Forwards", header + "Max-Forwards"), at)
    answer = await final(party)
    if answer.status >= 300:
        refused = replace(leg, there=answer.all("To")[0])
        await party.send(refused.request(party, "ACK", 1, branch=leg.call_id), at)
    return answer


@pytest.mark.parametrize("side", ["caller", "callee"])
async def test_a_stranger_rings_a_direct_address_in_any_letter_case(edge: Edge, phone: StartPhone, side: str) -> None:
    extension = await edge.world.create({"caller": "7501", "callee": "7502"}[side], direct=True)
    one, stranger = await asyncio.gather(
        phone(extension, tone=660, server=edge.kamailio.at, bind=LIAR),
        phone(tone=1000, server=edge.kamailio.at, bind=STRANGER),
    )
    assert await one.register() == 200
    user = f"Direct.{extension['direct_hash'].upper()}"
    call = asyncio.create_task(stranger.call(f"sip:{user}@sip.localhost", talk=1 if side == "caller" else 30))

    if side == "callee":
        await one.answered()
        await one.hang_up()
    made, taken = await call, await one.next_call()

    assert (made.status, taken.status, one.rang) == (200, 200, 1)
    if side == "caller":
        assert (made.heard(660) > PURE, taken.heard(1000) > PURE) == (True, True)
    record = await ended(edge.world, extension)
    assert said(record, *WHO) == ["direct", "caller", user, None, extension["id"], None]


async def test_who_came_by_tcp_hears_the_end_by_it(edge: Edge, callee: Callee) -> None:
    one, uri = callee
    at = edge.kamailio.at
    with await Party.tcp(STRANGER, at) as party:
        answer = await called(party, at, uri)
        assert answer.status == 200
        await party.send(caller_leg(answer).request(party, "ACK", 1), at)

        await one.hang_up()

        bye = await party.hear()
        await party.answer(bye, 200, at)
        assert (bye.method, (await one.next_call()).status) == ("BYE", 200)


async def test_asterisk_decides_what_becomes_of_the_call(edge: Edge, phone: StartPhone) -> None:
    world, at = edge.world, edge.kamailio.at
    absent, frozen = await asyncio.gather(
        world.create("7503", direct=True), world.create("7504", direct=True, customer=world.other)
    )
    one = await phone(frozen)
    assert await one.register() == 200
    again = await world.change(absent, direct_regenerate=True)

    with Party.udp(NEIGHBOUR) as party:
        assert (await called(party, at, UNKNOWN)).status == 404
        assert (await called(party, at, address(absent))).status == 404
        assert (await called(party, at, address(again))).status == 480
        # whichever domain it asks for, but for a trunk's
        assert (await called(party, at, address(again).replace("sip.localhost", absent["realm"]))).status == 480
        await world.set_status(world.other, Status.FROZEN)
        try:
            assert (await called(party, at, address(frozen))).status == 403
        finally:
            await world.set_status(world.other, Status.ACTIVE)
    assert one.rang == 0


async def test_what_a_stranger_may_not_ask_for_is_refused_by_the_edge(edge: Edge, phone: StartPhone) -> None:
    world, at = edge.world, edge.kamailio.at
    extension = await world.create("7505", direct=True)
    one = await phone(extension)
    assert await one.register() == 200
    live = extension["direct_hash"]
    trunk = await edge.create("not-a-strangers", "ip", allowed_ips=[CARRIER])
    users = ("7505", f"direct.{live}.", f"xdirect.{live}", "direct.", f"direct.{'0' * 65}", f"direct.{live}%27", "s")

    with Party.udp(LIAR) as party:
        assert [(await called(party, at, f"sip:{user}@sip.localhost")).status for user in users] == [403] * len(users)
        # a domain of ours in From must be proved, and so must a trunk's that is called
        for domain in (extension["realm"], trunk["realm"]):
            assert (await called(party, at, address(extension), domain)).status == 407
        assert (await called(party, at, address(extension).replace("sip.localhost", trunk["realm"]))).status == 407
        register = invite(address(extension), "example.com").request(party, "REGISTER", 1)
        await party.send(register, at)
        assert (await party.hear()).status == 403
    assert one.rang == 0


async def test_a_stranger_is_nobody_whatever_headers_say(edge: Edge) -> None:
    world = edge.world
    ours = await world.create("7506", direct=True, customer=world.other)
    caller = await world.create("7507", customer=world.other)
    trunk = await edge.create("claimed-by-a-stranger", "ip", allowed_ips=[CARRIER], customer_id=str(world.other))
    claims = (
        f"X-Ringback-Phone: {caller['endpoint_id']}\r\n",
        f"x-ringback-phone: {caller['endpoint_id']}\r\n",
        f"X-Ringback-Trunk: {trunk['realm']}\r\n",
    )
    with Party.udp(VOICE) as voice, Party.udp(LIAR) as liar:
        options = replace(edge.kamailio.options, asterisks=(voice.at,), sip_port=free_ports(1)[0], workers=1)
        folder = world.server.home.parent / "claimed"
        async with await Kamailio.start(edge.kamailio.program, options, folder) as kamailio:
            for claim in claims:
                source = "X-Ringback-Source: 192.0.2.1\r\n"
                answer = asyncio.create_task(
                    called(liar, kamailio.at, address(ours), header=claim + source + "Route: <sip:192.0.2.1;lr>\r\n")
                )
                told = await voice.hear()
                await voice.answer(told, 480, kamailio.at, tag="voice")
                assert (await answer).status == 480
                assert (await voice.hear()).method == "ACK"
                assert told.all("X-Ringback-Source *") == [LIAR]
                assert (told.all("X-Ringback-(?:Phone|Trunk) *"), told.all("Route")) == (["*", "*"], [])
                names = [line.partition(":")[0] for line in told.text.split("\r\n")[1:]]
                said = {"X-Ringback-Source", "X-Ringback-Phone", "X-Ringback-Trunk"}
                assert set(names[: names.index("From")]) - {"Via", "Record-Route"} == said


@pytest_asyncio.fixture(loop_scope="session")
async def strict(edge: Edge, tmp_path: Path) -> AsyncIterator[Edge]:
    """An edge that remembers nothing yet, and takes few misses."""
    options = replace(edge.kamailio.options, sip_port=free_ports(1)[0], direct_miss_limit=LIMIT)
    async with await Kamailio.start(edge.kamailio.program, options, tmp_path / "kamailio") as kamailio:
        yield Edge(edge.world, kamailio)
        assert kamailio.problems() == []


async def test_who_guesses_is_held_back_and_a_neighbour_is_not(strict: Edge, callee: Callee) -> None:
    one, uri = callee
    at = strict.kamailio.at
    with Party.udp(GUESSER) as guesser, Party.udp(NEIGHBOUR) as neighbour:
        # a call that is answered proves nothing
        answer = await called(guesser, at, uri)
        await guesser.send(caller_leg(answer).request(guesser, "ACK", 1), at)
        await one.answered()
        await one.hang_up()
        bye = await guesser.hear()
        await guesser.answer(bye, 200, at)
        assert ((await one.next_call()).status, bye.method) == (200, "BYE")

        assert [(await called(guesser, at, UNKNOWN)).status for _ in range(LIMIT)] == [404] * LIMIT
        for held in (uri, UNKNOWN):
            answer = await called(guesser, at, held)
            assert (answer.status, answer.all("Retry-After")) == (503, ["60"])

        assert (await called(neighbour, at, UNKNOWN)).status == 404
    assert one.rang == 1


async def test_who_has_proved_who_they_are_is_not_held_back(strict: Edge) -> None:
    trunk = await strict.create("guessing-carrier", "ip", allowed_ips=[CARRIER])
    at = strict.kamailio.at
    assert await strict.register(trunk, source=CARRIER) == (200, [])

    with Party.udp(CARRIER) as carrier:
        answers = [(await called(carrier, at, UNKNOWN)).status for _ in range(LIMIT + 2)]

    assert answers == [404] * (LIMIT + 2)
