"""The registry itself over REST: load it anew, how it is, what this node serves."""

from dataclasses import asdict
from typing import Any, Final

import msgspec

from ringback.api.call import Answer, Call, Route
from ringback.kit.routing import Routes
from ringback.router.secrets import redacted
from ringback.router.work import Uow

routes: Routes[Route] = Routes()
RUN: Final = "run the registry"


class RouterRejected(msgspec.Struct, frozen=True):
    """A row that somebody has broken; its last good version is served."""

    id: str
    description: str


class RouterReloaded(msgspec.Struct, frozen=True):
    """How a reload went; `changed` counts the records that are new, other or gone."""

    ok: bool
    revision: int
    changed: int
    rejected: list[RouterRejected]
    error: str | None


class RouterStats(msgspec.Struct, frozen=True):
    """The registry of the node that answers; `last_reload` is in milliseconds since 1970.

    `degraded`: the database does not answer; `snapshot_age_s` is the time since what is served was what it says.
    """

    node_id: str
    last_reload: int
    load_count: int
    error_count: int
    total_extensions: int
    enabled_extensions: int
    revision: int
    checksum: str
    hits: int
    misses: int
    source: str
    degraded: bool
    snapshot_age_s: float | None


class RouterEffective(msgspec.Struct, frozen=True):
    """All that the node that answers serves, without secrets."""

    node_id: str
    revision: int
    checksum: str
    extensions: list[dict[str, Any]]


@routes.on("POST", "/v1.0/router/registry:reload", name="reload_router", answers=RouterReloaded, right=RUN, reads=True)
async def reload(call: Call[Uow]) -> Answer:
    """Read everything anew, and adopt what was changed by SQL; a failure is told and changes nothing."""
    done = await call.uow.registry.keeper.reload()
    rejected = [RouterRejected(one.id, one.description) for one in done.rejected]
    return Answer(RouterReloaded(done.ok, done.revision, done.changed, rejected, done.error))


@routes.on("GET", "/v1.0/router/stats", name="get_router_stats", answers=RouterStats, right="read extensions")
async def stats(call: Call[Uow]) -> Answer:
    """Read what the registry of this node holds and how often it was loaded."""
    return Answer(RouterStats(call.uow.registry.node, **asdict(call.uow.registry.keeper.stats())))


@routes.on("GET", "/v1.0/router/effective", name="get_router_effective", answers=RouterEffective, right=RUN)
async def effective(call: Call[Uow]) -> Answer:
    """Read all that this node serves."""
    now = call.uow.registry.snapshot
    served = [redacted(now.by_id[id].document()) for id in sorted(now.by_id)]
    return Answer(RouterEffective(call.uow.registry.node, now.revision, now.checksum, served))
