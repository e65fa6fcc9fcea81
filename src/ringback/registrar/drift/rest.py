"""Drift for the operator: `/v1.0/drift`."""

from typing import Any, Final

from ringback.api.call import Answer, Call, Route
from ringback.kit.routing import Routes
from ringback.registrar.drift import service, wire
from ringback.registrar.work import Uow

ROOT: Final = "/v1.0/drift"
ABOUT: Final[dict[str, Any]] = {"streams": True, "answers": wire.DriftReport}

routes: Routes[Route] = Routes(right="run the platform", whose="all")


@routes.on("GET", ROOT, name="list_drift", query=wire.ListDrift, **ABOUT)
async def find(call: Call[Uow]) -> Answer:
    """List what differs between what Ringback knows and what the SIP servers read, row by row."""
    assert call.flow
    return Answer(wire.report(await service.look(call.flow.work), call.query.page_size, dry_run=True))


@routes.on("POST", f"{ROOT}:repair", name="repair_drift", query=wire.RepairDrift, **ABOUT)
async def repair(call: Call[Uow]) -> Answer:
    """Make the SIP rows follow what Ringback knows, now; by itself it does so every `reconcile_interval`."""
    assert call.flow
    asked: wire.RepairDrift = call.query
    done = await service.repair(call.flow.work, no_grace=asked.force, most=asked.most)
    return Answer(wire.report(done, asked.page_size, dry_run=False))
