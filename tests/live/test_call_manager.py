"""A real Asterisk that asks call-manager who rings: it rings whom the dialplan alone would, and goes on without it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from ringback.demo.ports import HOST, free_ports
from ringback.demo.programs import AsteriskProgram

from . import test_calls, test_directs
from .conftest import Extension, StartPhone, World, in_front, running, until
from .party import Party, invite

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]
test_a_contact_cannot_smuggle_in_another_customers_phone = (
    test_calls.test_a_contact_cannot_smuggle_in_another_customers_phone
)
test_a_frozen_customers_phones_ring_nobody_and_nobody_rings_them = (
    test_calls.test_a_frozen_customers_phones_ring_nobody_and_nobody_rings_them
)
test_a_number_is_looked_for_at_the_callers_customer_only = (
    test_calls.test_a_number_is_looked_for_at_the_callers_customer_only
)
test_every_number_that_the_alphabet_allows_can_be_called = (
    test_calls.test_every_number_that_the_alphabet_allows_can_be_called
)
test_two_extensions_hear_each_other = test_calls.test_two_extensions_hear_each_other
test_a_disabled_address_and_that_of_a_deleted_extension_are_refused = (
    test_directs.test_a_disabled_address_and_that_of_a_deleted_extension_are_refused
)
test_a_frozen_customers_address_is_refused_until_the_customer_is_active_again = (
    test_directs.test_a_frozen_customers_address_is_refused_until_the_customer_is_active_again
)
test_a_regenerated_hash_rings_at_once_and_the_one_before_is_refused = (
    test_directs.test_a_regenerated_hash_rings_at_once_and_the_one_before_is_refused
)
test_a_stranger_reaches_a_direct_address_in_any_letter_case = (
    test_directs.test_a_stranger_reaches_a_direct_address_in_any_letter_case
)
test_a_stranger_rings_no_number = test_directs.test_a_stranger_rings_no_number
test_an_unknown_hash_is_404_and_an_absent_phone_480 = test_directs.test_an_unknown_hash_is_404_and_an_absent_phone_480

GUESSER, OTHER = "127.0.0.41", "127.0.0.42"
AT_THE_EDGE, BESIDE = "127.0.0.45", "127.0.0.46"
LIMITED = (500, 503)
"""A proxy does not hand on a 503 (RFC 3261 16.7)."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    agi = f"{HOST}:{free_ports(1)[0]}"
    folder = tmp_path_factory.mktemp("asking")
    async with running(program, folder, agi_listen_address=agi, contact_poll_interval="0.1") as one:
        yield one
        assert [line for line in one.complaints() if "res_agi.c: " not in line] == []


@pytest.mark.contract("registrar R-40")
async def test_whoever_guesses_too_often_gets_503_and_others_are_served(world: World, phone: StartPhone) -> None:
    extension = await world.create("1401", direct=True)
    address = f"sip:direct.{extension['direct_hash']}@sip.localhost"
    callee, guesser, other = await phone(extension), await phone(bind=GUESSER), await phone(bind=OTHER)
    assert await callee.register() == 200

    guesses = [(await guesser.call(f"sip:direct.{number:012}@sip.localhost")).status for number in range(11)]

    assert guesses == [*[404] * 10, 503]
    assert (await guesser.call(address)).status == 503
    assert ((await other.call(address, talk=0.1)).status, callee.rang) == (200, 1)


@pytest.mark.contract("registrar R-40")
async def test_whoever_guesses_by_the_edge_is_told_from_others_there(
    world: World, phone: StartPhone, tmp_path: Path
) -> None:
    extension = await world.create("1405", direct=True)
    address = f"sip:direct.{extension['direct_hash']}@sip.localhost"
    async with in_front(world, tmp_path / "kamailio") as edge:
        at = edge.kamailio.at
        callee, guesser, other = await asyncio.gather(
            phone(extension), *(phone(extension, server=at, bind=host) for host in (AT_THE_EDGE, BESIDE))
        )
        assert await callee.register() == 200

        guesses = [(await guesser.call(f"sip:direct.{number:012}@sip.localhost")).status for number in range(11)]

        assert guesses[:10] == [404] * 10
        assert guesses[10] in LIMITED
        assert (await guesser.call(address)).status in LIMITED
        assert ((await other.call(address, talk=0.1)).status, callee.rang) == (200, 1)


async def test_phones_at_the_edge_are_asked_for_by_their_names(world: World, phone: StartPhone, tmp_path: Path) -> None:
    first, second = await asyncio.gather(world.create("1413"), world.create("1414", direct=True))
    async with in_front(world, tmp_path / "kamailio") as edge:
        one, two = await asyncio.gather(
            *(
                phone(extension, server=edge.kamailio.at, bind=host)
                for extension, host in ((first, "127.0.0.47"), (second, BESIDE))
            )
        )
        assert [await one.register(), await two.register()] == [200, 200]

        assert (await one.call(f"sip:1414@{second['realm']}", talk=0.1)).status == 200
        assert (await one.call(f"sip:direct.{second['direct_hash']}@sip.localhost", talk=0.1)).status == 200
        assert (await two.call(f"sip:1499@{second['realm']}")).status == 404
        assert two.rang == 2


async def test_a_line_end_in_the_callers_name_asks_for_nothing_else(world: World) -> None:
    extension = await world.create("1402", direct=True)
    address = f"sip:direct.{extension['direct_hash']}@sip.localhost"
    at = world.ports.public_at

    with Party.udp("127.0.0.43") as party:
        for user in ("x%0Aagi_arg_1: phone", "x%0A%0ASET VARIABLE ROUTE x", "x%0d%0ay"):
            said = invite(address, "example.com").request(party, "INVITE", 1)
            await party.send(said.replace("<sip:party@", f"<sip:{user.replace(' ', '%20')}@"), at)
            assert (await party.hear()).status in (404, 480)


async def test_a_call_manager_that_says_nothing_is_waited_for_a_while_and_cuts_no_call(
    world: World, phone: StartPhone
) -> None:
    """One call is asked for before and lasts longer than that; a caller gives up meanwhile."""
    one, two, three, four = await asyncio.gather(*(world.create(number) for number in ("1410", "1411", "1412", "1415")))
    caller, callee, impatient, late = await asyncio.gather(*map(phone, (one, two, three, four)))
    assert [await each.register() for each in (caller, callee, impatient, late)] == [200] * 4
    address = f"sip:1411@{two['realm']}"
    lasting = asyncio.create_task(caller.call(address, talk=60))
    await callee.answered()

    async def asks() -> bool:
        return any("!AGI!" in channel for channel in await channels(world, three))

    async def is_gone() -> bool:
        return not await channels(world, three)

    os.kill(world.server.pid, signal.SIGSTOP)
    try:
        given_up = asyncio.create_task(impatient.call(address))
        made = asyncio.create_task(late.call(address, talk=0.1))
        await until(asks)
        await impatient.hang_up()
        assert (await given_up).status == 487
        await until(is_gone)
        assert (await made).status == 200
        assert not lasting.done()
        await caller.hang_up()
        assert ((await lasting).status, callee.rang) == (200, 2)
    finally:
        os.kill(world.server.pid, signal.SIGCONT)


async def channels(world: World, extension: Extension) -> list[str]:
    """What Asterisk says of each call of a phone."""
    said = await world.asterisk.command("core show channels concise")
    return [line for line in said.splitlines() if line.startswith(f"PJSIP/{extension['endpoint_id']}-")]


async def test_calls_go_on_while_ringback_is_away(world: World, phone: StartPhone) -> None:
    one, two = await world.create("1403", direct=True), await world.create("1404")
    caller, callee, stranger = await phone(one), await phone(two), await phone()
    assert [await caller.register(), await callee.register()] == [200, 200]
    inside, direct = f"sip:1404@{two['realm']}", f"sip:direct.{one['direct_hash']}@sip.localhost"

    await world.server.stop()

    assert (await caller.call(inside, talk=0.1)).status == 200
    assert (await stranger.call(direct, talk=0.1)).status == 200
    assert (await stranger.call("sip:direct.000000000000@sip.localhost")).status == 404
