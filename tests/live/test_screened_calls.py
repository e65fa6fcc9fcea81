"""A real Asterisk has a customer's policy run before a direct address rings; here the test says what comes of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.routing import Route

from ringback.api.listen import Http, listening
from ringback.api.screen import METHODS, pages
from ringback.demo.phone import Phone
from ringback.demo.ports import HOST, free_ports
from ringback.demo.programs import AsteriskProgram
from ringback.kit.errors import Unavailable
from ringback.knobs import load
from ringback.router.pipelines.screening import Passed, Question, Rejected
from tests.policies import screened_by

from .conftest import Extension, StartPhone, World, in_front, running, until
from .party import Message, Party, invite

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session"), pytest.mark.contract("router P-6")]

Decide = Callable[[Question], Awaitable[Passed]]


@dataclass
class Desk:
    """What Asterisk asks, and what it is told."""

    at: str
    asked: list[Question] = field(default_factory=list)
    decide: Decide | None = None

    async def screen(self, asked: Question) -> Passed:
        self.asked.append(asked)
        return await self.decide(asked) if self.decide else Passed()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk() -> AsyncIterator[Desk]:
    one = Desk(f"{HOST}:{free_ports(1)[0]}")
    app = Starlette(routes=[Route(path, page, methods=METHODS) for path, page in pages(one.screen).items()])
    with listening("screen_listen_address", one.at) as opened:
        async with Http.of(app, load({})).serving(opened):
            yield one


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["odbc", "agi"])
async def world(
    request: pytest.FixtureRequest, program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory, desk: Desk
) -> AsyncIterator[World]:
    agi = f"{HOST}:{free_ports(1)[0]}" if request.param == "agi" else ""
    async with running(program, tmp_path_factory.mktemp("screened"), screen=desk.at, agi_listen_address=agi) as one:
        yield one
        ours = ("func_curl.c: ", "invalid UTF-8")
        assert [line for line in one.complaints() if not any(word in line for word in ours)] == []


@dataclass(frozen=True, slots=True)
class Callee:
    """A phone with a direct address whose customer has a policy."""

    phone: Phone
    extension: Extension
    world: World

    @property
    def address(self) -> str:
        return f"sip:direct.{self.extension['direct_hash']}@sip.localhost"

    async def called(self, name: str = "", user: str = "party") -> tuple[int, str]:
        """What becomes of a stranger's call with that name and number: its status, and whom the phone saw."""
        before = self.phone.rang
        with Party.udp() as party:
            said = invite(self.address, "example.com").request(party, "INVITE", 1, body=sdp(party))
            said = said.replace("From: <sip:party@", f"From: {name}<sip:{user}@")
            await party.send(said, self.world.ports.public_at)
            answer = await final(party)
        if answer.status != 200:
            assert self.phone.rang == before
            return answer.status, ""
        await self.phone.answered()
        await self.phone.hang_up()
        return answer.status, (await self.phone.next_call()).peer


async def final(party: Party) -> Message:
    while (message := await party.hear()).status < 200:
        pass
    return message


def sdp(party: Party) -> str:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
        f"m=audio {party.socket.getsockname()[1]} RTP/AVP 0\r\n"
    )


@pytest_asyncio.fixture(loop_scope="session")
async def callee(world: World, phone: StartPhone, desk: Desk) -> AsyncIterator[Callee]:
    desk.asked.clear()
    extension = await world.create(f"18{len(world.sql('SELECT 1 FROM registrar_extensions')):03}", direct=True)
    one = await phone(extension)
    assert await one.register() == 200
    yield Callee(one, extension, world)
    desk.decide = None
    world.sql("DELETE FROM router_policies")


def screened(callee: Callee, fails: str = "closed", deadline_ms: int = 2000) -> None:
    screened_by(callee.world, callee.extension["customer_id"], "calls.en", fails=fails, deadline_ms=deadline_ms)


async def test_what_the_policy_lets_pass_rings_and_is_asked_once(callee: Callee, desk: Desk) -> None:
    assert await callee.called('"Bob" ', "4930") == (200, '"Bob" <sip:4930@127.0.0.1>')
    assert desk.asked == []
    screened(callee)

    assert await callee.called('"Bob" ', "4930") == (200, '"Bob" <sip:4930@127.0.0.1>')

    (asked,) = desk.asked
    assert (str(asked.customer_id), asked.policy_id) == (callee.extension["customer_id"], "calls.en")
    assert (str(asked.extension_id), asked.deadline_ms) == (callee.extension["id"], 2000)
    assert (asked.caller, asked.caller_name) == ("4930", "Bob")


async def test_the_phone_sees_what_the_policy_has_made_of_the_caller(callee: Callee, desk: Desk) -> None:
    screened(callee)
    made = {
        Passed("004930", "Ärzte, (Ost) & Söhne"): '"Ärzte, (Ost) & Söhne" <sip:004930@127.0.0.1>',
        Passed(caller_name="Alice"): '"Alice" <sip:4930@127.0.0.1>',
        Passed("110", None): '"Bob" <sip:110@127.0.0.1>',
        Passed(caller_name=""): "<sip:4930@127.0.0.1>",
        Passed("anonymous", ""): "<sip:anonymous@127.0.0.1>",
    }

    for passed, seen in made.items():
        desk.decide = always(passed)
        assert await callee.called('"Bob" ', "4930") == (200, seen), passed


def always(passed: Passed) -> Decide:
    async def decide(asked: Question) -> Passed:
        return passed

    return decide


def refusing(failure: Exception) -> Decide:
    async def decide(asked: Question) -> Passed:
        raise failure

    return decide


@pytest.mark.parametrize("fails", ["open", "closed"])
async def test_a_rejected_call_is_403_and_its_record_says_why(callee: Callee, desk: Desk, fails: str) -> None:
    screened(callee, fails)
    desk.decide = refusing(Rejected())

    assert await callee.called() == (403, "")
    assert await reasons(callee) == ["rejected_by_policy"]


async def reasons(callee: Callee, count: int = 1) -> list[str]:
    """Why the calls of that extension ended, as soon as so many have."""
    query = "SELECT reason FROM ringback_calls WHERE called_extension_id = ? AND state = 'ended' ORDER BY tm_create"

    async def recorded() -> list[str]:
        found = [reason for (reason,) in callee.world.sql(query, UUID(callee.extension["id"]).bytes)]
        return found if len(found) == count else []

    found: list[str] = await until(recorded)
    return found


async def test_a_failed_run_goes_on_unchanged_or_is_503_as_the_policy_needs(callee: Callee, desk: Desk) -> None:
    desk.decide = refusing(Unavailable())
    screened(callee, "open")
    assert await callee.called('"Bob" ', "4930") == (200, '"Bob" <sip:4930@127.0.0.1>')

    callee.world.sql("UPDATE router_policies SET fails = 'closed'")

    assert await callee.called() == (503, "")
    assert (await reasons(callee, 2))[1] == "policy_failed"


@pytest.mark.parametrize(("fails", "status"), [("open", 200), ("closed", 503)])
async def test_a_run_without_an_end_holds_no_call(callee: Callee, desk: Desk, fails: str, status: int) -> None:
    held = asyncio.Event()

    async def never(asked: Question) -> Passed:
        await held.wait()
        return Passed("666", "too late")

    screened(callee, fails, deadline_ms=300)
    desk.decide = never

    got, seen = await callee.called('"Bob" ', "4930")

    assert (got, seen) == (status, '"Bob" <sip:4930@127.0.0.1>' if status == 200 else "")
    held.set()
    logged = [line for line in callee.world.complaints() if "func_curl.c: " in line]
    assert logged
    assert [line for line in logged if "4930" in line or "Bob" in line] == []


HOSTILE = (
    ("", "%22%24%7BSHELL(id)%7D%22"),
    ("", "a%29%3A0%3A1"),
    ("", "a%7cb&caller=c"),
    ('"${CURL(http://127.0.0.1:1)}" ', "$%5B1%5D"),
    ('"a|b&caller=c%00" ', "4930"),
    ('"' + "x" * 500 + '" ', "9" * 300),
    ('"\N{SNOWMAN}' + "\N{SNOWMAN}" * 40 + '" ', "%ff%fe"),
)


@pytest.mark.parametrize(("name", "user"), HOSTILE)
async def test_no_text_of_a_caller_is_a_way_around_or_into_the_question(
    callee: Callee, desk: Desk, name: str, user: str
) -> None:
    screened(callee)
    desk.decide = refusing(Rejected())

    assert await callee.called(name, user) == (403, "")

    (asked,) = desk.asked
    assert (str(asked.extension_id), asked.policy_id) == (callee.extension["id"], "calls.en")
    assert asked.caller != "c"


async def test_a_line_end_in_the_callers_number_asks_for_nothing_else(callee: Callee, desk: Desk) -> None:
    """FastAGI takes no question with one: then it is 404 before anything is asked here."""
    screened(callee)
    desk.decide = refusing(Rejected())

    assert await callee.called("", "x%0aSET%20VARIABLE%20WORD%20pass") in ((403, ""), (404, ""))
    assert [asked.policy_id for asked in desk.asked] in (["calls.en"], [])


async def test_calls_by_the_edge_are_asked_for_alike(
    callee: Callee, desk: Desk, phone: StartPhone, tmp_path: Path
) -> None:
    """The edge has two ways to the one Asterisk, and takes a call that was refused to the first alone."""
    screened(callee)
    ports = callee.world.ports
    async with in_front(callee.world, tmp_path / "kamailio", ports.public_at, ports.phones_at) as edge:
        caller = await phone(callee.extension, server=edge.kamailio.at, bind="127.0.0.48")
        assert (await caller.call(callee.address, talk=0.1)).status == 200
        desk.decide = refusing(Rejected())
        assert (await caller.call(callee.address)).status == 403
        desk.decide = refusing(Unavailable())
        assert (await caller.call(callee.address)).status == 503
    assert [asked.policy_id for asked in desk.asked] == ["calls.en"] * 3
