"""RPC 1 and 2: contacts for peers."""

from ringback.kit.routing import Routes
from ringback.kit.rpc import Answer, Call, Reply, reply
from ringback.registrar.contacts import service, wire
from ringback.registrar.work import Uow

routes: Routes[Answer] = Routes()


@routes.on("GET", "/v1/contacts")
async def find(call: Call[Uow]) -> Reply:
    """The live contacts of a customer's number, a bare array."""
    asked = call.read(wire.OfExtension)
    found = await service.of_number(call.uow, asked.customer_id, asked.extension)
    return reply(found.contacts)


@routes.on("PUT", "/v1/contacts", reads=True)
async def refresh(call: Call[Uow]) -> Reply:
    """The next read goes to the database."""
    asked = call.read(wire.OfExtension)
    await service.refresh(call.uow, asked.customer_id, asked.extension)
    return Reply(200)
