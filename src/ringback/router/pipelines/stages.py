"""The stages of a pipeline in their order: pre, validators, provider, post on the provider's reply (router 5.2)."""

from typing import Any

import structlog

from ringback.kit.errors import Fault
from ringback.router.invoking.outcome import Outcome
from ringback.router.pipelines import replies, requests
from ringback.router.pipelines.compiling import Prepared
from ringback.router.pipelines.course import Course
from ringback.router.pipelines.errors import FAILED, LATE, VALIDATOR_FAILED
from ringback.router.pipelines.providing import provide
from ringback.router.pipelines.replies import Processed, Verdict

log = structlog.get_logger()


async def run(course: Course) -> None:
    """All of it, or `RunFailed`. Strictly one after the other: each step sees what the one before has left."""
    line = course.pipeline
    for step in line.pre:
        await _process(course, step)
    for step in line.validators:
        await _validate(course, step)
    course.message = course.payload
    if line.providers:
        await provide(course)
    for step in line.post if course.said or not line.providers else ():
        await _process(course, step)


async def _process(course: Course, step: Prepared) -> None:
    """Pre or post: what it answers is what the next one gets."""
    if not course.begins(step):
        return
    before = course.payload
    called = await course.call(step, replies.processed if course.said is None else replies.processed_reply)
    if called.value is None:
        _failed(course, step, called)
        return
    _take(course, called.value)
    course.note(step, "ok", called, before, course.payload)


def _take(course: Course, done: Processed) -> None:
    if done.text is not None:
        course.carry({**course.payload, "payload": done.text})
    elif done.payload is not None:
        course.carry(done.payload)
    if done.metadata:
        course.know(requests.merged_metadata(course.context, done.metadata))


async def _validate(course: Course, step: Prepared) -> None:
    if not course.begins(step):
        return
    called = await course.call(step, replies.verdict)
    if called.value is None:
        _failed(course, step, called)
    elif called.value.is_fine:
        course.note(step, "ok", called, course.payload, _shown(called.value))
    else:
        _rejected(course, step, called, called.value)


def _rejected(course: Course, step: Prepared, called: Outcome[Any], verdict: Verdict) -> None:
    why, blocks = verdict.reason or VALIDATOR_FAILED, step.lenient is None
    status = step.lenient or "error"
    course.note(step, status, called, course.payload, _shown(verdict), reason=why, would_block=blocks)
    if step.lenient == "warn":
        log.warning("a validator rejects", action="pipeline", extension=step.id)
    if blocks:
        details = (Fault(name, str(value)) for name, value in verdict.details.items())
        course.fail("VALIDATOR_BLOCKED", step, why, *details, is_reject=True)


def _failed(course: Course, step: Prepared, called: Outcome[Any]) -> None:
    """The old payload is kept, or it all ends here (R-10b)."""
    blocks = step.lenient is None
    course.note(step, step.lenient or "error", called, course.payload, would_block=blocks)
    if step.lenient == "warn":
        log.warning("a router extension failed", action="pipeline", extension=step.id, reason=called.reason)
    if blocks and step.type == "validator":
        course.fail("VALIDATOR_BLOCKED", step, LATE if called.reason == LATE else VALIDATOR_FAILED)
    if blocks:
        course.fail(FAILED[step.stage][0], step, called.reason)


def _shown(verdict: Verdict) -> dict[str, Any]:
    status = "ok" if verdict.is_fine else "reject"
    return {"status": status, "reason": verdict.reason, "details": dict(verdict.details)}
