"""Direct addresses: anybody may ring them, and nothing else."""

import asyncio

import pytest

from ringback.registrar.realms.model import Status

from .conftest import Extension, StartPhone, World

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

PURE = 0.9  # a recording that is nothing but that tone


def address(extension: Extension) -> str:
    """`sip:direct.<hash>@sip.localhost`"""
    assert extension["direct_hash"]
    return f"sip:direct.{extension['direct_hash']}@sip.localhost"


@pytest.mark.contract("registrar R-36, R-42")
async def test_a_stranger_reaches_a_direct_address_in_any_letter_case(world: World, phone: StartPhone) -> None:
    extension = await world.create("1301", direct=True)
    callee, stranger = await asyncio.gather(phone(extension, tone=660), phone(tone=1000))
    assert await callee.register() == 200

    made = await stranger.call(f"sip:Direct.{extension['direct_hash'].upper()}@sip.localhost")
    taken = await callee.next_call()

    assert made.status == 200
    assert (made.heard(660) > PURE, taken.heard(1000) > PURE) == (True, True)


@pytest.mark.contract("registrar R-39")
async def test_an_unknown_hash_is_404_and_an_absent_phone_480(world: World, phone: StartPhone) -> None:
    extension = await world.create("1302", direct=True)
    live = extension["direct_hash"]
    stranger = await phone()

    asked = (live, "0" * 12, f"{live}.", live[:-1], "'or'1'='1", "")
    statuses = [(await stranger.call(f"sip:direct.{text}@sip.localhost")).status for text in asked]

    assert statuses == [480, 404, 404, 404, 404, 404]


@pytest.mark.contract("registrar R-37")
async def test_a_regenerated_hash_rings_at_once_and_the_one_before_is_refused(world: World, phone: StartPhone) -> None:
    extension = await world.create("1303", direct=True)
    callee, stranger = await asyncio.gather(phone(extension), phone())
    assert await callee.register() == 200
    assert (await stranger.call(address(extension), talk=0.1)).status == 200

    again = await world.change(extension, direct_regenerate=True)

    assert (await stranger.call(address(extension))).status == 404
    assert (await stranger.call(address(again), talk=0.1)).status == 200


@pytest.mark.contract("registrar R-33, R-25")
async def test_a_disabled_address_and_that_of_a_deleted_extension_are_refused(world: World, phone: StartPhone) -> None:
    off, gone = await asyncio.gather(world.create("1304", direct=True), world.create("1305", direct=True))
    one, two, stranger = await asyncio.gather(phone(off), phone(gone), phone())
    assert [await one.register(), await two.register()] == [200, 200]

    await world.change(off, direct=False)
    await world.delete(gone)

    assert [(await stranger.call(address(extension))).status for extension in (off, gone)] == [404, 404]
    again = await world.change(off, direct=True)
    assert (await stranger.call(address(again), talk=0.1)).status == 200
    assert (one.rang, two.rang) == (1, 0)


async def test_a_frozen_customers_address_is_refused_until_the_customer_is_active_again(
    world: World, phone: StartPhone
) -> None:
    extension = await world.create("1306", customer=world.other, direct=True)
    callee, stranger = await asyncio.gather(phone(extension), phone())
    assert await callee.register() == 200

    await world.set_status(world.other, Status.FROZEN)
    try:
        frozen = (await stranger.call(address(extension))).status
    finally:
        await world.set_status(world.other, Status.ACTIVE)

    assert frozen == 403
    assert (await stranger.call(address(extension), talk=0.1)).status == 200


async def test_a_stranger_rings_no_number(world: World, phone: StartPhone) -> None:
    extension = await world.create("1307")
    callee, public, private = await asyncio.gather(phone(extension), phone(), phone(server=world.ports.phones_at))
    assert await callee.register() == 200
    realm = extension["realm"]

    for uri in (f"sip:1307@{realm}", "sip:1307@127.0.0.1", "sip:s@sip.localhost", f"sip:1307%40{realm}@sip.localhost"):
        assert (await public.call(uri)).status == 404
        assert (await private.call(uri)).status == 401
    assert callee.rang == 0


async def test_the_public_port_tells_nobody_which_numbers_exist(world: World, phone: StartPhone) -> None:
    extension = await world.create("1308")
    nobody = {**extension, "extension": "9999", "username": "9999"}
    known, unknown = await asyncio.gather(
        phone(extension, server=world.ports.public_at), phone(nobody, server=world.ports.public_at)
    )

    assert await known.register() == await unknown.register()
    asked = f"sip:1308@{extension['realm']}"
    assert (await known.call(asked)).status == (await unknown.call(asked)).status == 404
