"""RPC 1, 2 and 21: contacts for peers."""

from ringback.kit.routing import Routes
from ringback.kit.rpc import Answer, Call, Reply, reply
from ringback.registrar.contacts import service, wire
from ringback.registrar.contacts.model import Cause, public_id
from ringback.registrar.extensions import service as extensions
from ringback.registrar.work import Uow

routes: Routes[Answer] = Routes()


@routes.on("GET", "/v1/contacts")
async def find(call: Call[Uow]) -> Reply:
    """The live contacts of a customer's number, a bare array; an unknown number has none."""
    asked = call.read(wire.OfExtension)
    extension = await extensions.at_number(call.uow, asked.customer_id, asked.extension)
    return reply((await service.of_extension(call.uow, extension)).contacts if extension else [])


@routes.on("PUT", "/v1/contacts")
async def refresh(call: Call[Uow]) -> Reply:
    """The next read goes to the database, and what came or went since we last looked is told now."""
    asked = call.read(wire.OfExtension)
    if extension := await extensions.at_number(call.uow, asked.customer_id, asked.extension, lock=True):
        await service.refresh(call.uow, extension)
    return Reply(200)


@routes.on("DELETE", "/v1/contacts")
async def forget(call: Call[Uow]) -> Reply:
    """Unregister the phone everywhere, or the one contact of that id: what was removed, a bare array."""
    asked = call.read(wire.ContactsToForget)
    extension = await extensions.at_number(call.uow, asked.customer_id, asked.extension, lock=True)
    only = public_id(asked.id) if asked.id else None
    return reply((await service.forget(call.uow, extension, Cause.API, only))[0] if extension else [])
