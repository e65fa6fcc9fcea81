"""A phone that would have others ring in its place: who has called it gets its refusal, and nobody else is asked."""

import asyncio
import re
import socket
from dataclasses import dataclass

import pytest

from tests.patience import ENOUGH

from .conftest import Edge, Extension, StartPhone, World
from .digest import Register, invited
from .party import SDP, Message, Party, callee_leg, end, invite

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

LIAR, ELSEWHERE = "127.0.0.81", "127.0.0.82"


@dataclass(frozen=True)
class Lying(Register):
    """A REGISTER of a phone that says of itself that it is at `contact`."""

    contact: str = ""

    def request(self, *said: object, **more: object) -> bytes:
        text = super().request(*said, **more).decode()  # type: ignore[arg-type]
        return re.sub(r"Contact: [^\r]*", lambda _: f"Contact: <{self.contact}>", text).encode()


async def at(world: World, extension: Extension, contact: str) -> None:
    """The phone registers, there, and is believed."""
    world.sql("UPDATE ps_endpoints SET rewrite_contact = 'no' WHERE id = ?", extension["endpoint_id"])
    lie = Lying(world.ports.phones_at, extension, source=LIAR, contact=contact)
    assert (await asyncio.to_thread(lie.run))[0] == 200


async def moved(party: Party, request: Message, contact: str, server: str) -> None:
    """The phone answers that it is to be called there."""
    kept = [f"{name}: {value}" for name in ("Via", "From", "Call-ID", "CSeq") for value in request.all(name)]
    lines = ["SIP/2.0 302 Moved", *kept, f"To: {request.all('To')[0]};tag=moved", f"Contact: <{contact}>", *end("")]
    await party.send("\r\n".join(lines), server)


def escaped(text: str) -> str:
    return text.replace("@", "%40").replace(":", "%3a")


@pytest.mark.parametrize("odd", [False, True], ids=["its contact", "a contact with a comma"])
async def test_whoever_answers_with_another_address_is_not_followed(world: World, phone: StartPhone, odd: bool) -> None:
    """Each way of Asterisk to name somebody: another customer's phone, any address by any endpoint, a number, a channel
    within Asterisk."""
    number = f"1751-{len(world.sql('SELECT 1 FROM registrar_extensions'))}"
    mine, other = await world.create(number), await world.create(f"{number}-1")
    theirs = await world.create(f"{number}-2", customer=world.other)
    caller, foreign = await phone(other), await phone(theirs)
    assert [await caller.register(), await foreign.register()] == [200, 200]

    with Party.udp(LIAR) as party, Party.udp(ELSEWHERE) as elsewhere:
        await at(world, mine, f"sip:x{',1' if odd else ''}@{party.at}")
        for user in (
            f"PJSIP/{escaped(theirs['endpoint_id'])}",
            f"PJSIP/edge/{escaped(elsewhere.uri)}",
            f"PJSIP/{escaped(mine['endpoint_id'])}/{escaped(elsewhere.uri)}",
            f"Local/{theirs['extension']}%40default",
            other["extension"],
        ):
            call = asyncio.create_task(caller.call(f"sip:{number}@{mine['realm']}"))
            await moved(party, await party.hear(), f"sip:{user}@h", world.ports.phones_at)
            assert (await call).status == 480
            assert "ACK" in party.heard()
        assert (foreign.rang, caller.rang, elsewhere.heard()) == (0, 0, [])


@pytest.mark.parametrize("where", ["asterisk", "edge"])
async def test_a_phone_that_is_at_its_own_address_rings_twice_and_no_more(
    edge: Edge, phone: StartPhone, where: str
) -> None:
    """It has registered as being at its direct address, here, by three names."""
    world = edge.world
    made = await world.create(f"1752-{where}", direct=True)
    address = f"sip:direct.{made['direct_hash']}@{world.ports.public_at if where == 'asterisk' else edge.kamailio.at}"
    for name in ("a", "b", "c"):
        await at(world, made, f"{address};way={name}")
    before, ways = await processed(world), len(await world.contacts(made, fresh=True))
    stranger = await phone()

    status = (await stranger.call(f"sip:direct.{made['direct_hash']}@sip.localhost")).status

    # The stranger's; each way once more as it goes out, and as it comes in; and each of those again.
    most = 1 + 2 * ways + 2 * ways * ways
    assert status == 480
    assert 1 + 2 * ways <= await processed(world) - before <= most


async def processed(world: World) -> int:
    """How many calls Asterisk has seen, one for each side."""
    found = re.search(r"(\d+) calls? processed", await world.asterisk.command("core show channels count"))
    assert found
    return int(found[1])


async def test_a_phone_is_rung_where_its_register_came_from_whatever_it_says(world: World, phone: StartPhone) -> None:
    mine, other = await world.create("1754"), await world.create("1754-1")
    theirs = await world.create("1754-2", customer=world.other)
    caller, foreign = await phone(other), await phone(theirs)
    assert [await caller.register(), await foreign.register()] == [200, 200]
    ((victim,),) = world.sql("SELECT uri FROM ps_contacts WHERE endpoint = ?", theirs["endpoint_id"])

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(ENOUGH)
        udp.bind((LIAR, 0))
        host, _, port = world.ports.phones_at.partition(":")
        udp.connect((host, int(port)))
        lie = Lying(world.ports.phones_at, mine, contact=victim.replace("^3B", ";"))
        assert (await asyncio.to_thread(lie.over, udp))[0] == 200
        call = asyncio.create_task(caller.call(f"sip:1754@{mine['realm']}"))
        await asyncio.to_thread(invited, udp)
        assert ((await call).status, foreign.rang) == (486, 0)


async def test_no_phone_transfers_a_call_or_takes_one_over(world: World, phone: StartPhone) -> None:
    """By REFER within a call, or by an INVITE in place of another call (RFC 3515, RFC 3891)."""
    mine, other = await world.create("1755", direct=True), await world.create("1755-1")
    theirs = await world.create("1755-2", customer=world.other)
    caller, foreign = await phone(other), await phone(theirs)
    assert [await caller.register(), await foreign.register()] == [200, 200]
    server = world.ports.phones_at

    with Party.udp(LIAR) as party, Party.udp(ELSEWHERE) as elsewhere:
        await at(world, mine, party.uri)
        call = asyncio.create_task(caller.call(f"sip:1755@{mine['realm']}", talk=30))
        asked = await party.hear()
        await party.answer(asked, 200, server, tag="taken", body=SDP.format(version=1, host=LIAR))
        assert (await party.hear()).method == "ACK"
        leg = callee_leg(asked, "taken")

        for number, to in enumerate((f"sip:{theirs['endpoint_id']}", f"sip:{other['endpoint_id']}", elsewhere.uri)):
            said = leg.request(party, "REFER", number + 1).replace("Max-Forwards", f"Refer-To: <{to}>\r\nMax-Forwards")
            await party.send(said, server)
        direct = invite(f"sip:direct.{mine['direct_hash']}@sip.localhost", "example.com")
        taking = f"Replaces: {leg.call_id};to-tag={asked.tag('From')};from-tag=taken\r\nMax-Forwards"
        said = direct.request(elsewhere, "INVITE", 1, body=SDP.format(version=1, host=ELSEWHERE))
        await elsewhere.send(said.replace("Max-Forwards", taking), world.ports.public_at)
        # A call like any other: the phone rings, and the one that it has goes on.
        rings = await party.hear()
        assert (rings.method, rings.all("Call-ID") == asked.all("Call-ID")) == ("INVITE", False)
        await party.answer(rings, 486, server, tag="busy")
        assert (await elsewhere.hear()).status == 486
        assert (await party.hear()).method == "ACK"

        await party.send(leg.request(party, "BYE", 9), server)
        answered = await party.hear()
        assert (answered.status, answered.all("CSeq")) == (200, ["9 BYE"])
        assert ((await call).status, foreign.rang, caller.rang) == (200, 0, 0)
        assert "INVITE" not in party.heard() + elsewhere.heard()
