"""The diagnosis of a phone for customers: `/v1.0/extensions/{id}/diagnosis`."""

from ringback.api.call import Answer, Call, Route
from ringback.customers.rights import READ
from ringback.kit.routing import Routes
from ringback.registrar.diagnosis import service, wire
from ringback.registrar.events import PUBLISHER
from ringback.registrar.work import Uow

routes: Routes[Route] = Routes()


@routes.on(
    "GET",
    "/v1.0/extensions/<extension-id>/diagnosis",
    right=READ,
    name="diagnose_extension",
    answers=wire.ExtensionDiagnosis,
)
async def diagnose(call: Call[Uow]) -> Answer:
    """Why a phone does not work, in one sentence, and what to do about it.

    Its rows, password, customer, contacts, direct address and the clocks are looked at, and what the servers refused.
    """
    hears = call.uow.settings.runs(PUBLISHER)
    return Answer(wire.shown(await service.of_extension(call.uow, call.id, of=call.customer_id, hears=hears)))
