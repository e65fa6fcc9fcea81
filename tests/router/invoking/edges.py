"""The edges of an invoker: a time that moves when told, and a bus whose replies are written down before."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from ringback.kit.bus import NONE, Letter, TooLarge
from ringback.router.extensions.model import RouterExtension
from ringback.router.invoking.circuits import Circuits
from ringback.router.invoking.invoker import Invoker
from ringback.router.invoking.outcome import Asked, Outcome
from ringback.router.invoking.tally import Customers

WHEN = datetime(2026, 1, 5, 10, tzinfo=UTC)


class Clock:
    """Seconds that go on when somebody says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        self.now += seconds


def record(id: str = "upper", **more: Any) -> RouterExtension:
    fields = {"type": "pre", "subject": f"beamline.ext.pre.{id}.v1", "timeout_ms": 1000, "retry": 0, **more}
    return RouterExtension(id=id, created_at=WHEN, updated_at=WHEN, **fields)


OK = Letter(b'{"payload":"fine"}')

Answer = Letter | Exception | type[Exception]


class Script:
    """A bus that gives the next of its answers; each takes `took` seconds, and one in time that comes too late all."""

    largest = 1 << 20

    def __init__(self, clock: Clock, *answers: Answer, took: float = 0.0) -> None:
        self.clock = clock
        self.answers = list(answers)
        self.took = took
        self.asked: list[tuple[float, float, Letter]] = []
        """When, for how many seconds at most, what."""
        self.gate: asyncio.Event | None = None

    async def request(self, subject: str, letter: Letter, seconds: float) -> Letter:
        if len(letter.body) > self.largest:
            raise TooLarge
        self.asked.append((self.clock.now, seconds, letter))
        answer = self.answers.pop(0) if self.answers else OK
        if self.gate:
            await self.gate.wait()
        if isinstance(answer, Letter):
            self.clock.now += self.took
            return answer
        is_late = "TooLate" in repr(answer)
        self.clock.now += seconds if is_late else self.took
        raise answer


def reading(letter: Letter) -> object:
    return msgspec.json.decode(letter.body)


class Room:
    """An invoker at a time of its own."""

    def __init__(
        self, *answers: Answer, took: float = 0.0, random: float = 0.5, customers: Customers | None = None
    ) -> None:
        self.clock = Clock()
        self.bus = Script(self.clock, *answers, took=took)
        self.circuits = Circuits(clock=self.clock, random=lambda: random, customers=customers)
        self.changes: list[tuple[str, str, str]] = []
        self.circuits.changed = lambda *change: self.changes.append(change)
        self.pauses: list[float] = []
        self.invoker = Invoker(self.bus, self.circuits, random=lambda: random, pause=self.pause)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.now += seconds

    async def call(
        self,
        one: RouterExtension | None = None,
        *,
        read: Callable[[Letter], object] = reading,
        within: float = 1e6,
        **more: Any,
    ) -> Outcome[object]:
        one = one or record()
        asked = {"body": b"{}", "timeout_ms": one.timeout_ms, "retry": one.retry, "headers": NONE, **more}
        return await self.invoker.call(Asked(one, ends=self.clock.now + within, **asked), read)
