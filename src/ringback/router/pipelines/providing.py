"""The provider of a request: which one, and who instead of one that failed (router P-3)."""

from ringback.router.invoking.outcome import Cause, Outcome
from ringback.router.pipelines import replies, requests
from ringback.router.pipelines.choosing import chosen
from ringback.router.pipelines.compiling import Prepared
from ringback.router.pipelines.conditions import ABSENT, found
from ringback.router.pipelines.course import Course
from ringback.router.pipelines.replies import Said
from ringback.router.pipelines.wire import Decision
from ringback.router.secrets import discreet


async def provide(course: Course) -> None:
    """Ask one after the other, until one replies: then that is what the payload holds. `RunFailed` if none does."""
    tried: list[str] = []
    step, why = choice(course)
    last, failure = step, "NO_PROVIDER_AVAILABLE"
    cause = "unavailable" if step else _absence(course)
    while True:
        if step:
            course.require_time()
            tried.append(step.id)
            decision = Decision(step.id, why, len(tried))
            if course.given.provider != "real":
                _pretend(course, step, decision)
                return
            called = await _ask(course, step)
            if called.value is not None:
                course.decision = decision
                return
            last, failure, cause = step, called.reason, called.cause or "error"
        step, why = _fallback(course, cause, tried), "fallback"
        if step is None and last is None:
            course.fail(failure, stage="providers")
        if step is None:
            course.fail("PROVIDER_FAILED", last, failure)


def choice(course: Course) -> tuple[Prepared | None, str]:
    """Whom to ask first, if anybody, and why them."""
    line = course.pipeline
    here = {one.id: one for one in line.providers if _is_candidate(one) and not _is_open(course, one)}
    sticky = _text(found(line.sticky, course.context)) if line.sticky else ""
    id = chosen(sticky or course.given.trace_id, [(one.id, one.weight) for one in here.values()])
    why = "only" if len(line.providers) == 1 else "sticky" if sticky else "weighted"
    return here[id] if id else None, why


def _is_candidate(step: Prepared) -> bool:
    return step.weight > 0 and step.missing is None


def _is_open(course: Course, step: Prepared) -> bool:
    """Whether calls of it are refused now; what the operator forces is as the snapshot of this request has it."""
    forced = step.record.breaker_override if step.record else None
    return forced == "open" if forced else course.calls.is_open(step.id)


def _absence(course: Course) -> Cause:
    """Why there is nobody to ask: those who could be do not answer, or there is none."""
    return "unavailable" if any(map(_is_candidate, course.pipeline.providers)) else "disabled"


def _text(value: object) -> str:
    """A key as text; nothing where it is no scalar."""
    if value is ABSENT or value is None or isinstance(value, dict | list):
        return ""
    return value if isinstance(value, str) else requests.encode(value).decode()


def _fallback(course: Course, cause: Cause, tried: list[str]) -> Prepared | None:
    """The first one for such a failure who has not been asked; for what is too large there is none."""
    for words, step in course.pipeline.fallbacks:
        if step.id not in tried and cause != "too_large" and (cause in words or "any" in words):
            return step
    return None


async def _ask(course: Course, step: Prepared) -> Outcome[Said]:
    prompt, tenant_id = requests.prompt_of(course.payload), course.given.tenant_id
    conversation = discreet(course.context.get("conversation_id"))
    body = requests.for_provider(course.head, step, prompt, conversation, tenant_id)
    called = await course.ask(step, body, replies.said)
    if called.value is None:
        course.note(step, "error", called, prompt, would_block=True)
    else:
        _take(course, step, called.value)
        course.note(step, "ok", called, prompt, called.value.output)
    return called


def _take(course: Course, step: Prepared, said: Said) -> None:
    course.said = said
    provider = {"provider_id": step.id, "usage": said.usage}
    course.carry({**course.payload, "payload": said.output, "metadata": said.metadata, "provider": provider})


def _pretend(course: Course, step: Prepared, decision: Decision) -> None:
    """Nobody is asked: the reply is the prompt, or there is none, and then nothing works on it."""
    course.decision = decision
    prompt = requests.prompt_of(course.payload)
    if course.given.provider == "mock":
        _take(course, step, Said(prompt, metadata={"source": "mock"}))
    output = course.said and course.said.output
    course.note(step, "skipped", Outcome(reason=course.given.provider), prompt, output)
