"""Runs over REST: `/v1.0/router/pipelines:run` and `:dry_run`; no transaction is open while router extensions work."""

from typing import Any, Final

import structlog

from ringback.api.call import Answer, Call, Route
from ringback.kit.columns import NIL
from ringback.kit.routing import Routes
from ringback.router.pipelines.errors import PayloadTooLarge
from ringback.router.pipelines.running import Run
from ringback.router.pipelines.wire import PipelineDryRun, PipelineResult, PipelineRun, PipelineTrial
from ringback.router.policies.deadlines import LONGEST
from ringback.router.work import Uow

ROOT: Final = "/v1.0/router/pipelines"
ABOUT: Final[dict[str, Any]] = {
    "right": "run a pipeline",
    "reads": True,
    "attended": True,
    "patience": LONGEST / 1000 + 5,
    "largest": 1 << 21,
    "too_large": PayloadTooLarge,
    "fails": (404, 500, 504),
}
"""A run changes nothing of ours, so it needs no key to be sent again: it is run again. It ends when its asker goes."""

log = structlog.get_logger()
routes: Routes[Route] = Routes(service="router-manager", **ABOUT)


@routes.on("POST", f"{ROOT}:run", name="run_pipeline", body=PipelineRun, answers=PipelineResult)
async def run(call: Call[Uow]) -> Answer:
    """Run a message through the pipeline of a policy.

    It answers when all of it is done, which may take as long as the deadline says. If whoever asks goes away, the
    rest is not done. A failure has `error.run` with what was executed.
    """
    asked = Run.of(call.body, call.customer_id, call.caller.require, call.request_id, call.traceparent)
    done = await call.uow.pipelines.run(asked)
    if call.request_id:  # whoever runs it in a process of their own sees it anyway
        steps = [f"{one.id} {one.status}" for one in done.executed_extensions]
        policy_id: str = call.body.policy_id
        log.info("ran", action="pipeline", policy_id=policy_id, trace_id=done.trace_id, status="ok", steps=steps)
    return Answer(done)


@routes.on(
    "POST", f"{ROOT}:dry_run", name="dry_run_pipeline", body=PipelineDryRun, answers=PipelineTrial, whose="either"
)
async def dry_run(call: Call[Uow]) -> Answer:
    """Try what a run would do: router extensions are really called, and told that it is a dry run.

    The provider is not, unless that is asked for. A run that would fail is an answer, too. Whoever sends a policy
    along needs the right to write policies as well.
    """
    customer_id = None if call.customer_id == NIL else call.customer_id
    asked = Run.of(call.body, customer_id, call.caller.require, call.request_id, call.traceparent)
    return Answer(await call.uow.pipelines.dry_run(asked))
