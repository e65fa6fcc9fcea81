"""Calls of trunks through the edge: they ring extensions of their own customer, and nobody else's."""

import asyncio

import pytest

from ringback.registrar.realms.model import Status

from .conftest import Edge, StartPhone, as_phone
from .party import Message, Party, invite

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

PURE = 0.8  # a recording that is hardly anything but that tone
CARRIER, THIEF = "127.0.0.51", "127.0.0.52"


async def test_a_trunk_rings_a_number_of_its_customer_by_digest_and_by_address(edge: Edge, phone: StartPhone) -> None:
    one = await edge.world.create("1501")
    callee = await phone(one, tone=660)
    assert await callee.register() == 200
    digest = await edge.create("in-digest", "basic", username="pbx01")
    address = await edge.create("in-address", "ip", allowed_ips=[CARRIER])
    pbx, carrier = await asyncio.gather(
        phone(as_phone(digest, password=digest["password"]), tone=1000, server=edge.kamailio.at),
        phone(server=edge.kamailio.at, bind=CARRIER),
    )

    made = await pbx.call("sip:1501@sip.localhost")
    taken = await callee.next_call()
    again = await carrier.call(f"sip:1501@{address['realm']}", talk=0.1)

    assert (made.status, made.heard(660) > PURE, taken.heard(1000) > PURE) == (200, True, True)
    assert (again.status, callee.rang) == (200, 2)


async def test_two_customers_have_the_same_number_and_each_trunk_rings_its_own(edge: Edge, phone: StartPhone) -> None:
    world = edge.world
    ours, theirs = await world.create("1502"), await world.create("1502", customer=world.other)
    one, two = await asyncio.gather(phone(ours), phone(theirs))
    assert [await one.register(), await two.register()] == [200, 200]
    trunk = await edge.create("in-other", "ip", allowed_ips=[CARRIER], customer_id=str(world.other))
    carrier = await phone(server=edge.kamailio.at, bind=CARRIER)

    assert (await carrier.call(f"sip:1502@{trunk['realm']}", talk=0.1)).status == 200
    assert (one.rang, two.rang) == (0, 1)


async def test_what_a_trunk_cannot_ring_is_refused_by_the_right_code(edge: Edge, phone: StartPhone) -> None:
    world = edge.world
    absent, theirs = await world.create("1503", customer=world.other), await world.create("1504")
    trunk = await edge.create("in-refused", "ip", allowed_ips=[CARRIER], customer_id=str(world.other))
    carrier, ours = await asyncio.gather(phone(server=edge.kamailio.at, bind=CARRIER), phone(theirs))
    assert await ours.register() == 200

    async def status(user: str) -> int:
        return (await carrier.call(f"sip:{user}@{trunk['realm']}")).status

    users = (
        "1503",
        "1599",
        "1504",
        f"1504%40{theirs['realm']}",
        "150%27",
        "%27or%271",
        "h",
        f"1503%40{absent['realm']}",
    )
    assert [await status(user) for user in users] == [480, *[404] * 7]
    await world.set_status(world.other, Status.FROZEN)
    try:
        assert await status("1503") == 403
    finally:
        await world.set_status(world.other, Status.ACTIVE)
    assert ours.rang == 0


async def final(party: Party) -> Message:
    """The first answer that is no ringing."""
    while (answer := await party.hear()).status < 200:
        pass
    return answer


async def test_nobody_but_the_edge_says_whose_trunk_calls(edge: Edge, phone: StartPhone) -> None:
    world = edge.world
    ours = await world.create("1505")
    one = await phone(ours)
    assert await one.register() == 200
    trunk = await edge.create("in-claimed", "ip", allowed_ips=[CARRIER])
    other = await edge.create("in-thief", "ip", allowed_ips=[THIEF], customer_id=str(world.other))
    claims = [f"{name}: {trunk['realm']}\r\n" for name in ("X-Ringback-Trunk", "x-ringback-trunk", "X-RINGBACK-TRUNK ")]

    with Party.udp(THIEF) as thief:
        for claim in (claims[0] * 2, *claims):
            for server in (edge.kamailio.at, world.ports.public_at):
                asked = invite("sip:1505@sip.localhost", other["realm"]).request(thief, "INVITE", 1)
                await thief.send(asked.replace("Max-Forwards", claim + "Max-Forwards"), server)
                assert (await final(thief)).status in (400, 404), (claim, server)
    assert one.rang == 0
