"""Thousands of pipelines while their workers are killed and started again; and a NATS that goes and comes back."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from secrets import token_hex
from typing import Final

import pytest

from ringback.kit.bus import Letter, Unanswered
from ringback.router.extensions.registry import Registry, Snapshot
from ringback.router.invoking.circuits import Circuits
from ringback.router.invoking.invoker import Invoker
from ringback.router.pipelines.errors import RunFailed
from ringback.router.pipelines.running import Pipelines, Run
from ringback.router.policies.model import Policy
from ringback.transports.nats.link import Link
from tests.live.conftest import until
from tests.live.pipeline_workers import BAD, BAD_WORD, SUBJECTS, Worker, expected, workers
from tests.patience import ENOUGH
from tests.router.invoking.edges import WHEN, record
from tests.router.pipelines.stand import CUSTOMER
from tests.servers.nats import Nats, QuietNats
from tests.transports.links import linked

pytestmark = [pytest.mark.process, pytest.mark.long]

COUNT: Final = 10_000
FLYING: Final = 64
WORKERS: Final = 3
ANSWERS: Final = (100, 600)
"""Answers between two kills, or from a kill until the worker is started again."""
DEADLINE: Final = 3.0
"""Seconds of each request."""
FAILED: Final = {
    "EXTENSION_TIMEOUT", "EXTENSION_UNAVAILABLE", "DEADLINE_EXCEEDED", "PRE_PROCESSOR_FAILED", "POST_PROCESSOR_FAILED",
    "PROVIDER_FAILED", "NO_PROVIDER_AVAILABLE", "VALIDATOR_BLOCKED",
}  # fmt: skip
"""What may become of a request whose worker is gone."""
DOCUMENT: Final = {
    "pre": [{"id": "pre"}],
    "validators": [{"id": "validator"}],
    "providers": [{"id": "provider"}],
    "post": [{"id": "post"}],
}


@pytest.fixture
def own() -> Iterator[Nats]:
    with QuietNats.private() as one:
        yield one


class Node:
    """A router on a connection, and what became of every request by its number."""

    def __init__(self, link: Link, forced: str | None = None) -> None:
        self.link = link
        self.circuits = Circuits()
        self.answers: dict[int, str] = {}
        self.given = Counter[int]()
        self._news = asyncio.Condition()
        registry = Registry("storm")
        self.records = [
            record(type, type=type, subject=subject, timeout_ms=500, retry=2, breaker_override=forced)
            for type, subject in SUBJECTS.items()
        ]
        registry.install(Snapshot.of(1, self.records, [Policy(CUSTOMER, "storm", DOCUMENT, WHEN, WHEN)]))
        self.pipelines = Pipelines(registry, Invoker(link.bus(), self.circuits))
        for one in self.records:
            self.circuits.of(one).follow(one)

    async def ask(self, number: int) -> None:
        text = text_of(number)
        run = Run(CUSTOMER, "storm", {"message_id": str(number), "payload": text}, deadline_ms=int(DEADLINE * 1000))
        try:
            async with asyncio.timeout(DEADLINE + ENOUGH):
                result = await self.pipelines.run(run)
        except RunFailed as failure:
            answer = f"{failure.reason} {failure.cause}"
        else:
            assert result.reply
            answer = str(result.reply.output)
        self.answers[number] = answer
        self.given[number] += 1
        async with self._news:
            self._news.notify_all()

    async def ask_all(self, numbers: Sequence[int]) -> list[str]:
        """Their answers, in order; so many are in flight."""
        left = iter(numbers)

        async def again() -> None:
            for number in left:
                await self.ask(number)

        await asyncio.gather(*(again() for _ in range(FLYING)))
        return [self.answers[number] for number in numbers]

    async def answered(self, count: int) -> None:
        """Return when there are so many answers."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.answers) >= count)


def text_of(number: int) -> str:
    return f"{number} {BAD}" if number % 10 == 0 else f"{number} good"


def is_right(number: int, answer: str) -> bool:
    """Whether it is the answer to that request, or says that there is none."""
    reason, _, cause = answer.partition(" ")
    if reason == "VALIDATOR_BLOCKED" and cause == BAD_WORD:
        return number % 10 == 0
    return reason in FAILED or (number % 10 != 0 and answer == expected(text_of(number)))


async def storm(node: Node, found: list[Worker], chance: random.Random, last: int) -> int:
    """Kill one of them, over and over, and start it again, until so many requests are answered; how often.

    One of them is always there.
    """
    alive, coming, kills = list(found), set[asyncio.Task[None]](), 0

    async def revive(worker: Worker) -> None:
        await node.answered(min(last, len(node.answers) + chance.randint(*ANSWERS)))
        await worker.start()
        alive.append(worker)

    while len(node.answers) < last:
        await node.answered(min(last, len(node.answers) + chance.randint(*ANSWERS)))
        while len(alive) < 2:
            await asyncio.wait({one for one in coming if not one.done()}, return_when=asyncio.FIRST_COMPLETED)
        worker = alive.pop(chance.randrange(len(alive)))
        await worker.kill()
        kills += 1
        coming.add(asyncio.create_task(revive(worker)))
    await asyncio.gather(*coming)
    return kills


@pytest.mark.contract("router R-8c, R-9b, R-9c, F-16, F-26")
@pytest.mark.parametrize("forced", ["closed", None])
async def test_every_request_is_answered_once_by_its_result_or_a_typed_error_whoever_is_killed(
    own: Nats, forced: str | None
) -> None:
    seed = token_hex(4)
    sys.stdout.write(f"\nseed {seed}\n")
    async with linked(own) as link, workers(own, WORKERS) as found:
        node = Node(link, forced)
        killing = asyncio.create_task(storm(node, found, random.Random(seed), COUNT - max(ANSWERS)))
        answers = await node.ask_all(range(COUNT))
        kills = await killing

        told = Counter(answer if answer.startswith(tuple(FAILED)) else "result" for answer in answers)
        sys.stdout.write(f"{kills} kills: {dict(told)}\n")
        assert [(number, one) for number, one in enumerate(answers) if not is_right(number, one)] == []
        assert set(node.given.values()) == {1}
        assert kills >= 1
        if forced:
            assert kills >= 3
            assert told["result"] > COUNT / 2
            assert await node.ask_all(range(COUNT + 1, COUNT + 9)) == [
                expected(text_of(number)) for number in range(COUNT + 1, COUNT + 9)
            ]


async def until_served(node: Node) -> None:
    """Return when somebody answers on every subject."""

    async def are_there() -> bool:
        try:
            for subject in SUBJECTS.values():
                await node.link.bus().request(subject, Letter(b"{}"), ENOUGH)
        except Unanswered:
            return False
        return True

    await until(are_there)


def states(node: Node) -> dict[str, tuple[str, int]]:
    """Of each extension the state of its breaker, and how many failures were counted."""
    return {one.id: (node.circuits.of(one).breaker.state, node.circuits.of(one).failures) for one in node.records}


@pytest.mark.contract("router R-8d, R-9a, F-18")
async def test_a_nats_that_is_killed_ends_requests_at_once_and_opens_no_breaker(own: Nats) -> None:
    async with linked(own) as link, workers(own, 1):
        node = Node(link)
        flying = asyncio.create_task(node.ask_all(range(2000)))
        await node.answered(300)

        await asyncio.to_thread(own.kill)

        answers = await flying
        assert any(one.endswith("EXTENSION_UNAVAILABLE") for one in answers)
        assert not any(one.endswith("EXTENSION_TIMEOUT") for one in answers)
        assert await node.ask_all(range(2001, 2004)) == ["PRE_PROCESSOR_FAILED EXTENSION_UNAVAILABLE"] * 3
        await asyncio.to_thread(own.start)
        numbers = count(2004)

        async def goes_on() -> bool:
            number = next(numbers)
            return await node.ask_all([number]) == [expected(text_of(number))]

        await until(goes_on)  # whoever asks before the workers are back is told so, and it is nobody's fault
        assert all(is_right(number, one) for number, one in node.answers.items())
        assert states(node) == dict.fromkeys(SUBJECTS, ("closed", 0))
        assert await node.ask_all(range(9001, 9010)) == [expected(text_of(number)) for number in range(9001, 9010)]


@pytest.mark.contract("router R-8d, R-9b")
async def test_a_nats_that_says_nothing_keeps_nobody_beyond_the_deadline_and_opens_no_breaker(own: Nats) -> None:
    async with linked(own) as link, workers(own, 1):
        node = Node(link)
        assert await node.ask_all(range(1, 10)) == [expected(text_of(number)) for number in range(1, 10)]

        await asyncio.to_thread(own.pause)
        silent = await node.ask_all(range(11, 20))
        await asyncio.to_thread(own.resume)

        assert {one.partition(" ")[0] for one in silent} == {"PRE_PROCESSOR_FAILED"}
        await until_served(node)
        assert states(node) == dict.fromkeys(SUBJECTS, ("closed", 0))
        assert await node.ask_all(range(21, 30)) == [expected(text_of(number)) for number in range(21, 30)]
