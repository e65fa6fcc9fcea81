"""The nodes of the router over REST: who is there, and which revision each serves."""

from typing import Any

import msgspec

from ringback.api.call import Answer, Call, Route
from ringback.kit.routing import Routes
from ringback.router.canonical import time_of
from ringback.router.nodes.presence import known
from ringback.router.work import Uow

routes: Routes[Route] = Routes(service="router-manager", whose="all")


class RouterNodeState(msgspec.Struct, frozen=True):
    """A node: what it serves, which rows it cannot (`nack`), and whether it has not been heard of for long."""

    node_id: str
    applied_revision: int
    checksum: str
    source: str
    nack: list[dict[str, Any]]
    last_seen: str
    stale: bool


class RouterNodePage(msgspec.Struct, frozen=True):
    """All nodes, by their names."""

    result: list[RouterNodeState]


@routes.on("GET", "/v1.0/router/nodes", name="list_router_nodes", answers=RouterNodePage, right="run the registry")
async def find(call: Call[Uow]) -> Answer:
    """List the nodes of the router and what each of them serves."""
    return Answer(
        RouterNodePage(
            [
                RouterNodeState(
                    one.node_id,
                    one.served.applied_revision,
                    one.served.checksum,
                    one.served.source,
                    list(one.served.nack),
                    time_of(one.last_seen),
                    one.is_stale(call.uow.now),
                )
                for one in await known(call.uow)
            ]
        )
    )
