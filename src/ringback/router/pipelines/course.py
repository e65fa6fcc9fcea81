"""One request on its way through a pipeline: what it carries, whom it may still ask, and what became of it so far."""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, NoReturn, Protocol, TypeVar

import msgspec

from ringback.kit.bus import Letter
from ringback.kit.errors import Fault
from ringback.router.invoking.outcome import Asked, Cause, Outcome
from ringback.router.invoking.retries import longest_ms
from ringback.router.pipelines import requests
from ringback.router.pipelines.compiling import LARGEST, LARGEST_METADATA, Pipeline, Prepared
from ringback.router.pipelines.conditions import holds
from ringback.router.pipelines.errors import LATE, REASONS, RunFailed
from ringback.router.pipelines.replies import Said
from ringback.router.pipelines.wire import Decision, Executed, Pretended
from ringback.router.policies.model import Stage

T = TypeVar("T")

NOT_CALLED: Final[Mapping[str, Cause]] = {
    "EXTENSION_NOT_FOUND": "disabled",
    "EXTENSION_DISABLED": "disabled",
    "PAYLOAD_TOO_LARGE": "too_large",
    "METADATA_TOO_LARGE": "too_large",
}
"""Why a router extension is not even called, and that in the words of a fallback."""


class Calls(Protocol):
    """Who calls router extensions; `clock` is that of `Given.ends`."""

    @property
    def clock(self) -> Callable[[], float]: ...

    def is_open(self, id: str) -> bool: ...

    async def call(self, asked: Asked, read: Callable[[Letter], T]) -> Outcome[T]: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one step: its line in the trace, and what went in and came out."""

    step: Prepared
    line: Executed
    entered: Any
    left: Any = None
    matched: bool = True
    would_block: bool = False
    told: str = ""


Watch = Callable[[Seen], None]


class Given(msgspec.Struct, frozen=True):
    """What a request brings: `ends` is of the calls' clock; `tenant_id` is `None` where there is no customer."""

    message: Mapping[str, Any]
    context: Mapping[str, Any]
    tenant_id: str | None
    trace_id: str
    traceparent: str
    request_id: str
    ends: float
    is_hurried: bool = False
    """Whether that is sooner than all steps together may take."""
    is_dry: bool = False
    provider: Pretended = "real"


class Called(msgspec.Struct, Generic[T], frozen=True):
    """The outcome of a step; `reason` says why there is no value, also where nobody was called."""

    value: T | None = None
    cause: Cause | None = None
    attempts: int = 0
    latency_ms: float = 0.0
    why: str = ""
    told: str = ""
    reason: str = ""


class Course:
    """The way of one request. `payload` is the message, and behind the provider that with its output in it."""

    decision: Decision | None = None
    said: Said | None = None
    why = ""
    """What became of the last call that was needed and failed, in words of ours."""

    def __init__(self, pipeline: Pipeline, calls: Calls, given: Given, watch: Watch | None = None) -> None:
        self.pipeline = pipeline
        self.calls = calls
        self.given = given
        self.trace: list[Executed] = []
        self._watch = watch
        self._headers = {"traceparent": given.traceparent, "X-Request-Id": given.request_id}
        self.head = requests.head_of(given.trace_id, given.tenant_id)
        self.message = given.message
        self.carry(given.message)
        self.know(given.context)

    def carry(self, payload: Mapping[str, Any]) -> None:
        """From now on this is what it is about."""
        self.payload = payload
        self._payload = requests.encode(payload)

    def know(self, context: Mapping[str, Any]) -> None:
        """From now on this is what conditions look at."""
        self.context = context
        self._metadata = requests.encode(requests.metadata_of(context))

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return len(self._payload)

    def require_sizes(self) -> None:
        """Refuse what is too large for everybody, or for a step that is needed, before anything is called (S-1)."""
        if len(self._payload) > LARGEST:
            self.fail("PAYLOAD_TOO_LARGE", None, None, Fault("message", f"must be at most {LARGEST} bytes"))
        if len(self._metadata) > LARGEST_METADATA:
            self.fail("METADATA_TOO_LARGE", None, None, Fault("context", f"must be at most {LARGEST_METADATA} bytes"))
        line = self.pipeline
        for step in (*line.pre, *line.validators):
            if step.lenient is None and (reason := self._too_large(step)) and holds(step.when, self.context):
                field = "message" if reason.startswith("PAYLOAD") else "context"
                self.fail(reason, step, None, Fault(field, f"is larger than {step.id} takes"))

    def begins(self, step: Prepared) -> bool:
        """Whether it is to be called; its line in the trace is written if not. `RunFailed` when time is up."""
        self.require_time()
        if step.when and not holds(step.when, self.context):
            self.skip(step, "when", matched=False)
        elif step.missing and step.lenient and step.type != "validator":
            self.skip(step, step.missing)
        else:
            return True
        return False

    def require_time(self) -> None:
        """`RunFailed` if the deadline is past."""
        if self.is_late:
            self.fail(LATE)

    @property
    def is_late(self) -> bool:
        return self.calls.clock() >= self.given.ends

    def _rest(self) -> Iterator[Prepared]:
        """The steps that have not begun; where no provider was asked, all of them."""
        line, done = self.pipeline, len(self.trace)
        first = (*line.pre, *line.validators)
        yield from first[done:]
        if done <= len(first):
            yield from line.providers
        yield from line.post[sum(one.type == "post" for one in self.trace) :]

    def skip(self, step: Prepared, reason: str, *, matched: bool = True) -> None:
        line = _line(step, "skipped", reason)
        self.trace.append(line)
        if self._watch:
            self._watch(Seen(step, line, self.payload, self.payload, matched=matched))

    def call(self, step: Prepared, read: Callable[[Letter], T]) -> Coroutine[Any, Any, Called[T]]:
        """Ask pre, validator or post."""
        body = requests.for_processor(self.head, self._payload, self._metadata, step.config, step.told)
        return self.ask(step, body, read)

    async def ask(self, step: Prepared, body: bytes, read: Callable[[Letter], T]) -> Called[T]:
        """One call. Who is missing is not called (F-23), and nobody gets more than they take."""
        reason = step.missing or self._too_large(step)
        if reason or step.record is None:
            return Called(cause=NOT_CALLED[reason or ""], reason=reason or "")
        given = self.given
        asked = Asked(
            step.record,
            body,
            step.timeout_ms,
            step.retry,
            given.ends,
            self._headers,
            given.is_dry,
            self.pipeline.customer_id,
        )
        one = await self.calls.call(asked, read)
        reason, why = REASONS[one.cause] if one.cause else "", one.why
        if one.cause == "timeout" and self._is_cut_short(step, one.latency_ms):
            reason, why = LATE, "the time of the whole run was over before it answered"
        return Called(one.value, one.cause, one.attempts, one.latency_ms, why, one.told, reason)

    def _is_cut_short(self, step: Prepared, latency_ms: float) -> bool:
        """Whether a call that took so long had less time than is its own."""
        return self.given.is_hurried and self.is_late and latency_ms < longest_ms(step.timeout_ms, step.retry)

    def _too_large(self, step: Prepared) -> str | None:
        if len(self._payload) > step.largest:
            return "PAYLOAD_TOO_LARGE"
        return "METADATA_TOO_LARGE" if len(self._metadata) > step.largest_metadata else None

    def note(
        self,
        step: Prepared,
        status: str,
        outcome: Called[Any],
        entered: Any,
        left: Any = None,
        *,
        reason: str | None = None,
        would_block: bool = False,
    ) -> None:
        """A line of the trace: what became of a call."""
        line = _line(step, status, reason or outcome.reason or None, outcome)
        self.trace.append(line)
        self.why = outcome.why if would_block else ""
        if self._watch:
            self._watch(Seen(step, line, entered, left, would_block=would_block, told=outcome.told or outcome.why))

    def fail(
        self,
        reason: str,
        step: Prepared | None = None,
        cause: str | None = None,
        *faults: Fault,
        stage: Stage | None = None,
        is_reject: bool = False,
    ) -> NoReturn:
        """End it all; where that is because time is up, the rest is in the trace, as skipped."""
        if LATE in (reason, cause) and not is_reject:
            for one in list(self._rest()):
                self.skip(one, "deadline")
        raise RunFailed(
            reason,
            *faults,
            policy_id=self.pipeline.policy_id,
            stage=step.stage if step else stage,
            extension_id=step.id if step else None,
            cause=cause,
            trace=self.trace,
            is_reject=is_reject,
        )


def _line(step: Prepared, status: str, reason: str | None, outcome: Called[Any] | None = None) -> Executed:
    latency_ms, attempts = (round(outcome.latency_ms, 3), outcome.attempts) if outcome else (0.0, 0)
    revision = step.record.revision if step.record else None
    return Executed(step.type, step.id, status, reason, latency_ms, attempts, revision)
