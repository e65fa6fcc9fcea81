"""Shapes of runs: what is asked for, and what is shown (router 6.3, 5.4)."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import msgspec

from ringback.kit.errors import Fault
from ringback.router.depth import DEEPEST, is_deep
from ringback.router.policies.deadlines import LONGEST
from ringback.router.ruled import Ruled

Object = dict[str, Any]
PolicyId = Annotated[
    str,
    msgspec.Meta(pattern="^[A-Za-z0-9_.-]{1,255}$", description="1 to 255 letters, digits and _ . -"),
]
Message = Annotated[
    Object, msgspec.Meta(description="an object: message_id, message_type, payload (a text, mostly) and metadata")
]
Context = Annotated[Object, msgspec.Meta(description="an object: what conditions look at and processors are told")]
DeadlineMs = Annotated[
    int, msgspec.Meta(ge=1, le=LONGEST, description=f"milliseconds that all of it may take, 1 to {LONGEST}")
]
TraceId = Annotated[
    str, msgspec.Meta(pattern="^[A-Za-z0-9_.:-]{1,128}$", description="1 to 128 letters, digits and _ . : -")
]
Pretended = Literal["mock", "none", "real"]


class Sent(Ruled, frozen=True, kw_only=True):
    """What a run and a dry run have in common."""

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        for name in ("message", "payload", "context"):
            if is_deep(values.get(name)):
                yield Fault(name, f"must have at most {DEEPEST} levels", "too_large")


class PipelineRun(Sent, frozen=True, kw_only=True):
    """A message for a pipeline."""

    policy_id: PolicyId
    message: Message
    context: Context | None = None
    deadline_ms: DeadlineMs | None = None
    trace_id: TraceId | None = None


class PipelineDryRun(Sent, frozen=True, kw_only=True):
    """The same on trial: by a policy that is there, or by one that is sent along."""

    policy_id: PolicyId | None = None
    policy: Annotated[Object, msgspec.Meta(description="a policy document, in the place of policy_id")] | None = None
    message: Message | None = None
    payload: Annotated[Object, msgspec.Meta(description="an object: Beamline's name of message")] | None = None
    context: Context | None = None
    deadline_ms: DeadlineMs | None = None
    trace_id: TraceId | None = None
    provider: Annotated[
        Pretended, msgspec.Meta(description="who replies: nobody is asked, none replies, or the real one is asked")
    ] = "mock"

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        yield from Sent.faults_together(values)
        for one, other in (("policy_id", "policy"), ("message", "payload")):
            if one in values and other in values:
                yield Fault(other, f"stands for {one}: give one of them")
            elif one not in values and other not in values:
                yield Fault(one, f"is required, or {other} in its place")


class Executed(msgspec.Struct, frozen=True):
    """What became of one step (P-4): `reason` says why, where it is not `ok`."""

    type: str
    id: str
    status: str
    reason: str | None
    latency_ms: float
    attempts: int
    revision: int | None


class ProviderReply(msgspec.Struct, frozen=True):
    """What the provider said, after all that works on it."""

    provider_id: str
    output: Any
    usage: Object
    metadata: Object


class Decision(msgspec.Struct, frozen=True):
    """Which provider, why (`only`, `sticky`, `weighted`, `fallback`), and which one in turn: 1 was the first asked."""

    provider_id: str
    reason: str
    priority: int


class PipelineResult(msgspec.Struct, frozen=True):
    """What became of a message; reply and decision are null where the pipeline has no provider."""

    message: Object
    reply: ProviderReply | None
    decision: Decision | None
    executed_extensions: list[Executed]
    request_id: str
    trace_id: str


class TrialFault(msgspec.Struct, frozen=True):
    """Why a step, or all of it, failed; of what a router extension said about it the beginning, without PII."""

    reason: str
    message: str


class TrialStep(msgspec.Struct, frozen=True):
    """One step on trial: what went in, what came out, and the difference (RFC 6902)."""

    stage: str
    id: str
    type: str
    status: str
    latency_ms: float
    attempts: int
    matched: bool
    config: Object
    input: Any
    output: Any
    diff: list[Object]
    would_block: bool
    error: TrialFault | None


class PipelineTrial(msgspec.Struct, frozen=True):
    """What a run would have done. `blocked_by` ended it; then there is no final payload."""

    decision: Decision | None
    executed_extensions: list[Executed]
    final_payload: Any
    blocked_by: str | None
    provider_selected: str | None
    post_processors_executed: list[str]
    steps: list[TrialStep]
    error: TrialFault | None
    request_id: str
    trace_id: str
