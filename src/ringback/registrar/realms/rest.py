"""The domain of a customer's phones: `/v1.0/customer_domain`."""

from typing import Final

from ringback.api.call import Answer, Call, Route
from ringback.customers.rights import READ, WRITE
from ringback.kit.routing import Routes
from ringback.registrar import relabel
from ringback.registrar.realms import service, wire
from ringback.registrar.work import Uow

routes: Routes[Route] = Routes()
ROOT: Final = "/v1.0/customer_domain"


@routes.on("GET", ROOT, right=READ, name="get_customer_domain", answers=wire.CustomerDomain, refuses=(404,))
async def get(call: Call[Uow]) -> Answer:
    """Read the domain that your phones live under.

    There is none before the first extension, unless you have chosen a label.
    """
    return Answer(wire.shown(await service.get(call.uow, call.customer_id)))


@routes.on("PUT", ROOT, right=WRITE, name="put_customer_domain", body=wire.ChangeDomain, answers=wire.CustomerDomain)
async def change(call: Call[Uow]) -> Answer:
    """Choose the label of your domain.

    Only while no extension lives under it: digests of passwords hold the domain.
    """
    if call.if_match is not None:
        await service.lock(call.uow, call.customer_id)
        before = await service.of_customer(call.uow, call.customer_id)
        call.require_match(wire.shown(before) if before else None)
    changed = await relabel.set_label(call.uow, call.customer_id, call.body.domain_label)
    return Answer(wire.shown(changed.realm))
