"""The registry itself over REST: load it anew, how it is, what this node serves."""

from typing import Any, Final

import msgspec

from ringback.api.call import Answer, Call, Route
from ringback.kit.routing import Routes
from ringback.router.extensions.loading import LOADING, TRIES
from ringback.router.extensions.reports import RouterReloaded, RouterStats
from ringback.router.policies.service import order_of
from ringback.router.secrets import redacted
from ringback.router.work import Uow

routes: Routes[Route] = Routes(service="router-manager", whose="all")
RUN: Final = "run the registry"


class RouterEffective(msgspec.Struct, frozen=True):
    """All that the node that answers serves, without secrets."""

    node_id: str
    revision: int
    checksum: str
    extensions: list[dict[str, Any]]
    policies: list[dict[str, Any]]


@routes.on(
    "POST",
    "/v1.0/router/registry:reload",
    name="reload_router",
    answers=RouterReloaded,
    right=RUN,
    reads=True,
    patience=TRIES * LOADING,
)
async def reload(call: Call[Uow]) -> Answer:
    """Read everything anew, and adopt what was changed by SQL; a failure is told and changes nothing."""
    return Answer(await call.uow.registry.reload())


@routes.on("GET", "/v1.0/router/stats", name="get_router_stats", answers=RouterStats, right="read extensions")
async def stats(call: Call[Uow]) -> Answer:
    """Read what the registry of this node holds and how often it was loaded."""
    return Answer(call.uow.registry.stats())


@routes.on("GET", "/v1.0/router/effective", name="get_router_effective", answers=RouterEffective, right=RUN)
async def effective(call: Call[Uow]) -> Answer:
    """Read all that this node serves."""
    now = call.uow.registry.served()
    served = [redacted(now.by_id[id].document()) for id in sorted(now.by_id)]
    policies = [redacted(one.record()) for one in sorted(now.policies.values(), key=order_of)]
    return Answer(RouterEffective(call.uow.registry.node, now.revision, now.checksum, served, policies))
