"""Phones call out by their customer's trunk: a real Asterisk, a real edge, and a carrier that is a softphone."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any

import pytest

from ringback.demo.phone import Phone
from ringback.demo.ports import HOST
from ringback.registrar.realms.model import Status

from .conftest import Edge, StartPhone, as_phone, until
from .party import SDP, Message, Party, callee_leg, invite

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

PURE = 0.8  # a recording that is hardly anything but that tone
NUMBER = "+493012345"
TO = f"sip:{NUMBER}@sip.localhost"


@asynccontextmanager
async def way_out(edge: Edge, name: str, **more: Any) -> AsyncIterator[Mapping[str, Any]]:
    """The trunk that phones of this world's customer call out by, while inside."""
    trunk = await edge.create(name, "basic", username="pbx01", outbound=True, **more)
    try:
        yield trunk
    finally:
        await edge.delete(trunk)


async def carrier(edge: Edge, trunk: Mapping[str, Any], phone: StartPhone, **more: Any) -> Phone:
    """A softphone that has registered as that trunk."""
    one = await phone(as_phone(trunk, password=trunk["password"]), server=edge.kamailio.at, **more)
    assert await one.register() == 200
    return one


async def registered(edge: Edge, number: str, phone: StartPhone, **more: Any) -> Phone:
    """A phone of the customer."""
    one = await phone(await edge.world.create(number), **more)
    assert await one.register() == 200
    return one


async def test_a_phone_calls_out_by_its_customers_trunk_and_both_hear_each_other(edge: Edge, phone: StartPhone) -> None:
    one = await registered(edge, "1811", phone, tone=660)
    async with way_out(edge, "out-talk") as trunk:
        pbx = await carrier(edge, trunk, phone, tone=1000)

        made = await one.call(TO)
        taken = await pbx.next_call()

        assert (made.status, made.heard(1000) > PURE, taken.heard(660) > PURE) == (200, True, True)
        await edge.change(trunk, outbound=False)
        assert ((await one.call(TO)).status, pbx.rang) == (404, 1)
        await edge.change(trunk, outbound=True)
        assert (await one.call("sip:110@sip.localhost", talk=0.1)).status == 200
    assert ((await one.call(TO)).status, pbx.rang) == (404, 2)


async def test_what_is_an_extension_or_no_telephone_number_never_goes_out(edge: Edge, phone: StartPhone) -> None:
    one, two = await asyncio.gather(registered(edge, "1812", phone), registered(edge, "1813", phone))
    async with way_out(edge, "out-not") as trunk:
        pbx = await carrier(edge, trunk, phone)
        wrong = [
            "1", "+1", "1" * 33, "1" * 41, "+49%2b30", "49-30", "30.", "alice", "12%27", "12%22", "12,30", "12%2C30",
            "12%26PJSIP%2f1813", "12;30", "12%3b30", "12%7c30", "12%20", "12%0d%0aX:1", "12%40example.com",
            "%24%7bEXTEN%7d",
        ]  # fmt: skip

        statuses = [(await one.call(f"sip:{user}@sip.localhost")).status for user in wrong]

        assert {*statuses} <= {404, 400}, statuses
        assert (await one.call("sip:1813@sip.localhost", talk=0.1)).status == 200
        assert (pbx.rang, two.rang) == (0, 1)


async def test_nobody_but_a_phone_of_that_customer_calls_out(edge: Edge, phone: StartPhone) -> None:
    world = edge.world
    theirs, stranger = await asyncio.gather(phone(await world.create("1814", customer=world.other)), phone())
    assert await theirs.register() == 200
    async with way_out(edge, "out-whose") as trunk:
        pbx = await carrier(edge, trunk, phone)
        other = await edge.create("out-from", "basic", username="pbx01")
        incoming = await phone(as_phone(other, password=other["password"]), server=edge.kamailio.at)

        assert (await theirs.call(TO)).status == 404
        assert (await stranger.call(TO)).status == 404
        assert [(await one.call(TO)).status for one in (pbx, incoming)] == [404, 404]
        assert pbx.rang == 0


async def test_a_frozen_customer_calls_nobody_and_a_trunk_that_is_nowhere_is_480(edge: Edge, phone: StartPhone) -> None:
    world = edge.world
    one = await phone(await world.create("1815", customer=world.other))
    assert await one.register() == 200
    async with way_out(edge, "out-frozen", customer_id=str(world.other)):
        assert (await one.call(TO)).status == 480
        await world.set_status(world.other, Status.FROZEN)
        try:
            assert (await one.call(TO)).status == 403
        finally:
            await world.set_status(world.other, Status.ACTIVE)


@pytest.mark.parametrize(("said", "told"), [(486, 486), (404, 404), (480, 480), (503, 503), (603, 403), (302, 480)])
async def test_a_phone_hears_why_the_carrier_refuses(edge: Edge, phone: StartPhone, said: int, told: int) -> None:
    one = await registered(edge, f"1816{said}", phone)
    async with way_out(edge, f"out-says-{said}") as trunk:
        pbx = await carrier(edge, trunk, phone, answer=said)

        assert ((await one.call(TO)).status, pbx.rang) == (told, 1)


async def test_a_phone_that_gives_up_stops_the_ringing(edge: Edge, phone: StartPhone) -> None:
    one = await registered(edge, "1817", phone)
    async with way_out(edge, "out-gives-up") as trunk:
        pbx = await carrier(edge, trunk, phone, answer=180)
        call = asyncio.create_task(one.call(TO))

        async def is_ringing() -> int:
            await asyncio.sleep(0)
            return pbx.rang

        await until(is_ringing)
        await one.hang_up()

        assert ((await call).status, (await pbx.next_call()).status) == (487, 487)


@pytest.mark.parametrize("side", ["caller", "callee"])
async def test_whoever_hangs_up_ends_the_call_for_both(edge: Edge, phone: StartPhone, side: str) -> None:
    one = await registered(edge, f"1818-{side}", phone)
    async with way_out(edge, f"out-hangs-{side}") as trunk:
        pbx = await carrier(edge, trunk, phone)
        call = asyncio.create_task(one.call(TO, talk=0.2 if side == "caller" else 30))

        if side == "callee":
            await pbx.answered()
            await pbx.hang_up()

        assert ((await call).status, (await pbx.next_call()).status, pbx.rang) == (200, 200, 1)


@dataclass(frozen=True, slots=True)
class Wire:
    """A carrier and a phone that say what a test says, and the phone's extension."""

    edge: Edge
    carrier: Party
    phone: Party
    extension: Mapping[str, Any]

    async def dial(self, name: str) -> Message:
        """The INVITE that the carrier gets when the phone, which calls itself so, calls out."""
        number, realm = self.extension["extension"], self.extension["realm"]
        leg = replace(invite(TO, realm), here=f"{name} <sip:{number}@{realm}>;tag={token_hex(4)}")
        server = self.edge.world.ports.phones_at
        first = leg.request(self.phone, "INVITE", 1, body=SDP.format(host=HOST, version=1), branch="first")
        await self.phone.send(first, server)
        challenge = await self.phone.hear()
        refused = replace(leg, there=challenge.all("To")[0])
        await self.phone.send(refused.request(self.phone, "ACK", 1, branch="first"), server)
        proof = self.proof(challenge.all("WWW-Authenticate")[0])
        again = leg.request(self.phone, "INVITE", 2, body=SDP.format(host=HOST, version=1))
        await self.phone.send(again.replace("Max-Forwards", f"Authorization: Digest {proof}\r\nMax-Forwards"), server)
        return await self.carrier.hear()

    def proof(self, challenge: str) -> str:
        said = dict(re.findall(r'(\w+)="?([^",]+)', challenge))
        realm, nonce, opaque, name = said["realm"], said["nonce"], said["opaque"], self.extension["username"]
        secret = md5(f"{name}:{realm}:{self.extension['password']}")
        answer = md5(f"{secret}:{nonce}:00000001:abc:auth:{md5(f'INVITE:{TO}')}")
        return (
            f'username="{name}", realm="{realm}", nonce="{nonce}", uri="{TO}", response="{answer}", cnonce="abc",'
            f' algorithm=MD5, qop=auth, nc=00000001, opaque="{opaque}"'
        )


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@asynccontextmanager
async def by_hand(edge: Edge, number: str) -> AsyncIterator[Wire]:
    extension = await edge.world.create(number)
    with Party.udp(f"127.0.{number[:2]}.{number[2:]}") as party, Party.udp() as caller:
        trunk = await edge.create(f"by-hand-{number}", "ip", allowed_ips=[party.at.split(":")[0]], outbound=True)
        await party.send(registering(party, trunk["realm"]), edge.kamailio.at)
        assert (await party.hear()).status == 200
        try:
            yield Wire(edge, party, caller, extension)
        finally:
            await edge.delete(trunk)


@pytest.mark.parametrize(
    ("number", "name", "shown"),
    [
        ("1861", '"Front desk 2.-"', "Front desk 2.-"),
        ("1862", '"x&PJSIP/1813,30;<sip:a@b>${SHELL(id)}"', "xPJSIP181330sipabSHELLid"),
        ("1863", "", None),
    ],
)
async def test_a_carrier_sees_the_extension_and_a_plain_name(
    edge: Edge, number: str, name: str, shown: str | None
) -> None:
    async with by_hand(edge, number) as wire:
        asked = await wire.dial(name)

        await wire.carrier.answer(asked, 486, edge.kamailio.at, tag="busy")
        assert (await wire.carrier.hear()).method == "ACK"
        assert asked.text.startswith(f"INVITE sip:{NUMBER}@{wire.carrier.at} ")
        seen = asked.all("From")[0]
        assert f"<sip:{wire.extension['extension']}@" in seen
        assert seen.startswith("<sip:" if shown is None else f'"{shown}" <sip:'), seen
        assert "X-Ringback" not in asked.text


async def test_a_carrier_transfers_no_call(edge: Edge, phone: StartPhone) -> None:
    bystander = await registered(edge, "1864", phone)
    async with by_hand(edge, "1865") as wire:
        at = edge.kamailio.at
        asked = await wire.dial('"x"')
        await wire.carrier.answer(asked, 200, at, tag="carrier", body=SDP.format(host=HOST, version=1))
        while (await wire.carrier.hear()).method != "ACK":
            pass
        leg = callee_leg(asked, "carrier")

        for number, uri in ((1, "sip:1864@sip.localhost"), (2, f"sip:{NUMBER}0@sip.localhost")):
            refer = leg.request(wire.carrier, "REFER", number)
            await wire.carrier.send(refer.replace("Max-Forwards", f"Refer-To: <{uri}>\r\nMax-Forwards"), at)
        await wire.carrier.send(leg.request(wire.carrier, "BYE", 3), at)

        while "3 BYE" not in (answer := await wire.carrier.hear()).all("CSeq"):
            assert answer.status >= 400, answer
        assert answer.status == 200
        assert (bystander.rang, "INVITE" in wire.carrier.heard()) == (0, False)


def registering(party: Party, realm: str) -> str:
    lines = [
        f"REGISTER sip:{realm} SIP/2.0",
        f"Via: SIP/2.0/UDP {party.at};branch=z9hG4bK-{realm};rport",
        f"From: <sip:pbx@{realm}>;tag=1",
        f"To: <sip:pbx@{realm}>",
        f"Call-ID: {realm}",
        "CSeq: 1 REGISTER",
        f"Contact: <{party.uri}>",
        "Max-Forwards: 70",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""])
