"""An edge in front of several Asterisks: calls go to them in turn, and to the others when one is gone."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import pytest
import pytest_asyncio

from ringback.demo.asterisk import Asterisk
from ringback.demo.kamailio import Kamailio
from ringback.demo.phone import Account, Phone, PhoneOptions
from ringback.demo.ports import Ports, free_ports
from ringback.demo.programs import AsteriskProgram
from ringback.demo.server import Server
from ringback.sip.odbc import sqlite_url
from tests.patience import ENOUGH

from .conftest import EDGE, Edge, World, in_front, until
from .party import SDP, Leg, Message, Party, callee_leg, caller_leg, invite

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

CALLER, FIRST, SECOND = "127.0.0.71", "127.0.0.72", "127.0.0.73"
ADDRESS = "sip:direct.000000000000@sip.localhost"


async def final(party: Party) -> Message:
    """The next last answer to a request, while others may have to be asked first."""
    while (answer := await party.hear()).status < 200:
        pass
    return answer


# ---- Two real ones


@dataclass(frozen=True, slots=True)
class Two:
    """One Ringback, two Asterisks on its file, and an edge before both."""

    edge: Edge
    asterisks: tuple[Asterisk, Asterisk]
    realm: str
    address: str

    async def call(self) -> tuple[int, int]:
        """The final answers to an INVITE and to its BYE, if there was something to end."""
        with Party.udp(CALLER) as party:
            at, sdp = self.edge.kamailio.at, SDP.format(host=CALLER, version=1)
            await party.send(invite(self.address, self.realm).request(party, "INVITE", 1, body=sdp), at)
            answer = await final(party)
            if answer.status != 200:
                return answer.status, 0
            leg = caller_leg(answer)
            await party.send(leg.request(party, "ACK", 1), at)
            await party.send(leg.request(party, "BYE", 2), at)
            return answer.status, (await party.hear()).status

    async def taken(self) -> list[int]:
        """How many calls each has had since it started."""
        found = []
        for one in self.asterisks:
            said = await one.command("core show calls")
            count = re.search(r"(\d+) calls? processed", said)
            assert count, said
            found.append(int(count[1]))
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two(program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    folder, at = tmp_path_factory.mktemp("two"), f"{EDGE}:{free_ports(1)[0]}"
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(await Server.start(folder / "home"))
        asterisks, ports = [], [Ports.find() for _ in range(2)]
        for number, one in enumerate(ports):
            options = replace(one.options(sqlite_url(server.database)), edge=at, system_name=f"asterisk-{number}")
            started = await Asterisk.start(program, options, folder / f"asterisk-{number}")
            asterisks.append(await stack.enter_async_context(started))
        world = World(server, asterisks[0], ports[0])
        async with in_front(world, folder / "kamailio", *(one.public_at for one in ports)) as edge:
            trunk = await edge.create("two", "ip", allowed_ips=[CALLER])
            extension = await world.create("1001", direct=True)
            account = Account("1001", extension["realm"], extension["password"], extension["username"])
            async with await Phone.start(PhoneOptions("two", ports[0].phones_at, folder, account=account)) as phone:
                assert await phone.register() == 200
                address = f"sip:direct.{extension['direct_hash']}@sip.localhost"
                yield Two(edge, (asterisks[0], asterisks[1]), trunk["realm"], address)


async def test_calls_go_in_turn_and_each_is_ended_where_it_is(two: Two) -> None:
    before = await two.taken()

    assert [await two.call() for _ in range(6)] == [(200, 200)] * 6

    assert [now - then for now, then in zip(await two.taken(), before, strict=True)] == [3, 3]


async def test_one_that_is_killed_costs_no_call_that_begins_later_and_comes_back(two: Two) -> None:
    first, second = two.asterisks
    await first.kill()

    assert [await two.call() for _ in range(4)] == [(200, 200)] * 4
    await first.again()
    before = (await two.taken())[0]

    async def has_calls_again() -> bool:
        assert await two.call() == (200, 200)
        return (await two.taken())[0] > before

    await until(has_calls_again)

    await second.kill()
    await first.kill()
    assert (await two.call())[0] == 503
    await asyncio.gather(first.again(), second.again())

    at_first = await two.taken()

    async def both_are_back() -> bool:
        assert (await two.call())[0] in (200, 503)
        return all(now > then for now, then in zip(await two.taken(), at_first, strict=True))

    await until(both_are_back)


async def test_calls_that_no_asterisk_answers_take_none_away(two: Two) -> None:
    extension = await two.edge.world.create("1002", direct=True)
    address, sdp = f"sip:direct.{extension['direct_hash']}@sip.localhost", SDP.format(host=CALLER, version=1)

    async def outcome(number: str) -> int:
        """Of a call to who is not there, with that number in CSeq: to a large one Asterisk may say nothing."""
        with Party.udp(CALLER) as party:
            request = invite(address, two.realm).request(party, "INVITE", 1, body=sdp)
            await party.send(request.replace("CSeq: 1 ", f"CSeq: {number} "), two.edge.kamailio.at)
            return (await final(party)).status

    async with asyncio.TaskGroup() as tasks:
        silent = [tasks.create_task(outcome("4294967290"))]
        while not silent[0].done():
            assert [await outcome("1") for _ in range(3)] == [480] * 3
            silent.append(tasks.create_task(outcome("4294967290")))
        assert [await outcome("1") for _ in range(20)] == [480] * 20

    assert silent[0].result() == 503


async def test_a_call_is_never_said_to_be_where_it_is_not(two: Two) -> None:
    before, at = await two.taken(), two.edge.kamailio.at
    with Party.udp(CALLER) as party:
        sdp = SDP.format(host=CALLER, version=1)
        await party.send(invite(two.address, two.realm).request(party, "INVITE", 1, body=sdp), at)
        answer = await final(party)
        assert answer.status == 200
        leg = caller_leg(answer)
        await party.send(leg.request(party, "ACK", 1), at)
        has = two.asterisks[[now > then for now, then in zip(await two.taken(), before, strict=True)].index(True)]
        await has.kill()

        assert [await two.call() for _ in range(2)] == [(200, 200)] * 2
        await has.again()
        await party.send(leg.request(party, "BYE", 2), at)

        assert (await final(party)).status == 481


# ---- Two that say what a test says


@dataclass(slots=True)
class Voice:
    """An Asterisk by hand: it says that it is there, and keeps the rest for the test."""

    party: Party
    edge: str = ""
    asked: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    there: list[int] = field(default_factory=list)
    """What it has said to the questions whether it is there."""
    fails: bool = False
    """Whether it says to the next one that it is not."""

    async def listen(self) -> None:
        while True:
            with suppress(TimeoutError):
                message = await self.party.hear()
                if message.method == "OPTIONS":
                    self.there.append(503 if self.fails else 200)
                    self.fails = False
                    await self.party.answer(message, self.there[-1], self.edge, tag="up")
                else:
                    await self.asked.put(message)

    async def hear(self, method: str) -> Message:
        """The next request of that method."""
        async with asyncio.timeout(ENOUGH):
            while (message := await self.asked.get()).method != method:
                pass
        return message

    async def answer(self, message: Message, status: int, *headers: str) -> None:
        await self.party.answer(message, status, self.edge, tag="voice", headers=headers)


@dataclass(frozen=True, slots=True)
class Scene:
    """An edge before two of them, and a caller that it lets in."""

    at: str
    realm: str
    voices: tuple[Voice, Voice]
    caller: Party

    @classmethod
    async def play(cls, kamailio: Kamailio, realm: str, parties: list[Party]) -> Self:
        caller, *others = parties
        first, second = (Voice(one, kamailio.at) for one in others)
        return cls(kamailio.at, realm, (first, second), caller)

    async def begin(self, leg: Leg | None = None, branch: str = "") -> tuple[Voice, Voice, Message]:
        """A call: who is asked, who is not, and what the first was asked."""
        leg = leg or invite(ADDRESS, self.realm)
        await self.caller.send(leg.request(self.caller, "INVITE", 1, branch=branch), self.at)
        waiting = {asyncio.ensure_future(one.hear("INVITE")): one for one in self.voices}
        done, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for one in others:
            one.cancel()
        (asked,) = done
        other = next(one for task, one in waiting.items() if task is not asked)
        return waiting[asked], other, asked.result()

    async def final(self) -> Message:
        """The last answer that the caller gets."""
        return await final(self.caller)


@pytest_asyncio.fixture(loop_scope="session")
async def scene(edge: Edge, tmp_path: Path) -> AsyncIterator[Scene]:
    number = len(edge.world.sql("SELECT 1 FROM registrar_trunks"))
    trunk = await edge.create(f"several-{number}", "ip", allowed_ips=[CALLER])
    async with AsyncExitStack() as stack:
        parties = [stack.enter_context(Party.udp(host)) for host in (CALLER, FIRST, SECOND)]
        options = replace(
            edge.kamailio.options, asterisks=tuple(one.at for one in parties[1:]), sip_port=free_ports(1)[0], workers=1
        )
        started = await Kamailio.start(edge.kamailio.program, options, tmp_path / "kamailio")
        kamailio = await stack.enter_async_context(started)
        one = await Scene.play(kamailio, trunk["realm"], parties)
        listening = [asyncio.create_task(voice.listen()) for voice in one.voices]
        yield one
        for task in listening:
            task.cancel()
        assert kamailio.problems() == []


@pytest.mark.parametrize("status", [503, 0], ids=["says 503", "says nothing"])
async def test_the_next_one_is_asked_when_one_cannot(scene: Scene, status: int) -> None:
    asked, other, request = await scene.begin()
    if status:
        await asked.answer(request, status)
    again = await other.hear("INVITE")
    await other.answer(again, 200)
    answer = await scene.final()

    assert (answer.status, again.all("Call-ID")) == (200, request.all("Call-ID"))
    mine, theirs = caller_leg(answer), callee_leg(again, "voice")
    await scene.caller.send(mine.request(scene.caller, "ACK", 1), scene.at)
    await other.hear("ACK")
    await scene.caller.send(mine.request(scene.caller, "INFO", 2), scene.at)
    await other.answer(await other.hear("INFO"), 200)
    assert (await scene.final()).status == 200
    await refused_elsewhere(scene, asked, other, mine, theirs)


async def refused_elsewhere(scene: Scene, asked: Voice, other: Voice, mine: Leg, theirs: Leg) -> None:
    """The one that has not got the call says nothing in it, nor is it said to be there."""
    await asked.party.send(theirs.request(asked.party, "INFO", 5), scene.at)
    assert (await asked.hear("SIP/2.0")).status == 481
    here, there = (f"sip:{one.party.at}".encode().hex() for one in (other, asked))
    forged = replace(mine, routes=[route.replace(here, there) for route in mine.routes])
    assert forged.routes != mine.routes
    await scene.caller.send(forged.request(scene.caller, "INFO", 6), scene.at)
    assert (await scene.final()).status == 481


@pytest.mark.parametrize(("ringing", "status"), [(False, 486), (False, 404), (True, 503), (True, 486)])
async def test_who_has_rung_or_refused_is_the_only_one_that_is_asked(scene: Scene, ringing: bool, status: int) -> None:
    asked, other, request = await scene.begin()
    if ringing:
        await asked.answer(request, 180)
    await asked.answer(request, status)

    answer = await scene.final()

    assert answer.status in ((503, 500) if status == 503 else (status,))
    assert other.asked.empty()


@pytest.mark.contract("router P-6")
async def test_a_call_that_a_policy_has_held_waits_for_no_other_one(scene: Scene) -> None:
    asked, other, request = await scene.begin()
    await asked.answer(request, 503, "Reason: Q.850;cause=42")

    assert (await scene.final()).status == 503
    assert other.asked.empty()


async def test_one_that_has_said_503_is_asked_again_and_when_all_say_so_the_caller_hears_it(scene: Scene) -> None:
    turns = []
    for _ in range(2):
        asked, other, request = await scene.begin()
        turns.append(asked)
        await asked.answer(request, 503)
        await other.answer(await other.hear("INVITE"), 503)
        assert (await scene.final()).status == 503

    assert turns[0] is not turns[1]


async def test_who_fails_once_to_say_that_it_is_there_keeps_its_calls(scene: Scene) -> None:
    async def are_there() -> bool:
        return all(voice.there[-1:] == [200] for voice in scene.voices)

    await until(are_there)
    for voice in scene.voices:
        voice.fails = True

    async def has_answered_a_call() -> bool:
        leg = invite(ADDRESS, scene.realm)
        await scene.caller.send(leg.request(scene.caller, "INVITE", 1), scene.at)
        asked = [asyncio.create_task(voice.hear("INVITE")) for voice in scene.voices]
        answer = asyncio.create_task(scene.final())
        await asyncio.wait([*asked, answer], return_when=asyncio.FIRST_COMPLETED)
        for task, voice in zip(asked, scene.voices, strict=True):
            if task.done():
                await voice.answer(task.result(), 480)
            task.cancel()
        assert (await answer).status == 480
        return await are_there() and all(503 in voice.there for voice in scene.voices)

    await until(has_answered_a_call)


async def test_a_caller_who_gives_up_is_not_handed_on(scene: Scene) -> None:
    leg = invite(ADDRESS, scene.realm)
    asked, other, request = await scene.begin(leg, "up")
    await asked.answer(request, 180)
    await scene.caller.send(leg.request(scene.caller, "CANCEL", 1, branch="up"), scene.at)
    await asked.answer(await asked.hear("CANCEL"), 200)
    await asked.answer(request, 487)

    statuses = {(await scene.final()).status for _ in range(2)}

    assert statuses == {200, 487}
    assert other.asked.empty()
