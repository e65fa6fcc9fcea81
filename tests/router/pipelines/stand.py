"""Pipelines at a time of their own, over a bus on which each router extension answers as a test says."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from ringback.kit.bus import Letter, NoResponders, TooLarge, TooLate
from ringback.router.extensions.model import RouterExtension
from ringback.router.extensions.registry import Registry, Snapshot
from ringback.router.invoking.circuits import Circuits
from ringback.router.invoking.invoker import Invoker
from ringback.router.pipelines.errors import RunFailed
from ringback.router.pipelines.running import Pipelines, Run
from ringback.router.pipelines.wire import PipelineResult, PipelineTrial
from ringback.router.policies.model import Policy
from tests.router.invoking.edges import WHEN, Clock, record

CUSTOMER = UUID("3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713")
STRANGER = UUID("9b2f5c1e-7d3a-4f6b-8c9d-0e1f2a3b4c5d")
MESSAGE = {"message_id": "m-1", "message_type": "chat", "payload": "Hello", "metadata": {"channel": "web"}}
ROOMS = {"pre": "ext.pre", "validator": "ext.validate", "post": "ext.post", "provider": "provider"}

Reply = Letter | bytes | dict[str, Any] | Exception
Answer = Reply | Callable[[dict[str, Any]], Reply]


def upper(request: dict[str, Any]) -> Reply:
    return {"payload": request["payload"]["payload"].upper()}


def says(output: Any, **more: Any) -> Reply:
    return {"provider_id": "any", "output": output, **more}


class Desk:
    """A bus: whoever is asked takes `took` seconds; who is late takes all there are."""

    largest = 1 << 20

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.answers: dict[str, Answer] = {}
        self.took: dict[str, float] = {}
        self.letters: list[tuple[str, Letter]] = []

    async def request(self, subject: str, letter: Letter, seconds: float) -> Letter:
        if len(letter.body) > self.largest:
            raise TooLarge
        self.letters.append((subject, letter))
        if subject not in self.answers:
            raise NoResponders
        answer = self.answers[subject]
        if callable(answer):
            answer = answer(msgspec.json.decode(letter.body))
        self.clock.now += seconds if isinstance(answer, TooLate) else self.took.get(subject, 0.0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, dict):
            answer = msgspec.json.encode(answer)
        return answer if isinstance(answer, Letter) else Letter(answer)


class Stand:
    """One node. `add` makes a router extension and says how it answers, `run` sends a message."""

    def __init__(self, environment: str = "") -> None:
        self.clock = Clock()
        self.desk = Desk(self.clock)
        self.registry = Registry("node-1")
        self.circuits = Circuits(clock=self.clock, random=lambda: 0.5)
        calls = Invoker(self.desk, self.circuits, random=lambda: 0.5, pause=self.clock.pause)
        self.pipelines = Pipelines(self.registry, calls, now=self.clock, ids=lambda: "5f0c", environment=environment)
        self.records: dict[str, RouterExtension] = {}
        self.policies: dict[tuple[UUID, str], Policy] = {}
        self.revision = 0

    def add(self, id: str, type: str = "pre", answer: Answer | None = None, **more: Any) -> None:
        """`answer` is what it says; by itself nobody serves it."""
        one = record(id, **{"type": type, "subject": f"beamline.{ROOMS[type]}.{id}.v1", **more})
        self.records[id] = one
        if answer is not None:
            self.desk.answers[one.subject] = answer
        self.serve()

    def declare(self, document: dict[str, Any], id: str = "p", customer_id: UUID = CUSTOMER, **more: Any) -> None:
        self.policies[customer_id, id] = Policy(customer_id, id, document, WHEN, WHEN + timedelta(), **more)
        self.serve()

    def serve(self) -> None:
        self.revision += 1
        self.registry.install(Snapshot.of(self.revision, self.records.values(), self.policies.values()))

    def asked(self, policy: str | dict[str, Any] = "p", message: Any = None, **more: Any) -> Run:
        if isinstance(policy, dict):
            self.declare(policy)
            policy = "p"
        given = {"customer_id": CUSTOMER, "policy_id": policy, "request_id": "req_1", **more}
        return Run(message=MESSAGE if message is None else message, **given)

    async def run(self, policy: str | dict[str, Any] = "p", message: Any = None, **more: Any) -> PipelineResult:
        return await self.pipelines.run(self.asked(policy, message, **more))

    async def fails(self, policy: str | dict[str, Any] = "p", message: Any = None, **more: Any) -> RunFailed:
        try:
            done = await self.run(policy, message, **more)
        except RunFailed as failure:
            return failure
        raise AssertionError(done)

    async def tries(self, policy: str | dict[str, Any] = "p", message: Any = None, **more: Any) -> PipelineTrial:
        return await self.pipelines.dry_run(self.asked(policy, message, **more))

    def sent(self, id: str) -> list[dict[str, Any]]:
        """What was asked of one."""
        subject = self.records[id].subject
        return [msgspec.json.decode(letter.body) for to, letter in self.desk.letters if to == subject]

    @property
    def order(self) -> list[str]:
        """Who was asked, one after the other."""
        return [subject.split(".")[-2] for subject, _ in self.desk.letters]


def lines(trace: list[Any]) -> list[tuple[str, str, str | None]]:
    """Of a trace who, how it went, and why."""
    return [(one.id, one.status, one.reason) for one in trace]
