"""A dry run as it is told: every step with what went in, what came out, and the difference (router 5.4)."""

from collections.abc import Mapping
from typing import Any, Final

import jsonpatch

from ringback.router.pipelines.course import Course, Given, Seen
from ringback.router.pipelines.errors import KINDS, RunFailed
from ringback.router.pipelines.wire import Executed, PipelineTrial, TrialFault, TrialStep
from ringback.router.secrets import redacted

MOST_VALUES: Final = 1000
"""In both documents whose difference is told value by value."""


class Trial:
    """What was seen of one dry run."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._seen: list[Seen] = []

    def note(self, seen: Seen) -> None:
        self._seen.append(seen)

    def told(self, course: Course) -> PipelineTrial:
        """Of a run that came to its end."""
        return self._whole(course.trace, course.payload, course)

    def failed(self, failure: RunFailed) -> PipelineTrial:
        """Of one that would have failed: there is no payload at the end."""
        return self._whole(failure.trace, None, failure=failure)

    def _whole(
        self,
        trace: list[Executed],
        payload: Mapping[str, Any] | None,
        course: Course | None = None,
        failure: RunFailed | None = None,
    ) -> PipelineTrial:
        decision = course.decision if course else None
        return PipelineTrial(
            decision=decision,
            executed_extensions=trace,
            final_payload=payload,
            blocked_by=failure.extension_id if failure else None,
            provider_selected=decision.provider_id if decision else None,
            post_processors_executed=[
                one.line.id for one in self._seen if one.line.type == "post" and one.line.status == "ok"
            ],
            steps=list(map(_step, self._seen)),
            error=TrialFault(failure.reason, failure.sentence) if failure else None,
            request_id=self._given.request_id,
            trace_id=self._given.trace_id,
        )


def _step(seen: Seen) -> TrialStep:
    line, changes = seen.line, seen.step.type in ("pre", "post") and seen.line.status == "ok"
    failed = line.reason is not None and line.status != "skipped"
    return TrialStep(
        stage=seen.step.stage,
        id=line.id,
        type=line.type,
        status=line.status,
        latency_ms=line.latency_ms,
        attempts=line.attempts,
        matched=seen.matched,
        config=redacted(seen.step.effective),
        input=seen.entered,
        output=seen.left,
        diff=_difference(seen.entered, seen.left) if changes else [],
        would_block=seen.would_block,
        error=TrialFault(line.reason or "", seen.told or _sentence(line.reason)) if failed else None,
    )


def _difference(before: Any, after: Any) -> list[dict[str, Any]]:
    """RFC 6902; of what holds many values it is all of it, since to find what moved where takes long."""
    if _values(before) + _values(after) <= MOST_VALUES:
        return list(jsonpatch.make_patch(before, after))
    return [] if before == after else [{"op": "replace", "path": "", "value": after}]


def _values(document: Any) -> int:
    if isinstance(document, dict):
        return 1 + sum(map(_values, document.values()))
    return 1 + sum(map(_values, document)) if isinstance(document, list) else 1


def _sentence(reason: str | None) -> str:
    known = KINDS.get(reason or "")
    return known.sentence if known else "It is rejected."
