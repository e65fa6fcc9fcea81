"""Calls router extensions: as often as allowed, within their time, and not while they fail (R-9)."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from random import random as any_share
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec
import structlog

from ringback.kit.bus import Bus, Letter, NoResponders, NotServedYet, TooLarge, TooLate, Unanswered
from ringback.router.invoking.circuits import Circuit, Circuits
from ringback.router.invoking.outcome import Asked, Cause, Malformed, Outcome, Refused
from ringback.router.invoking.retries import SHORTEST, longest_ms, pause_ms

T = TypeVar("T")

ATTEMPT: Final = "Ringback-Attempt"
DRY_RUN: Final = "Ringback-Dry-Run"
ERROR: Final = "Nats-Service-Error"
ERROR_CODE: Final = "Nats-Service-Error-Code"
PLAIN: Final = re.compile(r"[a-z_]{1,32}|[1-5]\d\d")
"""Codes that are shown in a log: a word or a status, nothing that could be somebody's number."""
SPARED: Final[Mapping[str, Cause]] = {"not_configured": "not_configured", "too_large": "too_large"}
"""Codes of error replies that say nothing of the router extension: a setting lacks, or it refuses what it was asked."""
LARGEST: Final = 1 << 20
"""Bytes of a request, and of a reply (R-9f)."""
AGAIN: Final = frozenset[Cause | None](("timeout", "no_responders"))
"""What may be another time better (R-9c)."""

log = structlog.get_logger()


class Tried(msgspec.Struct, Generic[T]):
    """What came of the attempts so far: `succeeded` is `None` while none says anything of the router extension."""

    value: T | None = None
    cause: Cause | None = None
    why: str = ""
    told: str = ""
    attempts: int = 0
    last_ms: float = 0.0
    succeeded: bool | None = None

    def fails(self, cause: Cause, why: str, told: str = "") -> None:
        self.cause, self.why, self.told = cause, why, told

    def errs(self, code: str, told: str = "") -> bool | None:
        """An error reply: a failure, unless its code is one that counts as neither (R-8d)."""
        why = "it answered with an error"
        if code != "error" and PLAIN.fullmatch(code):
            why = f"it answered with the error {code}"
        self.fails(SPARED.get(code, "error"), why, told)
        return None if code in SPARED else False

    def refused(self, cause: Cause, why: str) -> Literal[False]:
        """There is no further attempt; if there was none at all, this is why."""
        if self.cause is None:
            self.fails(cause, why)
        return False


class Invoker:
    """One for the whole process: any number of calls at the same time over one bus (R-9a)."""

    def __init__(
        self,
        bus: Bus,
        circuits: Circuits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = any_share,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`circuits` have a clock of their own, which is the invoker's then."""
        self.circuits = circuits or Circuits(clock=clock, random=random)
        self.clock = self.circuits.clock
        self._bus = bus
        self._random = random
        self._pause = pause

    def is_open(self, id: str) -> bool:
        """Whether calls of it are refused now, also because somebody forces that."""
        return self.circuits.is_open(id)

    async def call(self, asked: Asked, read: Callable[[Letter], T]) -> Outcome[T]:
        """Ask, and `read` the reply, which raises `Malformed` or `Refused`. Raises nothing else than a cancellation."""
        began = self.clock()
        tried: Tried[T] = Tried()
        circuit: Circuit | None = None
        try:
            circuit = self.circuits.of(asked.record)
            ends = min(asked.ends, began + longest_ms(asked.timeout_ms, asked.retry) / 1000)
            await self._try(circuit, asked, read, ends, tried)
        except Exception as error:  # of ours: whoever cannot be judged is not let through (R-8e)
            log.error("a call failed", action="call", extension=asked.record.id, error=type(error).__name__)
            tried.value = None
            tried.fails("unavailable", "its breaker failed")
        now = self.clock()
        took = (now - began) * 1000
        if circuit and not asked.is_dry:
            self._count(circuit, asked, tried, now, took)
        return Outcome(tried.value, tried.cause, tried.attempts, took, tried.why, tried.told)

    def _count(self, circuit: Circuit, asked: Asked, tried: Tried[Any], now: float, took: float) -> None:
        if tried.succeeded is not None:
            circuit.count(now, tried.last_ms, succeeded=tried.succeeded)
        customer = self.circuits.label(asked.customer_id)
        circuit.tally.call(tried.cause or "success", customer, tried.attempts, took)

    async def _try(
        self, circuit: Circuit, asked: Asked, read: Callable[[Letter], T], ends: float, tried: Tried[T]
    ) -> None:
        if len(asked.body) > min(LARGEST, self._bus.largest):
            tried.fails("too_large", "the request is larger than a router extension is sent")
            return
        for number in range(asked.retry + 1):
            if number:
                pause = pause_ms(number - 1) / 1000 * (SHORTEST + (1 - SHORTEST) * self._random())
                if self.clock() + pause >= ends:
                    return
                await self._pause(pause)
            if not (circuit.bulkhead.enter() or await self._wait(circuit, ends, tried)):
                return
            try:
                if not await self._attempt(circuit, asked, read, ends, tried):
                    return
            finally:
                circuit.bulkhead.leave()

    async def _wait(self, circuit: Circuit, ends: float, tried: Tried[Any]) -> bool:
        """For a place; what kept it from that is told, where no attempt has told more."""
        left = ends - self.clock()
        if left <= 0:
            return tried.refused("timeout", "there was no time left")
        if circuit.breaker.is_open:
            return tried.refused("unavailable", "its breaker is open")
        if await circuit.bulkhead.wait(left):
            if self.clock() < ends:
                return True
            circuit.bulkhead.leave()
        return tried.refused("overloaded", "as many calls of it as may be go on already")

    async def _attempt(
        self, circuit: Circuit, asked: Asked, read: Callable[[Letter], T], ends: float, tried: Tried[T]
    ) -> bool:
        """Ask once, if the breaker lets it through; whether another attempt may do better."""
        began = self.clock()
        seconds = min(asked.timeout_ms / 1000, ends - began)
        if seconds <= 0:
            return tried.refused("timeout", "there was no time left")
        turn = None if asked.is_dry else circuit.breaker.admit(began + seconds)
        if turn is None and (circuit.breaker.is_open or not asked.is_dry):
            return tried.refused("unavailable", "its breaker is open")
        tried.attempts += 1
        verdict: bool | None = None
        headers = {**asked.headers, ATTEMPT: str(tried.attempts)}
        if asked.is_dry:
            headers[DRY_RUN] = "1"
        try:
            reply = await self._bus.request(asked.record.subject, Letter(asked.body, headers), seconds)
            verdict = _understood(asked, read, reply, tried)
        except Unanswered as why:
            verdict = _unanswered(why, tried, is_long=seconds * 2000 >= asked.timeout_ms)
        finally:
            if turn is not None:
                circuit.breaker.ended(turn, verdict)
        tried.last_ms = (self.clock() - began) * 1000
        if verdict is not None:
            tried.succeeded = verdict
        return tried.cause in AGAIN


def _unanswered(why: Unanswered, tried: Tried[Any], *, is_long: bool) -> bool | None:
    """Whether it is the router extension's fault: `None` where nobody can say (R-8c, R-8d).

    `is_long` is whether it had at least half of its time.
    """
    if isinstance(why, TooLate):
        tried.fails("timeout", "it did not answer in time")
        return False if is_long else None
    if isinstance(why, NoResponders):
        tried.fails("no_responders", "nobody serves its subject")
        return None if isinstance(why, NotServedYet) else False
    if isinstance(why, TooLarge):
        tried.fails("too_large", "the request is larger than the bus carries")
    else:
        tried.fails("unavailable", "the bus is away")
    return None


def _understood(asked: Asked, read: Callable[[Letter], T], reply: Letter, tried: Tried[T]) -> bool | None:
    if ERROR in reply.headers or ERROR_CODE in reply.headers:
        return tried.errs(reply.headers.get(ERROR_CODE, ""))
    if len(reply.body) > min(LARGEST, asked.record.metadata.get("max_response_size") or LARGEST):
        tried.fails("malformed", "its reply is too large")
        return False
    try:
        tried.value = read(reply)
    except Refused as refused:
        return tried.errs(refused.code, refused.told)
    except Malformed as malformed:
        tried.fails("malformed", f"its reply is malformed: {malformed}")
        return False
    except Exception as error:  # whatever a reply does to us, it is the reply's fault (R-9e)
        log.warning("a reply was not understood", action="call", extension=asked.record.id, error=type(error).__name__)
        tried.fails("malformed", "its reply was not understood")
        return False
    tried.cause, tried.why, tried.told = None, "", ""
    return True
