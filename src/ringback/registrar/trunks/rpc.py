"""RPC 11 to 17: trunks for peers."""

from ringback.kit.routing import Routes
from ringback.kit.rpc import Answer, Call, Reply, reply
from ringback.registrar.asked import OfCustomer, change_from_peer
from ringback.registrar.doors import whole_moments
from ringback.registrar.trunks import service, wire
from ringback.registrar.trunks.model import Provisioned, Trunk
from ringback.registrar.work import Uow

routes: Routes[Answer] = Routes()


@routes.on("GET", "/v1/trunks/count_by_customer")
async def count(call: Call[Uow]) -> Reply:
    """How many live trunks a customer has."""
    return reply({"count": await service.count(call.uow, call.read(OfCustomer).customer_id)})


@routes.on("GET", "/v1/trunks")
async def find(call: Call[Uow]) -> Reply:
    """A page of trunks by filters, a bare array."""
    found = await whole_moments(call, wire.TrunkFilters, service.whole_moments)
    return reply([_read(call, trunk) for trunk in found])


@routes.on("POST", "/v1/trunks")
async def create(call: Call[Uow]) -> Reply:
    """Give a customer a trunk."""
    asked = call.read(wire.NewTrunkOfCustomer)
    return reply(wire.over_rpc(await service.create(call.uow, asked.customer_id, asked)))


@routes.on("GET", "/v1/trunks/<trunk-id>")
async def get(call: Call[Uow]) -> Reply:
    """One trunk."""
    return reply(_read(call, (await service.get(call.uow, call.path["trunk_id"], of=None)).trunk))


@routes.on("PUT", "/v1/trunks/<trunk-id>")
async def change(call: Call[Uow]) -> Reply:
    """Change one trunk."""
    asked = change_from_peer(wire.ChangeTrunk, call.data, call.uow.settings.empty_password_on_put)
    return reply(wire.over_rpc(await service.change(call.uow, call.path["trunk_id"], asked, of=None)))


@routes.on("DELETE", "/v1/trunks/<trunk-id>")
async def delete(call: Call[Uow]) -> Reply:
    """End one trunk."""
    return reply(wire.over_rpc(await service.delete(call.uow, call.path["trunk_id"], of=None)))


@routes.on("GET", "/v1/trunks/domain_name/<domain-name>")
async def get_by_domain(call: Call[Uow]) -> Reply:
    """A trunk by its domain name, in whatever letter case."""
    return reply(_read(call, (await service.get_by_domain(call.uow, call.path["domain_name"])).trunk))


def _read(call: Call[Uow], trunk: Trunk) -> wire.TrunkOverRpc:
    """A trunk that was only looked at: its password is shown to peers that need it, if that is set so."""
    shown = trunk.kept.password if call.uow.settings.rpc_read_password else None
    return wire.over_rpc(Provisioned(trunk, shown))
