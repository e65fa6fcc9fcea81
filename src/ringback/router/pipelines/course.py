"""One request on its way through a pipeline: what it carries, whom it may still ask, and what became of it so far."""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol, TypeVar

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

    def call(self, asked: Asked, read: Callable[[Letter], T]) -> Coroutine[Any, Any, Outcome[T]]: ...


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
        self._clock = calls.clock
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
        if self._clock() >= self.given.ends:
            self.fail(LATE)

    def _rest(self) -> Iterator[Prepared]:
        """The steps that have not begun; where no provider was asked, all of them."""
        line, done = self.pipeline, len(self.trace)
        first = (*line.pre, *line.validators)
        yield from first[done:]
        if done <= len(first):
            yield from line.providers
        yield from line.post[sum(one.type == "post" for one in self.trace) :]

    def skip(self, step: Prepared, reason: str, *, matched: bool = True) -> None:
        line = Executed(step.type, step.id, "skipped", reason, 0.0, 0, step.revision)
        self.trace.append(line)
        if self._watch:
            self._watch(Seen(step, line, self.payload, self.payload, matched=matched))

    def call(self, step: Prepared, read: Callable[[Letter], T]) -> Coroutine[Any, Any, Outcome[T]]:
        """Ask pre, validator or post."""
        body = requests.for_processor(self.head, self._payload, self._metadata, step)
        return self.ask(step, body, read)

    def ask(self, step: Prepared, body: bytes, read: Callable[[Letter], T]) -> Coroutine[Any, Any, Outcome[T]]:
        """One call. Who is missing is not called (F-23), and nobody gets more than they take."""
        reason = step.missing or self._too_large(step)
        if reason or step.record is None:
            return _not_called(reason or "")
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
        return self.calls.call(asked, read)

    def _is_cut_short(self, step: Prepared, latency_ms: float) -> bool:
        """Whether a call that took so long had less time than is its own."""
        given = self.given
        return given.is_hurried and self._clock() >= given.ends and latency_ms < longest_ms(step.timeout_ms, step.retry)

    def _too_large(self, step: Prepared) -> str | None:
        if len(self._payload) > step.largest:
            return "PAYLOAD_TOO_LARGE"
        return "METADATA_TOO_LARGE" if len(self._metadata) > step.largest_metadata else None

    def note(
        self,
        step: Prepared,
        status: str,
        outcome: Outcome[Any],
        entered: Any,
        left: Any = None,
        *,
        reason: str | None = None,
        would_block: bool = False,
    ) -> None:
        """A line of the trace: what became of a call, which has its reason then."""
        if outcome.cause and not outcome.reason:
            outcome.reason = REASONS[outcome.cause]
            if outcome.cause == "timeout" and self._is_cut_short(step, outcome.latency_ms):
                outcome.reason, outcome.why = LATE, "the time of the whole run was over before it answered"
        ms = round(outcome.latency_ms * 1000) / 1000  # a tenth of the time of round(…, 3)
        reason = reason or outcome.reason or None
        line = Executed(step.type, step.id, status, reason, ms, outcome.attempts, step.revision)
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


async def _not_called(reason: str) -> Outcome[Any]:
    return Outcome(cause=NOT_CALLED[reason], reason=reason)
