"""RPC 20: whose realm it is, for peers."""

from ringback.kit.routing import Routes
from ringback.kit.rpc import Answer, Call, Reply, reply
from ringback.registrar.realms import service, wire
from ringback.registrar.work import Uow

routes: Routes[Answer] = Routes()


@routes.on("GET", "/v1/customer_domains/realm/<realm>")
async def find(call: Call[Uow]) -> Reply:
    """The customer domain of a realm, in whatever letter case."""
    return reply(wire.shown(await service.find(call.uow, call.path["realm"])))
