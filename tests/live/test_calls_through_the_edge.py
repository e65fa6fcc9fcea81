"""Calls through a real edge, message by message: who may say something within one, and where it goes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from ringback.demo.kamailio import Kamailio
from ringback.demo.phone import Account, Phone, PhoneOptions
from ringback.demo.ports import free_ports
from ringback.sip.kamailio import KamailioOptions, new_secret

from .conftest import Callee, Edge, StartPhone, as_phone, until
from .party import SDP, Leg, Message, Party, callee_leg, caller_leg, invite

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

CALLER, VOICE, STRANGER, VICTIM = "127.0.0.20", "127.0.0.21", "127.0.0.9", "127.0.0.5"
ADDRESS = "sip:direct.000000000000@sip.localhost"
METHODS = ("INVITE", "MESSAGE", "BYE", "INFO", "UPDATE")


@dataclass(frozen=True, slots=True)
class Scene:
    """An edge of one worker, so that its answers come in the order of the questions, and who is around it.

    `voice` is where the edge sends calls: no Asterisk, but a party that says what a test says."""

    kamailio: Kamailio
    realm: str
    voice: Party
    caller: Party
    stranger: Party
    victim: Party

    @property
    def at(self) -> str:
        return self.kamailio.at

    async def call(self) -> tuple[Leg, Leg]:
        """A call that the edge has let in, answered and acknowledged: the caller's side and the other one."""
        await self.caller.send(invite(ADDRESS, self.realm).request(self.caller, "INVITE", 1), self.at)
        asked = await self.voice.hear()
        await self.voice.answer(asked, 200, self.at, tag="voice")
        answer = await self.caller.hear()
        assert (asked.method, answer.status) == ("INVITE", 200)
        mine = caller_leg(answer)
        await self.caller.send(mine.request(self.caller, "ACK", 1), self.at)
        assert (await self.voice.hear()).method == "ACK"
        return mine, callee_leg(asked, "voice")

    async def within(self, sender: Party, leg: Leg, method: str, number: int, **more: str) -> Message:
        """A request within the call, answered by its other end: the request as that one got it."""
        other = self.voice if sender is self.caller else self.caller
        await sender.send(leg.request(sender, method, number, **more), self.at)
        got = await other.hear()
        await other.answer(got, 200, self.at)
        assert (await sender.hear()).status == 200
        return got

    async def refused(self, sender: Party, text: str) -> int:
        """The status that the edge gives, and nobody else has heard of it."""
        await sender.send(text, self.at)
        status = (await sender.hear()).status
        assert self.overheard() == []
        return status

    def overheard(self) -> list[str]:
        """What came to anybody and was not listened to."""
        return [method for one in (self.voice, self.caller, self.stranger, self.victim) for method in one.heard()]

    async def after_all_that_was_sent(self, sender: Party) -> None:
        """Comes back when the edge's one worker has done with what came before."""
        await sender.send(invite(f"sip:{self.at}", "anybody").request(sender, "OPTIONS", 1), self.at)
        assert (await sender.hear()).status == 200


@pytest.fixture(scope="module")
def parties() -> Iterator[list[Party]]:
    with ExitStack() as open:
        yield [open.enter_context(Party.udp(host)) for host in (VOICE, CALLER, STRANGER, VICTIM)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(edge: Edge, parties: list[Party], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    trunk = await edge.create("scene", "ip", allowed_ips=[CALLER])
    options = replace(edge.kamailio.options, asterisks=(parties[0].at,), sip_port=free_ports(1)[0], workers=1)
    folder = tmp_path_factory.mktemp("scene") / "kamailio"
    async with await Kamailio.start(edge.kamailio.program, options, folder) as kamailio:
        yield Scene(kamailio, trunk["realm"], *parties)
        assert kamailio.problems() == []


@pytest.mark.parametrize("method", METHODS)
async def test_a_forged_tag_and_route_reach_nobody(scene: Scene, method: str) -> None:
    forged = replace(invite(f"sip:somebody@{scene.victim.at}", "example.com"), there="<sip:a@example.com>;tag=forged")
    made_up = f";peer={'7369703a' + scene.victim.at.encode().hex()};proof={'0' * 32}"
    routes: tuple[list[str], ...] = (
        [f"<sip:{scene.at};lr>"],
        [f"<sip:{scene.at};lr{made_up}>"],
        [f"<sip:{scene.at};lr;peer=;proof=>"],
        [f"<sip:{scene.at};lr;peer=zz;proof=zz>"],
        [f"<sip:{scene.at};lr>", f"<sip:{scene.victim.at};lr>"],
        [f"<sip:{scene.at};r2=on;lr{made_up}>", f"<sip:{scene.at};transport=tcp;r2=on;lr{made_up}>"],
        [f"<sip:{scene.victim.at};lr{made_up}>"],
        [],
    )

    for sender in (scene.stranger, scene.caller, scene.voice):
        answers = [await scene.refused(sender, forged.request(sender, method, 2, routes=route)) for route in routes]
        assert set(answers) == {481}


@pytest.mark.parametrize("method", METHODS)
async def test_the_proof_of_a_call_serves_no_other_call_and_no_stranger(scene: Scene, method: str) -> None:
    mine, theirs = await scene.call()
    victim = f"sip:somebody@{scene.victim.at}"
    other_tag = replace(mine, here=mine.here + "x")
    elsewhere = f"sip:{scene.victim.at}".encode().hex()
    peer = f"sip:{scene.caller.at}".encode().hex()
    assert peer in mine.routes[0]
    other_peer = replace(mine, routes=[mine.routes[0].replace(peer, elsewhere)])

    for leg in (mine, theirs):
        assert await scene.refused(scene.stranger, leg.request(scene.stranger, method, 5, target=victim)) == 481
    for sender, leg in ((scene.caller, mine), (scene.voice, theirs), (scene.stranger, mine)):
        replayed = leg.request(sender, method, 5, target=victim, call_id=leg.call_id + "x")
        assert await scene.refused(sender, replayed) == 481
    for leg in (other_tag, other_peer):
        assert await scene.refused(scene.caller, leg.request(scene.caller, method, 5, target=victim)) == 481
    # each says what only the other one may
    for sender, leg in ((scene.caller, theirs), (scene.voice, mine)):
        assert await scene.refused(sender, leg.request(sender, method, 5, target=victim)) == 481


async def test_a_forged_ack_cancel_or_answer_is_dropped(scene: Scene) -> None:
    mine, theirs = await scene.call()
    victim = f"sip:somebody@{scene.victim.at}"
    passing_on = (
        f"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {scene.at};branch=z9hG4bK0.0\r\n"
        f"Via: SIP/2.0/UDP {scene.victim.at};branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n"
        "Call-ID: forged\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )

    for leg in (mine, theirs, replace(mine, routes=[f"<sip:{scene.at};lr>"])):
        for method in ("ACK", "CANCEL"):
            await scene.stranger.send(leg.request(scene.stranger, method, 1, target=victim), scene.at)
    for sender in (scene.stranger, scene.caller):
        await sender.send(passing_on, scene.at)
    await scene.after_all_that_was_sent(scene.stranger)

    assert scene.overheard() == []


async def test_within_a_call_each_side_reaches_the_other_wherever_it_asks_to_go(scene: Scene) -> None:
    mine, theirs = await scene.call()
    victim = f"sip:somebody@{scene.victim.at}"
    on = f"<sip:{scene.victim.at};lr>"

    for number, method in enumerate(("UPDATE", "INFO", "MESSAGE", "INVITE"), 2):
        for sender, leg in ((scene.caller, mine), (scene.voice, theirs)):
            astray = replace(leg, target=victim, routes=[*leg.routes, on])
            for said in (leg, astray):
                assert (await scene.within(sender, said, method, number)).method == method
                if method == "INVITE":
                    await sender.send(said.request(sender, "ACK", number), scene.at)
                    heard = await (scene.voice if sender is scene.caller else scene.caller).hear()
                    assert heard.method == "ACK"
    assert scene.overheard() == []


async def test_the_edge_says_from_where_a_call_came_and_nobody_else_does(scene: Scene) -> None:
    for name in ("X-Ringback-Source", "x-ringback-source", "X-RINGBACK-SOURCE "):
        asked = invite(ADDRESS, scene.realm).request(scene.caller, "INVITE", 1)
        claimed = asked.replace("Max-Forwards", f"{name}: 192.0.2.1\r\n{name}: 192.0.2.2\r\nMax-Forwards")
        await scene.caller.send(claimed, scene.at)
        told = await scene.voice.hear()
        await scene.voice.answer(told, 404, scene.at, tag="voice")

        assert told.all("X-Ringback-Source *") == [CALLER], name
        assert ((await scene.caller.hear()).status, (await scene.voice.hear()).method) == (404, "ACK")


@pytest.mark.parametrize("side", ["caller", "callee"])
async def test_bye_from_either_side_goes_to_the_other(scene: Scene, side: str) -> None:
    mine, theirs = await scene.call()
    sender, leg = (scene.caller, mine) if side == "caller" else (scene.voice, theirs)

    assert (await scene.within(sender, leg, "BYE", 2)).method == "BYE"
    assert scene.overheard() == []


async def test_a_caller_who_gives_up_is_heard(scene: Scene) -> None:
    asked = invite(ADDRESS, scene.realm)
    await scene.caller.send(asked.request(scene.caller, "INVITE", 1, branch="given-up"), scene.at)
    rings = await scene.voice.hear()
    await scene.voice.answer(rings, 180, scene.at, tag="voice")
    assert (await scene.caller.hear()).status == 180

    await scene.caller.send(asked.request(scene.caller, "CANCEL", 1, branch="given-up"), scene.at)
    cancel = await scene.voice.hear()
    await scene.voice.answer(cancel, 200, scene.at, tag="voice")
    await scene.voice.answer(rings, 487, scene.at, tag="voice")

    assert cancel.method == "CANCEL"
    canceled, refusal = [await scene.caller.hear() for _ in range(2)]
    assert (canceled.status, refusal.status, (await scene.voice.hear()).method) == (200, 487, "ACK")
    refused = replace(asked, there=refusal.all("To")[0], routes=[f"<sip:{scene.at};lr>"])
    await scene.caller.send(refused.request(scene.caller, "ACK", 1, branch="given-up"), scene.at)
    await scene.after_all_that_was_sent(scene.caller)
    assert scene.overheard() == []


async def test_a_call_goes_on_after_a_restart_with_the_same_secret_alone(scene: Scene, edge: Edge) -> None:
    mine, _ = await scene.call()
    options = scene.kamailio.options
    folder = edge.world.server.home.parent / "restarted"
    other = replace(options, secret=new_secret(), sip_port=free_ports(1)[0])
    same = replace(options, sip_port=free_ports(1)[0])

    async def end_it(options: KamailioOptions, number: int) -> int:
        old = scene.at
        async with await Kamailio.start(scene.kamailio.program, options, folder) as again:
            routes = [route.replace(old, again.at) for route in mine.routes]
            text = mine.request(scene.caller, "BYE", number, routes=routes)
            await scene.caller.send(text, again.at)
            if options is same:
                await scene.voice.answer(await scene.voice.hear(), 200, again.at)
            return (await scene.caller.hear()).status

    assert [await end_it(other, 2), await end_it(same, 3)] == [481, 200]
    assert scene.overheard() == []


async def reinvite(party: Party, leg: Leg, body: str, at: str) -> tuple[int, int]:
    """The last answer to an INVITE within a call, and its CSeq. Two workers of the edge may let it overtake the ACK of
    the call's own INVITE: then it is 491, and a caller tries again (RFC 3261 14.1)."""
    status = 491
    for number in range(2, 22):
        branch = f"again-{number}"
        await party.send(leg.request(party, "INVITE", number, body=body, branch=branch), at)
        status = (await party.hear()).status
        await party.send(leg.request(party, "ACK", number, branch="" if status == 200 else branch), at)
        if status != 491:
            break
    return status, number


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
async def test_asterisk_and_a_caller_speak_within_a_call(edge: Edge, callee: Callee, protocol: str) -> None:
    one, address = callee
    host = "127.0.0.22" if protocol == "udp" else "127.0.0.23"
    trunk = await edge.create(f"speaks-{protocol}", "ip", allowed_ips=[host])
    at = edge.kamailio.at
    with Party.udp(host) if protocol == "udp" else await Party.tcp(host, at) as party:
        sdp = SDP.format(host=host, version=1)
        await party.send(invite(address, trunk["realm"]).request(party, "INVITE", 1, body=sdp), at)
        while (answer := await party.hear()).status < 200:
            pass
        assert answer.status == 200
        leg = caller_leg(answer)
        await party.send(leg.request(party, "ACK", 1), at)

        await edge.delete(trunk)
        again = SDP.format(host=host, version=2)
        status, number = await reinvite(party, leg, again, at)
        assert status == 200

        elsewhere = replace(leg, there=leg.there + "x")
        await party.send(elsewhere.request(party, "INVITE", number + 1, body=again), at)
        assert (await party.hear()).status == 481

        await one.hang_up()
        bye = await party.hear()
        await party.answer(bye, 200, at)
        assert (bye.method, bye.all("Call-ID")) == ("BYE", [leg.call_id])
        assert ((await one.next_call()).status, one.rang) == (200, 1)


@pytest.mark.parametrize("side", ["caller", "callee"])
async def test_whoever_hangs_up_ends_the_call_for_both(
    edge: Edge, phone: StartPhone, callee: Callee, side: str
) -> None:
    trunk = await edge.create(f"hangs-up-{side}", "basic", username="pbx01")
    one, address = callee
    pbx = await phone(as_phone(trunk, password=trunk["password"]), server=edge.kamailio.at)
    call = asyncio.create_task(pbx.call(address, talk=0.2 if side == "caller" else 30))

    if side == "callee":
        await one.answered()
        await one.hang_up()

    assert ((await call).status, (await one.next_call()).status, one.rang) == (200, 200, 1)


async def test_a_caller_who_gives_up_stops_the_ringing(edge: Edge, phone: StartPhone, tmp_path: Path) -> None:
    trunk = await edge.create("gives-up", "basic", username="pbx01")
    extension = await edge.world.create("1697", direct=True)
    account = Account(extension["extension"], extension["realm"], extension["password"], extension["username"])
    pbx = await phone(as_phone(trunk, password=trunk["password"]), server=edge.kamailio.at)
    rings = PhoneOptions("rings", edge.world.ports.phones_at, tmp_path, account=account, answer=180)

    async with await Phone.start(rings) as one:
        assert await one.register() == 200
        call = asyncio.create_task(pbx.call(f"sip:direct.{extension['direct_hash']}@sip.localhost"))

        async def is_ringing() -> int:
            await asyncio.sleep(0)
            return one.rang

        await until(is_ringing)
        await pbx.hang_up()

        assert ((await call).status, (await one.next_call()).status) == (487, 487)
