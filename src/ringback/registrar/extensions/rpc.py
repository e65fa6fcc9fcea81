"""RPC 3 to 10 and 19: extensions for peers."""

from ringback.kit.routing import Routes
from ringback.kit.rpc import Answer, Call, Reply, reply
from ringback.registrar.asked import OfCustomer, change_from_peer
from ringback.registrar.doors import whole_moments
from ringback.registrar.extensions import service, wire
from ringback.registrar.extensions.model import Extension, Listed, Provisioned
from ringback.registrar.work import Uow

routes: Routes[Answer] = Routes()


@routes.on("GET", "/v1/extensions/count_by_customer")
async def count(call: Call[Uow]) -> Reply:
    """How many live extensions a customer has."""
    return reply({"count": await service.count(call.uow, call.read(OfCustomer).customer_id)})


@routes.on("POST", "/v1/extensions/<extension-id>/direct-hash-regenerate")
async def regenerate(call: Call[Uow]) -> Reply:
    """A new hash for the extension's direct address."""
    asked = wire.ChangeExtension(direct_regenerate=True)
    return _provisioned(await service.change(call.uow, call.path["extension_id"], asked, of=None))


@routes.on("GET", "/v1/extensions/<extension-id>")
async def get(call: Call[Uow]) -> Reply:
    """One extension."""
    return reply(_read(call, (await service.get(call.uow, call.path["extension_id"], of=None)).extension))


@routes.on("PUT", "/v1/extensions/<extension-id>")
async def change(call: Call[Uow]) -> Reply:
    """Change one extension."""
    asked = change_from_peer(wire.ChangeExtension, call.data, call.uow.settings.empty_password_on_put)
    return _provisioned(await service.change(call.uow, call.path["extension_id"], asked, of=None))


@routes.on("DELETE", "/v1/extensions/<extension-id>")
async def delete(call: Call[Uow]) -> Reply:
    """End one extension."""
    return _provisioned(await service.delete(call.uow, call.path["extension_id"], of=None))


@routes.on("POST", "/v1/extensions")
async def create(call: Call[Uow]) -> Reply:
    """Give a customer an extension."""
    asked = call.read(wire.NewExtensionOfCustomer)
    return _provisioned(await service.create(call.uow, asked.customer_id, asked))


@routes.on("GET", "/v1/extensions")
async def find(call: Call[Uow]) -> Reply:
    """A page of extensions by filters, a bare array."""
    found = await whole_moments(call, wire.ExtensionFilters, service.whole_moments)
    return reply([_read(call, extension) for extension in found])


@routes.on("GET", "/v1/extensions/extension/<extension>")
async def get_by_number(call: Call[Uow]) -> Reply:
    """A customer's extension by its number, in whatever letter case."""
    customer_id = call.read(OfCustomer).customer_id
    found = await service.get_by_number(call.uow, customer_id, call.path["extension"])
    return reply(_read(call, found.extension))


@routes.on("GET", "/v1/extensions/by-direct-hash/<hash>")
async def get_by_direct_hash(call: Call[Uow]) -> Reply:
    """The extension behind a direct address."""
    found = await service.get_by_direct(call.uow, call.path["hash"], call.query.get("source"), call.publisher)
    return reply(_read(call, found.extension))


def _provisioned(of: Provisioned) -> Reply:
    return reply(wire.over_rpc(of.extension, of.secret))


def _read(call: Call[Uow], one: Extension | Listed) -> wire.ExtensionOverRpc:
    """An extension that was only looked at: its password is shown to peers that need it, if that is set so."""
    return wire.over_rpc(one, one.password if call.uow.settings.rpc_read_password else None)
