"""A real edge that the world knows by another address: everybody is told that one, and Asterisk the real one."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from ringback.demo.kamailio import Kamailio
from ringback.demo.ports import free_ports

from .conftest import Edge
from .party import Leg, Message, Party, callee_leg, caller_leg, invite, uri_of

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

OUTSIDE = "198.51.100.7"
"""RFC 5737: what the world knows the edge by."""
CALLER, VOICE = "127.0.0.91", "127.0.0.92"
ADDRESS = "sip:direct.000000000000@sip.localhost"


@dataclass(frozen=True, slots=True)
class Scene:
    """An edge behind NAT, an Asterisk inside and a trunk outside; each sends to the port that it knows."""

    kamailio: Kamailio
    realm: str
    voice: Party
    caller: Party

    def at(self, party: Party) -> str:
        return self.kamailio.options.inner_at if party is self.voice else self.kamailio.at

    async def bye(self, sender: Party, leg: Leg) -> None:
        """From either side, by the way that the first INVITE has shown."""
        other = self.voice if sender is self.caller else self.caller
        await sender.send(leg.request(sender, "BYE", 2), self.at(sender))
        got = await other.hear()
        assert got.method == "BYE"
        assert via(got) == (self.told if other is self.caller else self.at(self.voice))
        await other.answer(got, 200, self.at(other))
        assert (await sender.hear()).status == 200

    @property
    def told(self) -> str:
        """What the world is told of it."""
        return f"{OUTSIDE}:{self.kamailio.options.sip_port}"


def via(message: Message) -> str:
    """The address that the last one who sent it on has given."""
    return message.all("Via")[0].split()[1].partition(";")[0]


def routes(message: Message) -> list[str]:
    """Host and port of each Record-Route."""
    values = [value for line in message.all("Record-Route") for value in line.split(",")]
    return [uri_of(value).partition(";")[0].removeprefix("sip:") for value in values]


@pytest_asyncio.fixture(loop_scope="session")
async def scene(edge: Edge, tmp_path: Path) -> AsyncIterator[Scene]:
    number = len(edge.world.sql("SELECT 1 FROM registrar_trunks"))
    trunk = await edge.create(f"outside-{number}", "ip", allowed_ips=[CALLER])
    port, inner = free_ports(2)
    async with AsyncExitStack() as stack:
        caller, voice = (stack.enter_context(Party.udp(host)) for host in (CALLER, VOICE))
        options = replace(
            edge.kamailio.options, asterisks=(voice.at,), sip_port=port, external_address=OUTSIDE, inner_port=inner
        )
        started = await Kamailio.start(edge.kamailio.program, options, tmp_path / "kamailio")
        kamailio = await stack.enter_async_context(started)
        yield Scene(kamailio, trunk["realm"], voice, caller)
        assert kamailio.problems() == []


@pytest.mark.parametrize("side", ["caller", "voice"])
async def test_a_call_in_tells_each_side_the_address_that_it_can_reach(scene: Scene, side: str) -> None:
    await scene.caller.send(invite(ADDRESS, scene.realm).request(scene.caller, "INVITE", 1), scene.at(scene.caller))
    asked = await scene.voice.hear()
    await scene.voice.answer(asked, 200, scene.at(scene.voice), tag="voice")
    answer = await scene.caller.hear()

    assert via(asked) == scene.at(scene.voice)
    assert routes(asked) == [scene.at(scene.voice), scene.told]
    mine, theirs = caller_leg(answer), callee_leg(asked, "voice")
    await scene.caller.send(mine.request(scene.caller, "ACK", 1), scene.at(scene.caller))
    assert (await scene.voice.hear()).method == "ACK"
    await scene.bye(*((scene.caller, mine) if side == "caller" else (scene.voice, theirs)))


@pytest.mark.parametrize("side", ["caller", "voice"])
async def test_a_call_out_leaves_by_the_port_that_the_world_knows(scene: Scene, side: str) -> None:
    register = replace(invite(f"sip:{scene.realm}", scene.realm), there=f"<sip:trunk@{scene.realm}>")
    await scene.caller.send(register.request(scene.caller, "REGISTER", 1), scene.at(scene.caller))
    assert (await scene.caller.hear()).status == 200

    out = invite(f"sip:+15550100@{scene.realm}", "asterisk.localhost")
    await scene.voice.send(out.request(scene.voice, "INVITE", 1), scene.at(scene.voice))
    asked = await scene.caller.hear()
    await scene.caller.answer(asked, 200, scene.at(scene.caller), tag="trunk")
    answer = await scene.voice.hear()

    assert via(asked) == scene.told
    assert routes(asked) == [scene.told, scene.at(scene.voice)]
    ours, theirs = caller_leg(answer), callee_leg(asked, "trunk")
    await scene.voice.send(ours.request(scene.voice, "ACK", 1), scene.at(scene.voice))
    assert (await scene.caller.hear()).method == "ACK"
    await scene.bye(*((scene.voice, ours) if side == "voice" else (scene.caller, theirs)))
