"""Who rings, asked as Asterisk's dialplan asks it: by FastAGI over TCP, of a service that trusts nothing it hears."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from ringback.api.listen import listening
from ringback.calls import agi
from ringback.registrar.realms.model import Status
from tests.policies import screened_by
from tests.world import World

HOST = "127.0.0.1"
SOURCE = "192.0.2.7:5060"


@dataclass(frozen=True, slots=True)
class Asterisk:
    """What asks a world who rings."""

    world: World
    port: int

    async def says(self, text: str | bytes) -> str:
        """All that comes back to these bytes, once they are acknowledged."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        writer.write(text if isinstance(text, bytes) else text.encode())
        said = await reader.readline()
        writer.write(b"200 result=1\n")
        said += await reader.read()
        writer.close()
        return said.decode()

    async def asks(self, kind: str, name: str, called: str, source: str = SOURCE) -> str:
        """What the variable ROUTE is set to."""
        said = await self.says(environment(kind, name, called, source))
        head, text, tail = said.partition('"')[0], said.split('"')[1], said.rpartition('"')[2]
        assert (head, tail) == ("SET VARIABLE ROUTE ", "\n")
        return text


def environment(*arguments: str, **more: str) -> str:
    """The first lines of a connection, in Asterisk's order; `more` are further ones, or others in their place."""
    said: Mapping[str, str] = {
        "network": "yes",
        "network_script": "route",
        "request": f"agi://{HOST}/route",
        "callerid": "1001",
        "calleridname": "José",
        "extension": "s",
        **{f"arg_{number}": argument for number, argument in enumerate(arguments, 1)},
        **more,
    }
    return "".join(f"agi_{name}: {value}\n" for name, value in said.items()) + "\n"


@pytest.fixture
async def asterisk(make_world: Callable[..., World]) -> AsyncIterator[Asterisk]:
    world = make_world(direct_miss_limit=10)
    with listening("agi_listen_address", f"{HOST}:0") as opened:
        async with agi.serving(opened, world.ringback.route):
            yield Asterisk(world, opened.getsockname()[1])


async def test_a_phone_rings_its_own_customers_numbers_and_no_others(asterisk: Asterisk) -> None:
    world = asterisk.world
    one, two = await world.create("1001"), await world.create("AbC")
    theirs = await world.create("2001", customer_id=str(uuid4()))
    me = one["endpoint_id"]

    async def rung(called: str) -> str:
        return await asterisk.asks("phone", me, called)

    assert await rung("AbC") == two["endpoint_id"]
    assert [await rung(called) for called in ("abc", "2001", theirs["endpoint_id"], "1001' OR '1'='1", "")] == [""] * 5
    world.sql("UPDATE registrar_extensions SET tm_delete = tm_create WHERE extension = 'AbC'")
    assert await rung("AbC") == ""


async def test_a_direct_address_rings_for_phones_trunks_and_strangers(asterisk: Asterisk) -> None:
    world = asterisk.world
    made = await world.create("1001", direct=True)
    trunk = await world.create_trunk("carrier-a")
    called = f"Direct.{made['direct_hash'].upper()}"

    callers = [("phone", made["endpoint_id"]), ("trunk", trunk["realm"]), ("stranger", "")]
    assert {await asterisk.asks(*caller, called) for caller in callers} == {made["endpoint_id"]}
    unknown = [("phone", f"9{made['endpoint_id']}"), ("trunk", "x.trunk.localhost"), ("stranger", made["endpoint_id"])]
    assert {await asterisk.asks(*caller, called) for caller in unknown} == {""}
    assert await asterisk.asks("stranger", "", "1001") == ""


async def test_a_trunk_rings_the_numbers_of_its_customer(asterisk: Asterisk) -> None:
    world = asterisk.world
    one = await world.create("AbC")
    await world.create("2001", customer_id=str(uuid4()))
    trunk = await world.create_trunk("carrier-a")

    asked = ("AbC", "abc", "2001", "x y")
    assert [await asterisk.asks("trunk", trunk["realm"], called) for called in asked] == [
        one["endpoint_id"],
        "",
        "",
        "",
    ]
    await world.rpc("DELETE", f"/v1/trunks/{trunk['id']}")
    assert await asterisk.asks("trunk", trunk["realm"], "AbC") == ""


async def test_who_is_frozen_calls_nobody_and_is_called_by_nobody(asterisk: Asterisk) -> None:
    world = asterisk.world
    one, trunk = await world.create("1001", direct=True), await world.create_trunk("carrier-a")
    theirs = await world.create("2001", customer_id=str(uuid4()), direct=True)
    mine, other = (f"direct.{made['direct_hash']}" for made in (one, theirs))
    calls = [
        ("phone", one["endpoint_id"], "1001"), ("phone", one["endpoint_id"], other), ("trunk", trunk["realm"], "1001"),
        ("trunk", trunk["realm"], other), ("phone", theirs["endpoint_id"], mine), ("stranger", "", mine),
    ]  # fmt: skip

    await world.set_status(Status.FROZEN)
    assert [await asterisk.asks(*call) for call in calls] == ["frozen"] * len(calls)
    assert await asterisk.asks("stranger", "", other) == theirs["endpoint_id"]
    await world.set_status(Status.DELETED)
    assert {await asterisk.asks(*call) for call in calls} == {""}


@pytest.mark.contract("registrar R-40")
async def test_whoever_guesses_too_often_rings_nobody_and_others_still_do(asterisk: Asterisk) -> None:
    made = await asterisk.world.create("1001", direct=True)
    live = f"direct.{made['direct_hash']}"

    guesses = [await asterisk.asks("stranger", "", f"direct.{number:012}") for number in range(11)]

    assert guesses == [*[""] * 10, "limited"]
    assert await asterisk.asks("stranger", "", live, "192.0.2.7:6000") == "limited"
    assert await asterisk.asks("stranger", "", live, "192.0.2.8:5060") == made["endpoint_id"]
    assert await asterisk.asks("phone", made["endpoint_id"], "1001") == made["endpoint_id"]
    assert "hash" not in asterisk.world.metrics().partition("direct_lookup_total{")[2].partition("}")[0]


@pytest.mark.parametrize(
    "said",
    [
        environment("stranger", "", "{live}", SOURCE).replace("agi_arg_3", "agi_arg_3: x\nagi_arg_3", 1),
        environment("stranger", "", "{live}", SOURCE, callerid="1\nagi_arg_1: phone"),
        environment("stranger", "", "{live}", SOURCE, callerid="1\n"),
        environment("stranger", "", "{live}", SOURCE, callerid="1\rSET VARIABLE X 1"),
        environment("stranger", "", "{live}"),
        environment("stranger", "", "{live}", SOURCE, "5"),
        environment("nobody", "", "{live}", SOURCE),
        environment("stranger", "", "{live}", "9" * 65),
        environment("stranger", "", "{live}", SOURCE, network_script="other"),
        "GET / HTTP/1.1\r\n\r\n",
        "agi_" + "x" * 8192 + "\n\n",
        "".join(f"agi_{number}: x\n" for number in range(100)) + "\n",
        "\n",
    ],
)
async def test_what_no_dialplan_of_ours_says_rings_nobody(
    asterisk: Asterisk, said: str, logged: Callable[[], str]
) -> None:
    made = await asterisk.world.create("1001", direct=True)

    answer = await asterisk.says(said.replace("{live}", f"direct.{made['direct_hash']}"))

    assert answer == 'SET VARIABLE ROUTE ""\n'
    assert made["direct_hash"] not in logged()
    assert "xxxx" not in logged()


async def test_a_caller_whose_name_holds_a_tab_rings_as_with_the_database_alone(asterisk: Asterisk) -> None:
    """RFC 3261 25.1: white space of a quoted string may be one."""
    made = await asterisk.world.create("1001", direct=True)
    said = environment("stranger", "", f"direct.{made['direct_hash']}", SOURCE, calleridname="Bob\tSmith")

    assert await asterisk.says(said) == f'SET VARIABLE ROUTE "{made["endpoint_id"]}"\n'


async def test_a_database_that_fails_gets_no_answer_so_that_the_dialplan_goes_on(asterisk: Asterisk) -> None:
    made = await asterisk.world.create("1001")
    asterisk.world.fail_at(0)

    assert await asterisk.says(environment("phone", made["endpoint_id"], "1001", SOURCE)) == ""


async def test_an_asterisk_that_stops_in_the_middle_is_forgotten(asterisk: Asterisk) -> None:
    _, writer = await asyncio.open_connection(HOST, asterisk.port)
    writer.write(b"agi_network: yes\nagi_arg")
    writer.close()
    made: Any = await asterisk.world.create("1001")

    assert await asterisk.asks("phone", made["endpoint_id"], "1001") == made["endpoint_id"]


@pytest.mark.contract("router P-6")
async def test_a_direct_address_is_told_with_the_policy_that_its_calls_go_through(asterisk: Asterisk) -> None:
    world = asterisk.world
    made, trunk = await world.create("1001", direct=True), await world.create_trunk("carrier-a")
    me, called, customer = made["endpoint_id"], f"direct.{made['direct_hash']}", made["customer_id"]
    callers = {"stranger": "", "phone": me, "trunk": trunk["realm"]}
    assert [await asterisk.asks(kind, name, called) for kind, name in callers.items()] == [me] * 3

    screened_by(world, customer, "support.en", fails="open", deadline_ms=750)

    told = f"{me},open,750,support.en,{customer},{made['id']}"
    assert [await asterisk.asks(kind, name, called) for kind, name in callers.items()] == [told] * 3
    assert await asterisk.asks("phone", me, "1001") == me
    world.statements.clear()
    await asterisk.asks("stranger", "", called)
    assert len(world.statements) == 1
