"""Runs requests through pipelines: each with one snapshot of the registry, within its deadline, without a statement."""

import os
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final, Self
from uuid import UUID

import msgspec
import structlog

from ringback.customers.rights import POLICIES, Right
from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.log import new_request_id
from ringback.router.extensions.registry import Registry
from ringback.router.pipelines import requests, stages
from ringback.router.pipelines.compiling import Compiler, Pipeline, compiled
from ringback.router.pipelines.course import Calls, Course, Given, Watch
from ringback.router.pipelines.errors import KINDS, RunFailed
from ringback.router.pipelines.trials import Trial
from ringback.router.pipelines.wire import (
    PipelineDryRun,
    PipelineResult,
    PipelineRun,
    PipelineTrial,
    Pretended,
    ProviderReply,
)
from ringback.router.policies.conditions import SERVER_VALUES
from ringback.router.policies.document import understood

DRY_RUN: Final = "dry_run"
NEVER: Final = 1 << 53
"""Milliseconds since 1970, far ahead: an integer beyond what a float can be is as good."""

log = structlog.get_logger()


def new_trace_id() -> str:
    """32 hexadecimal digits, as W3C trace contexts have them."""
    return os.urandom(16).hex()


class Run(msgspec.Struct, frozen=True):
    """A message for the pipeline of a customer's policy; `deadline_ms` from now on, if the policy gives no less.

    A dry run may bring a `document` in the place of the policy, and says who replies.
    """

    customer_id: UUID | None
    policy_id: str | None
    message: Mapping[str, Any]
    context: Mapping[str, Any] = {}
    deadline_ms: int | None = None
    trace_id: str | None = None
    traceparent: str | None = None
    request_id: str = ""
    document: Mapping[str, Any] | None = None
    provider: Pretended = "mock"

    @classmethod
    def of(
        cls,
        body: PipelineRun | PipelineDryRun,
        customer_id: UUID | None,
        require: Callable[[Right], None],
        request_id: str,
        traceparent: str = "",
    ) -> Self:
        """What a request asks for. It may bring a document if who asks may store one: `require` raises if not."""
        dry = body if isinstance(body, PipelineDryRun) else None
        if dry and dry.policy is not None:
            require(POLICIES)
        if body.policy_id and customer_id is None:
            raise ValidationFailed(Fault("customer_id", "is required with the operator's key", "wrong_type"))
        return cls(
            customer_id=customer_id,
            policy_id=body.policy_id,
            message=body.message or (dry and dry.payload) or {},
            context=body.context or {},
            deadline_ms=body.deadline_ms,
            trace_id=body.trace_id,
            traceparent=traceparent or None,
            request_id=request_id,
            document=dry.policy if dry else None,
            provider=dry.provider if dry else "real",
        )


class Pipelines:
    """All runs of one process. `dry_runs` were asked for by those who may, `ignored` by those who cannot (R-10c)."""

    def __init__(
        self,
        registry: Registry,
        calls: Calls,
        *,
        now: Callable[[], float] = time.time,
        ids: Callable[[], str] = new_trace_id,
        environment: str = "",
    ) -> None:
        """`now` are seconds since 1970; `environment` is what conditions know as that, if it is anything."""
        self.dry_runs = 0
        self.ignored = 0
        self._compiler = Compiler(registry)
        self._calls = calls
        self._now = now
        self._ids = ids
        self._own = {"environment": environment} if environment else {}

    async def run(self, asked: Run) -> PipelineResult:
        """What becomes of a message. Raises `RunFailed`, `ValidationFailed`, `PolicyNotFound`, `NotReady`."""
        pipeline = self._compiler.pipeline(asked.customer_id, asked.policy_id or "")
        given = self._given(asked, pipeline)
        course = await self._go(pipeline, given)
        reply = None
        if course.said and course.decision:
            payload = course.payload
            metadata = payload.get("metadata")
            reply = ProviderReply(
                course.decision.provider_id,
                payload["payload"],
                dict(course.said.usage),
                metadata if isinstance(metadata, dict) else {},
            )
        message = dict(course.message if reply else course.payload)
        return PipelineResult(message, reply, course.decision, course.trace, given.request_id, given.trace_id)

    async def dry_run(self, asked: Run) -> PipelineTrial:
        """What would become of it: all are really asked, and told so. A run that fails is an answer here, too."""
        if asked.document is None:
            pipeline = self._compiler.pipeline(asked.customer_id, asked.policy_id or "", or_disabled=True)
        else:
            extensions = self._compiler.extensions
            declared, _ = understood(asked.document, extensions, asked.customer_id, place="policy")
            pipeline = compiled(declared, extensions, asked.customer_id, None)
        self.dry_runs += 1
        given = msgspec.structs.replace(self._given(asked, pipeline), is_dry=True, provider=asked.provider)
        trial = Trial(given)
        try:
            course = await self._go(pipeline, given, trial.note)
        except RunFailed as failure:
            return trial.failed(failure)
        return trial.told(course)

    async def _go(self, pipeline: Pipeline, given: Given, watch: Watch | None = None) -> Course:
        """Through all of it. What went wrong or was tried is logged; what went well is its asker's to tell."""
        began = self._calls.clock()
        course = Course(pipeline, self._calls, given, watch)
        status = "cancelled"
        try:
            course.require_sizes()
            await stages.run(course)
            status = "ok"
        except RunFailed as failure:
            status = failure.reason
            raise
        finally:
            if given.is_dry or status != "ok":
                _log(course, status, self._calls.clock() - began)
        return course

    def _given(self, asked: Run, pipeline: Pipeline) -> Given:
        message, context = self._undirected(asked.message, asked.context)
        trace_id, traceparent = requests.traced(asked.trace_id, asked.traceparent, self._ids)
        seconds = _seconds(asked, pipeline, self._now())
        own = {**self._own, "tenant_id": pipeline.tenant_id, "policy_id": pipeline.policy_id, "trace_id": trace_id}
        if isinstance(type := message.get("message_type"), str):
            own["message_type"] = type
        return Given(
            message=message,
            context={**{name: value for name, value in context.items() if name not in SERVER_VALUES}, **own},
            tenant_id=pipeline.tenant_id,
            trace_id=trace_id,
            traceparent=traceparent,
            request_id=asked.request_id or new_request_id(),
            ends=self._calls.clock() + seconds,
            is_hurried=seconds * 1000 < pipeline.longest_ms,
        )

    def _undirected(
        self, message: Mapping[str, Any], context: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Both without the wish that nothing be really done: that is for those who may ask for a dry run."""
        metadata = message.get("metadata")
        within = isinstance(metadata, dict) and DRY_RUN in metadata
        if not (within or DRY_RUN in message or DRY_RUN in context):
            return message, context
        self.ignored += 1
        cleaned = _without(message)
        return ({**cleaned, "metadata": _without(metadata)} if within else cleaned), _without(context)


def _log(course: Course, status: str, seconds: float) -> None:
    """Ids, statuses, sizes, and why a call failed; never a word of the message or of the context (S-4)."""
    given, more = course.given, {"why": course.why} if course.why else {}
    if given.is_dry:
        more["sha256"] = sha256(requests.encode(given.message)).hexdigest()
    log.info(
        "tried" if given.is_dry else "ran",
        action="pipeline",
        customer_id=given.tenant_id,
        policy_id=course.pipeline.policy_id,
        request_id=given.request_id,
        trace_id=given.trace_id,
        status=status,
        ms=round(seconds * 1000, 1),
        size=len(requests.encode(given.message)),
        steps=[
            " ".join(filter(None, (one.id, one.status, one.reason if one.reason in KINDS else None)))
            for one in course.trace
        ],
        **more,
    )


def _without(document: Any) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != DRY_RUN}


def _seconds(asked: Run, pipeline: Pipeline, now: float) -> float:
    """How long it may take: the least of what the policy, the request and the client's `context.deadline` give."""
    given = [pipeline.deadline_ms] if asked.deadline_ms is None else [pipeline.deadline_ms, asked.deadline_ms]
    client = asked.context.get("deadline")
    if client is None:
        return min(given) / 1000
    if isinstance(client, bool) or not isinstance(client, int | float):
        raise ValidationFailed(Fault("context.deadline", "must be a time in milliseconds since 1970", "wrong_type"))
    return min(*given, max(0, min(client, NEVER)) - now * 1000) / 1000
