"""Calls that an Asterisk begins, message by message: the edge carries them to where a trunk is, and nowhere else."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from random import randrange
from secrets import token_hex

import pytest
import pytest_asyncio

from ringback.demo.kamailio import Kamailio
from ringback.demo.ports import free_ports
from tests.patience import ENOUGH

from .conftest import EDGE, Edge, as_phone
from .digest import Register
from .party import Leg, Message, Party, callee_leg, caller_leg, invite

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

VOICE, CARRIER, STRANGER, VICTIM = "127.0.0.61", "127.0.0.62", "127.0.0.63", "127.0.0.64"
NUMBER = "+493012345"


@dataclass(frozen=True, slots=True)
class Scene:
    """An edge of one worker. `voice` is its Asterisk: a party that says what a test says. `realm` is a trunk that is
    known by the address of `carrier`."""

    edge: Edge
    kamailio: Kamailio
    realm: str
    voice: Party
    carrier: Party
    stranger: Party
    victim: Party

    @property
    def at(self) -> str:
        return self.kamailio.at

    def asked(self, realm: str = "", number: str = NUMBER) -> Leg:
        """What Asterisk's call to that trunk begins with."""
        return invite(f"sip:{number}@{realm or self.realm}", "asterisk.invalid")

    async def status(self, sender: Party, asked: Leg) -> int:
        """What the edge says to an INVITE of that sender."""
        branch = token_hex(8)
        await sender.send(asked.request(sender, "INVITE", 1, branch=branch), self.at)
        answer = await sender.hear()
        acknowledged = replace(asked, there=answer.all("To")[0])
        await sender.send(acknowledged.request(sender, "ACK", 1, branch=branch), self.at)
        return answer.status

    async def register(self, contact: str = "") -> int:
        """The carrier registers the trunk, from its socket, as being at `contact` and nowhere else."""
        who = f"sip:pbx@{self.realm}"
        leg = Leg(token_hex(8), f"<{who}>;tag={token_hex(4)}", f"<{who}>", f"sip:{self.realm}")
        own = f"<{self.carrier.uri}>"
        for number, where, expires in ((1, "*", 0), (2, f"<{contact}>" if contact else own, 60)):
            text = leg.request(self.carrier, "REGISTER", number).replace(own, where)
            await self.carrier.send(text.replace("Max-Forwards", f"Expires: {expires}\r\nMax-Forwards"), self.at)
            status = (await self.carrier.hear()).status
        return status

    async def call(self) -> tuple[Leg, Leg]:
        """A call to the carrier, answered and acknowledged: Asterisk's side and the carrier's."""
        asked = self.asked()
        await self.voice.send(asked.request(self.voice, "INVITE", 1), self.at)
        got = await self.carrier.hear()
        await self.carrier.answer(got, 200, self.at, tag="carrier")
        answer = await self.voice.hear()
        assert (got.method, answer.status) == ("INVITE", 200)
        ours = caller_leg(answer)
        await self.voice.send(ours.request(self.voice, "ACK", 1), self.at)
        assert (await self.carrier.hear()).method == "ACK"
        return ours, callee_leg(got, "carrier")

    async def within(self, sender: Party, leg: Leg, method: str, number: int) -> Message:
        """A request within the call, answered by its other end: the request as that one got it."""
        other = self.voice if sender is self.carrier else self.carrier
        await sender.send(leg.request(sender, method, number), self.at)
        got = await other.hear()
        await other.answer(got, 200, self.at)
        assert (await sender.hear()).status == 200
        return got

    def overheard(self) -> list[str]:
        """What came to anybody and was not listened to."""
        return [method for one in (self.voice, self.carrier, self.stranger, self.victim) for method in one.heard()]


@pytest.fixture(scope="module")
def parties() -> Iterator[list[Party]]:
    with ExitStack() as open:
        yield [open.enter_context(Party.udp(host)) for host in (VOICE, CARRIER, STRANGER, VICTIM)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(edge: Edge, parties: list[Party], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    trunk = await edge.create("out-scene", "ip", allowed_ips=["198.51.100.0/28", CARRIER])
    options = replace(edge.kamailio.options, asterisks=(parties[0].at,), sip_port=free_ports(1)[0], workers=1)
    folder = tmp_path_factory.mktemp("out") / "kamailio"
    async with await Kamailio.start(edge.kamailio.program, options, folder) as kamailio:
        yield Scene(edge, kamailio, trunk["realm"], *parties)
        assert kamailio.problems() == []


async def test_a_call_reaches_a_registered_trunk_and_both_sides_speak_within_it(scene: Scene) -> None:
    assert await scene.register() == 200
    ours, theirs = await scene.call()

    assert theirs.here.startswith(f"<sip:{NUMBER}@")
    for number, method in enumerate(("UPDATE", "INFO", "INVITE"), 2):
        for sender, leg in ((scene.voice, ours), (scene.carrier, theirs)):
            assert (await scene.within(sender, leg, method, number)).method == method
            if method == "INVITE":
                await sender.send(leg.request(sender, "ACK", number), scene.at)
                assert (await (scene.carrier if sender is scene.voice else scene.voice).hear()).method == "ACK"
    assert (await scene.within(scene.carrier, theirs, "BYE", 9)).method == "BYE"
    ours, theirs = await scene.call()
    assert (await scene.within(scene.voice, ours, "BYE", 2)).method == "BYE"
    assert scene.overheard() == []


async def test_the_number_that_is_asked_for_is_in_the_request_and_the_rest_is_where_the_trunk_is(scene: Scene) -> None:
    assert await scene.register(f"sip:pbx01@{scene.carrier.at};line=7") == 200
    await scene.voice.send(scene.asked().request(scene.voice, "INVITE", 1), scene.at)

    got = await scene.carrier.hear()

    assert got.text.startswith(f"INVITE sip:{NUMBER}@{scene.carrier.at};line=7 SIP/2.0")
    await scene.carrier.answer(got, 486, scene.at, tag="busy")
    assert ((await scene.voice.hear()).status, (await scene.carrier.hear()).method) == (486, "ACK")


@pytest.mark.parametrize(("said", "told"), [(302, 480), (404, 404), (480, 480), (486, 486), (503, 503), (603, 603)])
async def test_asterisk_hears_why_a_trunk_refuses_and_is_sent_nowhere_else(scene: Scene, said: int, told: int) -> None:
    assert await scene.register() == 200
    await scene.voice.send(scene.asked().request(scene.voice, "INVITE", 1), scene.at)

    await scene.carrier.answer(await scene.carrier.hear(), said, scene.at, tag="no")

    assert ((await scene.voice.hear()).status, (await scene.carrier.hear()).method) == (told, "ACK")


async def test_a_trunk_is_where_its_register_came_from_whatever_it_says(scene: Scene) -> None:
    assert await scene.register(f"sip:pbx@{scene.victim.at}") == 200
    await scene.voice.send(scene.asked().request(scene.voice, "INVITE", 1), scene.at)

    got = await scene.carrier.hear()

    await scene.carrier.answer(got, 404, scene.at, tag="none")
    assert ((await scene.voice.hear()).status, (await scene.carrier.hear()).method) == (404, "ACK")
    assert scene.overheard() == []


async def test_asterisk_gives_up(scene: Scene) -> None:
    assert await scene.register() == 200
    asked = scene.asked()
    await scene.voice.send(asked.request(scene.voice, "INVITE", 1, branch="given-up"), scene.at)
    rings = await scene.carrier.hear()
    await scene.carrier.answer(rings, 180, scene.at, tag="carrier")
    assert (await scene.voice.hear()).status == 180

    await scene.voice.send(asked.request(scene.voice, "CANCEL", 1, branch="given-up"), scene.at)
    cancel = await scene.carrier.hear()
    await scene.carrier.answer(cancel, 200, scene.at, tag="carrier")
    await scene.carrier.answer(rings, 487, scene.at, tag="carrier")

    answers = [(await scene.voice.hear()).status for _ in range(2)]
    assert (cancel.method, answers, (await scene.carrier.hear()).method) == ("CANCEL", [200, 487], "ACK")


async def test_nobody_but_asterisk_calls_out(scene: Scene) -> None:
    assert await scene.register() == 200

    assert await scene.status(scene.stranger, scene.asked()) == 407
    with Party.udp(VOICE) as beside:
        assert await scene.status(beside, scene.asked()) == 407
    assert scene.overheard() == []


async def test_a_call_goes_to_a_trunk_and_a_telephone_number_alone(scene: Scene) -> None:
    nobody = scene.realm.replace("out-scene", "out-nobody")
    victim = replace(scene.asked(), target=f"sip:{NUMBER}@{scene.victim.at}")
    routed = replace(scene.asked(nobody), routes=[f"<sip:{scene.victim.at};lr>"])
    for asked, status in (
        (scene.asked(nobody), 480),
        (routed, 480),
        (victim, 404),
        (scene.asked("example.com"), 404),
        (scene.asked(number="1"), 404),
        (scene.asked(number="1" * 41), 404),
        (scene.asked(number="12%27"), 404),
        (scene.asked(number="12;user=phone"), 404),
        (scene.asked(number="pbx"), 404),
    ):
        assert await scene.status(scene.voice, asked) == status, asked
    assert scene.overheard() == []


async def test_a_trunk_that_has_not_registered_is_at_its_first_address(scene: Scene) -> None:
    host = f"127.{randrange(64, 250)}.{randrange(250)}.{randrange(2, 250)}"
    trunk = await scene.edge.create("out-address", "ip", allowed_ips=["198.51.100.0/28", host, VICTIM])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((host, 5060))
        udp.setblocking(False)
        carrier = Party(udp)
        await scene.voice.send(scene.asked(trunk["realm"]).request(scene.voice, "INVITE", 1), scene.at)

        got = await carrier.hear()

        assert got.text.startswith(f"INVITE sip:{NUMBER}@{host}:5060 SIP/2.0")
        await carrier.answer(got, 503, scene.at, tag="full")
        assert ((await scene.voice.hear()).status, (await carrier.hear()).method) == (503, "ACK")


async def test_what_is_known_by_another_password_is_somewhere_else(scene: Scene) -> None:
    trunk = await scene.edge.create("out-digest", "basic", username="pbx01")

    def registers(password: str) -> tuple[int, list[str]]:
        return Register(scene.at, as_phone(trunk, password=password), source=CARRIER).over(line)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(ENOUGH)
        line.bind((CARRIER, 0))
        line.connect((EDGE, int(scene.at.rpartition(":")[2])))
        assert (await asyncio.to_thread(registers, trunk["password"]))[0] == 200
        line.setblocking(False)
        carrier = Party(line)
        await scene.voice.send(scene.asked(trunk["realm"]).request(scene.voice, "INVITE", 1, branch="one"), scene.at)
        rings = await carrier.hear()
        await scene.edge.change(trunk, password="Sample-Pass-0002")
        await carrier.answer(rings, 486, scene.at, tag="busy")
        assert ((await scene.voice.hear()).status, (await carrier.hear()).method) == (486, "ACK")

        assert await scene.status(scene.voice, scene.asked(trunk["realm"])) == 480


async def test_the_proof_of_a_call_serves_no_other_call_and_no_stranger(scene: Scene) -> None:
    assert await scene.register() == 200
    ours, theirs = await scene.call()

    def by(leg: Leg, word: str) -> Leg:
        return replace(leg, routes=[route.replace("by=asterisk", f"by={word}") for route in leg.routes])

    peer = f"sip:{scene.carrier.at}".encode().hex()
    elsewhere = f"sip:{scene.victim.at}".encode().hex()
    assert f";peer={peer};by=asterisk;" in ours.routes[0]
    for sender, leg in (
        (scene.stranger, ours),
        (scene.stranger, theirs),
        (scene.voice, theirs),
        (scene.carrier, ours),
        (scene.voice, by(ours, "peer")),
        (scene.carrier, by(theirs, "peer")),
        (scene.carrier, by(theirs, "")),
        (scene.voice, replace(ours, routes=[ours.routes[0].replace(peer, elsewhere)])),
        (scene.voice, replace(ours, call_id="another")),
    ):
        await sender.send(leg.request(sender, "BYE", 5, target=f"sip:a@{scene.victim.at}"), scene.at)
        assert (await sender.hear()).status == 481
    assert scene.overheard() == []
