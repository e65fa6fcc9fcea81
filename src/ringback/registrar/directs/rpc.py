"""RPC 18: direct addresses for peers."""

from ringback.kit.routing import Routes
from ringback.kit.rpc import Answer, Call, Reply, reply
from ringback.registrar.directs import service, wire
from ringback.registrar.work import Uow

routes: Routes[Answer] = Routes()


@routes.on("GET", "/v1/extension-directs")
async def find(call: Call[Uow]) -> Reply:
    """The direct of a hash, or a list by filters."""
    if (hash := call.query.get("hash")) is not None:
        return reply(await service.lookup(call.uow, hash, call.query.get("source"), call.publisher))
    return reply(await service.find(call.uow, call.read(wire.DirectFilters)))
