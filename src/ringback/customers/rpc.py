"""Customers for peers: `GET /v1/customers`, one or a page of them."""

from ringback.customers import service, wire
from ringback.customers.model import PUBLISHER
from ringback.kit.routing import Routes
from ringback.kit.rpc import Answer, Call, Reply, reply
from ringback.registrar.doors import whole_moments
from ringback.registrar.work import Uow

routes: Routes[Answer] = Routes()


@routes.on("GET", "/v1/customers", service=PUBLISHER)
async def find(call: Call[Uow]) -> Reply:
    """A page of customers by filters, a bare array, newest first."""
    found = await whole_moments(call, wire.CustomerFilters, service.whole_moments)
    return reply([wire.shown(customer) for customer in found])


@routes.on("GET", "/v1/customers/<customer-id>", service=PUBLISHER)
async def get(call: Call[Uow]) -> Reply:
    """One customer."""
    return reply(wire.shown(await service.get(call.uow, call.path["customer_id"])))
