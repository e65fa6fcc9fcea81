"""Calls router extensions: as often as allowed, within their time, and not while they fail (R-9)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import random as any_share
from typing import Any, Final, TypeVar

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
AGAIN: Final = frozenset[Cause | None](("timeout", "no_responders"))
"""What may be another time better (R-9c)."""

log = structlog.get_logger()


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
        outcome: Outcome[T] = Outcome()
        circuit: Circuit | None = None
        try:
            circuit = self.circuits.of(asked.record)
            ends = min(asked.ends, began + longest_ms(asked.timeout_ms, asked.retry) / 1000)
            while circuit.bulkhead.enter() or await self._wait(circuit, ends, outcome):
                may_do_better = await self._attempt(circuit, asked, read, ends, outcome)
                if not (may_do_better and await self._rest(asked, ends, outcome.attempts)):
                    break
        except Exception as error:  # of ours: whoever cannot be judged is not let through (R-8e)
            log.error("a call failed", action="call", extension=asked.record.id, error=type(error).__name__)
            outcome.value = None
            outcome.fails("unavailable", "its breaker failed")
        now = self.clock()
        outcome.latency_ms = (now - began) * 1000
        if circuit and not asked.is_dry:
            if outcome.succeeded is not None:
                circuit.count(now, outcome.last_ms, succeeded=outcome.succeeded)
            customer = self.circuits.label(asked.customer_id)
            circuit.tally.call(outcome.cause or "success", customer, outcome.attempts, outcome.latency_ms)
        return outcome

    async def _rest(self, asked: Asked, ends: float, attempts: int) -> bool:
        """Pause before the next attempt; whether there is one."""
        if attempts > asked.retry:
            return False
        pause = pause_ms(attempts - 1) / 1000 * (SHORTEST + (1 - SHORTEST) * self._random())
        if self.clock() + pause >= ends:
            return False
        await self._pause(pause)
        return True

    async def _wait(self, circuit: Circuit, ends: float, outcome: Outcome[Any]) -> bool:
        """For a place; what kept it from that is told, where no attempt has told more."""
        left = ends - self.clock()
        if left <= 0:
            return outcome.refused("timeout", "there was no time left")
        if circuit.breaker.is_open:
            return outcome.refused("unavailable", "its breaker is open")
        if await circuit.bulkhead.wait(left):
            if self.clock() < ends:
                return True
            circuit.bulkhead.leave()
        return outcome.refused("overloaded", "as many calls of it as may be go on already")

    async def _attempt(
        self, circuit: Circuit, asked: Asked, read: Callable[[Letter], T], ends: float, outcome: Outcome[T]
    ) -> bool:
        """Ask once, if the breaker lets it through, and give the place back; whether another attempt may do better."""
        began = self.clock()
        turn: int | None = None
        verdict: bool | None = None
        try:
            seconds = min(asked.timeout_ms / 1000, ends - began)
            if seconds <= 0:
                return outcome.refused("timeout", "there was no time left")
            turn = None if asked.is_dry else circuit.breaker.admit(began + seconds)
            if turn is None and (circuit.breaker.is_open or not asked.is_dry):
                return outcome.refused("unavailable", "its breaker is open")
            outcome.attempts += 1
            headers = {**asked.headers, ATTEMPT: str(outcome.attempts)}
            if asked.is_dry:
                headers[DRY_RUN] = "1"
            reply = await self._bus.request(asked.record.subject, Letter(asked.body, headers), seconds)
            verdict = _understood(circuit, read, reply, outcome)
        except Unanswered as why:
            verdict = _unanswered(why, outcome, is_long=seconds * 2000 >= asked.timeout_ms)
        finally:
            circuit.bulkhead.leave()
            if turn is not None:
                circuit.breaker.ended(turn, verdict)
        outcome.last_ms = (self.clock() - began) * 1000
        if verdict is not None:
            outcome.succeeded = verdict
        return outcome.cause in AGAIN


def _unanswered(why: Unanswered, outcome: Outcome[Any], *, is_long: bool) -> bool | None:
    """Whether it is the router extension's fault: `None` where nobody can say (R-8c, R-8d).

    `is_long` is whether it had at least half of its time.
    """
    if isinstance(why, TooLate):
        outcome.fails("timeout", "it did not answer in time")
        return False if is_long else None
    if isinstance(why, NoResponders):
        outcome.fails("no_responders", "nobody serves its subject")
        return None if isinstance(why, NotServedYet) else False
    if isinstance(why, TooLarge):
        outcome.attempts -= 1
        outcome.fails("too_large", "the request is larger than a router extension is sent")
    else:
        outcome.fails("unavailable", "the bus is away")
    return None


def _understood(circuit: Circuit, read: Callable[[Letter], T], reply: Letter, outcome: Outcome[T]) -> bool | None:
    headers = reply.headers
    if headers and (ERROR in headers or ERROR_CODE in headers):
        return outcome.errs(headers.get(ERROR_CODE, ""))
    if len(reply.body) > circuit.largest:
        outcome.fails("malformed", "its reply is too large")
        return False
    try:
        outcome.value = read(reply)
    except Refused as refused:
        return outcome.errs(refused.code, refused.told)
    except Malformed as malformed:
        outcome.fails("malformed", f"its reply is malformed: {malformed}")
        return False
    except Exception as error:  # whatever a reply does to us, it is the reply's fault (R-9e)
        log.warning("a reply was not understood", action="call", extension=circuit.id, error=type(error).__name__)
        outcome.fails("malformed", "its reply was not understood")
        return False
    outcome.cause, outcome.why, outcome.told = None, "", ""
    return True
