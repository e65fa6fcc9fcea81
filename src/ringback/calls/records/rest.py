"""Calls for customers: `/v1.0/calls`."""

from typing import Final

from ringback.api.call import Answer, Call, Route
from ringback.calls.records import service, wire
from ringback.customers.rights import READ
from ringback.kit.routing import Routes
from ringback.registrar.work import Uow

routes: Routes[Route] = Routes(right=READ)
ROOT: Final = "/v1.0/calls"


@routes.on("GET", ROOT, name="list_calls", query=wire.ListCalls, answers=wire.CallPage)
async def find(call: Call[Uow]) -> Answer:
    """List calls, newest first: those that ring, those that are up, and those that have ended."""
    found = await service.page(call.uow, call.customer_id, call.query)
    return Answer(wire.CallPage([wire.shown(one) for one in found.items], found.next_token))


@routes.on("GET", f"{ROOT}/<call-id>", name="get_call", answers=wire.CallManagerCall)
async def get(call: Call[Uow]) -> Answer:
    """Read a call."""
    return Answer(wire.shown(await service.get(call.uow, call.id, of=call.customer_id)))
