"""What the admin subjects answer: health, breakers and complexity to readers, dry runs to those who may run."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from ringback.customers.rights import PIPELINE
from ringback.kit.errors import DatabaseUnavailable, Failure, Internal
from ringback.kit.reading import Asked, Identity, read
from ringback.router.admin.door import Question, Subject, refusal
from ringback.router.extensions import service
from ringback.router.extensions.health import Health, health_of, healths, recent
from ringback.router.extensions.wire import told_breaker, told_health
from ringback.router.pipelines.complexity import PipelineComplexity, complexity
from ringback.router.pipelines.running import Run
from ringback.router.pipelines.wire import PipelineDryRun
from ringback.router.policies.deadlines import LONGEST
from ringback.router.policies.document import declared
from ringback.router.policies.model import PolicyNotFound
from ringback.router.work import Uow

READ: Final = "read extensions"
BLOCKED: Final = "VALIDATOR_BLOCKED"
PATIENCE: Final = LONGEST / 1000 + 5
"""Seconds; a run ends by its own deadline before."""
TOP: Final = ("success_rate", "p50_latency_ms", "p95_latency_ms", "p99_latency_ms", "latency_samples")
"""What of the window stands at the top level, too."""
STATE: Final = ("extension_id", "state", "opened_at", "failure_count", "error_rate")
"""What of a breaker is told here."""


class OfTenant(Asked, frozen=True, kw_only=True):
    """Whose: `tenant_id` is a customer's id."""

    tenant_id: Identity | None = None


class OfPolicy(OfTenant, frozen=True, kw_only=True):
    """Which policy of whom."""

    policy_id: str


async def get_extension_health(question: Question) -> object:
    """How all router extensions do that whoever asks may see."""
    customer_id = question.whose()

    async def verb(uow: Uow) -> dict[str, Any]:
        known = await healths(uow)
        ids = [one.id for one in service.list_all(uow) if one.is_for(customer_id)]
        return {id: _health(known.get(id) or health_of(uow, id, ())) for id in ids}

    return {"health": await question.work.read(verb)}


async def get_circuit_breaker_states(question: Question) -> object:
    """The breakers of all router extensions that whoever asks may see, as REST lists them."""
    customer_id = question.whose()

    async def verb(uow: Uow) -> dict[str, Any]:
        known = await _known(uow)
        visible = [one for one in service.list_all(uow) if one.is_for(customer_id)]
        told = [told_breaker(one, known(one.id), recent(uow, one.id)) for one in visible]
        return {one.extension_id: {name: getattr(one, name) for name in STATE} for one in told}

    return {"states": await question.work.read(verb)}


async def get_pipeline_complexity(question: Question) -> PipelineComplexity:
    """How complex a stored policy is, enabled or not."""
    customer_id = question.customer()

    async def verb(uow: Uow) -> PipelineComplexity:
        policy = uow.registry.served().policy(customer_id, question.body.policy_id)
        known = await _known(uow)
        return complexity(declared(policy.document), lambda id: told_health(known(id)).window.p95_latency_ms)

    return await question.work.read(verb)


async def _known(uow: Uow) -> Callable[[str], Health]:
    """How each router extension does; while the database is away, what this node knows of it."""
    stored: Mapping[str, Health] | None = None
    if not uow.registry.keeper.is_degraded:
        with suppress(DatabaseUnavailable):
            stored = await healths(uow)
    if stored is None:
        return lambda id: health_of(uow, id, None)
    found = stored
    return lambda id: found.get(id) or health_of(uow, id, ())


async def dry_run_pipeline(question: Question) -> object:
    """What a run would do, as REST tells it. One that would fail, and not by a validator's word, is a failure here."""
    said = {name: value for name, value in question.said.items() if name != "tenant_id"}
    body = read(PipelineDryRun, said, refuse_unknown=True)
    customer_id = question.customer() if body.policy_id else question.whose()
    run = Run.of(body, customer_id, question.caller.require, question.request_id, question.traceparent)
    trial = await question.work.read(lambda uow: uow.pipelines.dry_run(run), patience=PATIENCE)
    if trial.error and trial.error.reason != BLOCKED:
        failure = TrialFailed.of(trial.error.reason, trial.error.message)
        failure.more = {"blocked_by": trial.blocked_by, "executed_extensions": trial.executed_extensions}
        raise failure
    return {"ok": True, "result": trial}


class TrialFailed(Failure):
    """The pipeline would fail."""


def _by_old_code(failure: Failure) -> dict[str, Any]:
    """An error of a dry run: one of Beamline's own codes, and ours beside it."""
    told = refusal(failure)
    if isinstance(failure, TrialFailed):
        code = "PIPELINE_ERROR"
    elif isinstance(failure, PolicyNotFound):
        code = failure.reason
    else:
        code = "INVALID_ARGUMENT" if failure.code < Internal.code else "INTERNAL_ERROR"
    return {**told, "code": code, "details": {"code": told["code"], **told["details"]}}


def _health(one: Health) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(told_health(one))
    return {**shown, **{name: shown["window"][name] for name in TOP}}


SUBJECTS: Final = (
    Subject("get_extension_health", READ, OfTenant, get_extension_health),
    Subject("get_circuit_breaker_states", READ, OfTenant, get_circuit_breaker_states),
    Subject("get_pipeline_complexity", READ, OfPolicy, get_pipeline_complexity),
    Subject("dry_run_pipeline", PIPELINE, OfTenant, dry_run_pipeline, _by_old_code, is_open=False, waits=True),
)
