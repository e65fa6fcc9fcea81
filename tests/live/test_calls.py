"""Who rings whom: extension to extension, never beyond the customer."""

import asyncio

import pytest

from ringback.registrar.realms.model import Status

from .conftest import StartPhone, World

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

PURE = 0.9  # a recording that is nothing but that tone


async def test_two_extensions_hear_each_other(world: World, phone: StartPhone) -> None:
    one, two = await asyncio.gather(world.create("1201"), world.create("1202"))
    caller, callee = await asyncio.gather(phone(one, tone=440), phone(two, tone=660))
    assert [await caller.register(), await callee.register()] == [200, 200]

    made = await caller.call(f"sip:1202@{two['realm']}")
    taken = await callee.next_call()

    assert made.status == 200
    assert min(made.sent, made.received, taken.sent, taken.received) > 10
    assert (made.heard(660) > PURE, taken.heard(440) > PURE) == (True, True)
    assert made.heard(440) < 0.1  # not an echo of its own


async def test_a_number_is_looked_for_at_the_callers_customer_only(world: World, phone: StartPhone) -> None:
    one, _, theirs = await asyncio.gather(
        world.create("1208"), world.create("1209"), world.create("2001", customer=world.other)
    )
    caller, foreign = await asyncio.gather(phone(one), phone(theirs))
    assert [await caller.register(), await foreign.register()] == [200, 200]
    ours, other = one["realm"], theirs["realm"]

    for uri in (f"sip:2001@{other}", f"sip:2001@{ours}", f"sip:2001%40{other}@{ours}", f"sip:1209%22@{ours}"):
        assert (await caller.call(uri)).status == 404
    assert (await caller.call(f"sip:1209@{ours}")).status == 480
    assert foreign.rang == 0


async def test_a_frozen_customers_phones_ring_nobody_and_nobody_rings_them(world: World, phone: StartPhone) -> None:
    one, two, ours = await asyncio.gather(
        world.create("1221", customer=world.other, direct=True),
        world.create("1222", customer=world.other),
        world.create("1223", direct=True),
    )
    caller, callee, foreign = await asyncio.gather(phone(one), phone(two), phone(ours))
    assert [await each.register() for each in (caller, callee, foreign)] == [200, 200, 200]
    direct, theirs = (f"sip:direct.{extension['direct_hash']}@sip.localhost" for extension in (ours, one))
    inside, nobody = (f"sip:{number}@{two['realm']}" for number in ("1222", "1229"))

    await world.set_status(world.other, Status.FROZEN)
    try:
        assert [(await caller.call(uri)).status for uri in (inside, direct, nobody)] == [403, 403, 404]
        assert (await foreign.call(theirs)).status == 403
    finally:
        await world.set_status(world.other, Status.ACTIVE)
    assert (caller.rang, callee.rang, foreign.rang) == (0, 0, 0)

    assert [(await caller.call(uri, talk=0.1)).status for uri in (inside, direct)] == [200, 200]
    assert (await foreign.call(theirs, talk=0.1)).status == 200


async def test_every_number_that_the_alphabet_allows_can_be_called(world: World, phone: StartPhone) -> None:
    numbers = ("h", "s", "i", "10-01", "-5", "+4930", "a.b", ".x", "x_y", "AbC")
    extension, *_ = await asyncio.gather(*(world.create(number) for number in ("1214", *numbers)))
    caller = await phone(extension)
    assert await caller.register() == 200
    realm = extension["realm"]

    assert [(await caller.call(f"sip:{number}@{realm}")).status for number in numbers] == [480] * len(numbers)
    assert [(await caller.call(f"sip:{number}@{realm}")).status for number in ("abc", "1001")] == [404] * 2


@pytest.mark.parametrize(
    ("number", "uri"),
    [
        ("smuggler1", "sip:x&PJSIP/2002@{other}"),
        ("smuggler2", "sip:&PJSIP/smuggler2@{ours}/sip:x&PJSIP/2002@{other}"),
        ("smuggler3", "sip:PJSIP/smuggler3@{ours}/&PJSIP/2002@{other}"),
        ("smuggler4", "sip:x,1,F(default^2002^1)&PJSIP/2002@{other}"),
    ],
)
async def test_a_contact_cannot_smuggle_in_another_customers_phone(
    world: World, phone: StartPhone, number: str, uri: str
) -> None:
    one, mine, theirs = await asyncio.gather(
        world.create(number),
        world.create(f"12-{number}"),
        world.create(f"20-{number}", customer=world.other),
    )
    told = uri.replace("2002", theirs["extension"]).format(ours=one["realm"], other=theirs["realm"])
    world.sql(
        "INSERT INTO ps_contacts (id, uri, expiration_time, endpoint) VALUES (?, ?, 4000000000, ?)",
        f"{one['endpoint_id']}^3B@0", told, one["endpoint_id"],
    )  # fmt: skip
    caller, foreign = await asyncio.gather(phone(mine), phone(theirs))
    assert [await caller.register(), await foreign.register()] == [200, 200]

    assert (await caller.call(f"sip:{number}@{one['realm']}")).status >= 400
    assert foreign.rang == 0
