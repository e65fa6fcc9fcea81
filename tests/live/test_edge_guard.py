"""A real edge and those who send too much, or try passwords: they are held back, and nobody else is."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from ringback.demo.kamailio import Kamailio
from ringback.demo.ports import free_ports
from ringback.sip.kamailio_guard import FLOOD, WRONG
from tests.patience import ENOUGH

from .conftest import Edge, Trunk, as_phone
from .digest import Register
from .party import Party, invite

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

NOISY, QUIET, GUESSER, OWNER, CARRIER = (f"127.0.0.{number}" for number in range(81, 86))
BURST = FLOOD // 4
MOST = 3 * FLOOD
"""Requests that are answered at the most before a flood is seen."""


@pytest_asyncio.fixture(loop_scope="session")
async def guarded(edge: Edge, tmp_path: Path) -> AsyncIterator[Edge]:
    """An edge that remembers nothing yet."""
    options = replace(edge.kamailio.options, sip_port=free_ports(1)[0])
    async with await Kamailio.start(edge.kamailio.program, options, tmp_path / "kamailio") as kamailio:
        yield Edge(edge.world, kamailio)
        assert [line for line in kamailio.problems() if "PIKE" not in line] == []


def answered(host: str, at: str, most: int, patience: float = ENOUGH) -> int:
    """How many OPTIONS from there have an answer before one has none for so many seconds. They come in bursts, so that
    they are many a second on a slow machine as well."""
    there, port = at.split(":")
    count = 0
    with Party.udp(host) as party, party.socket as line, suppress(TimeoutError):
        line.settimeout(patience)
        line.connect((there, int(port)))
        while count < most:
            burst = range(min(BURST, most - count))
            for _ in burst:
                line.send(invite(f"sip:{at}", "anybody").request(party, "OPTIONS", 1).encode())
            for _ in burst:
                line.recv(65535)
                count += 1
    return count


def tries(at: str, trunk: Trunk, source: str, count: int) -> list[int]:
    """The answers to that many REGISTERs, each with its own challenge."""
    who = as_phone(trunk, password=trunk["password"])
    return [Register(at, who, source=source).run()[0] for _ in range(count)]


async def test_a_flood_is_not_heard_and_everybody_else_is(guarded: Edge) -> None:
    trunk = await guarded.create("flooded", "ip", allowed_ips=[CARRIER])

    heard = await asyncio.to_thread(answered, NOISY, guarded.kamailio.at, 2 * MOST, 1.0)

    assert heard < MOST
    assert await asyncio.to_thread(answered, QUIET, guarded.kamailio.at, 5) == 5
    assert await guarded.register(trunk, source=CARRIER) == (200, [])


async def test_who_has_proved_who_they_are_may_send_as_much_as_they_like(guarded: Edge) -> None:
    trunk = await guarded.create("busy", "ip", allowed_ips=[CARRIER])
    assert await guarded.register(trunk, source=CARRIER) == (200, [])

    assert await asyncio.to_thread(answered, CARRIER, guarded.kamailio.at, MOST) == MOST


@pytest.mark.parametrize("known", [True, False])
async def test_who_guesses_passwords_is_held_back_and_the_owner_is_not(guarded: Edge, known: bool) -> None:
    trunk = await guarded.create(f"guessed-{known}".lower(), "basic", username="pbx01")
    target = trunk if known else {**trunk, "username": "pbx02"}
    wrong = {**target, "password": "Sample-Pass-0002"}
    at = guarded.kamailio.at

    assert await asyncio.to_thread(tries, at, wrong, GUESSER, WRONG) == [401] * WRONG
    assert await asyncio.to_thread(tries, at, wrong, GUESSER, 2) == [503, 503]

    assert await asyncio.to_thread(tries, at, target, GUESSER, 1) == [503]
    assert await asyncio.to_thread(tries, at, trunk, OWNER, 1) == [200]


async def test_a_proof_from_another_address_than_the_challenged_one_counts_for_nothing(guarded: Edge) -> None:
    trunk = await guarded.create("nonce-moved", "basic", username="pbx01")
    asked = Register("", as_phone(trunk, password=trunk["password"]))
    host, port = guarded.kamailio.at.split(":")

    def from_two_addresses() -> int:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
        ):
            for line, address in ((one, OWNER), (two, GUESSER)):
                line.settimeout(ENOUGH)
                line.bind((address, 0))
                line.connect((host, int(port)))
            one.send(asked.request(one, "moved", 1))
            challenge = one.recv(65535).decode().partition("Digest ")[2].splitlines()[0]
            two.send(asked.request(two, "moved", 2, asked.proof(challenge)))
            return int(two.recv(65535).split()[1])

    assert await asyncio.to_thread(from_two_addresses) == 401
