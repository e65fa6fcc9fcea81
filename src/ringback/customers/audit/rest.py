"""The audit log for admins, auditors and the operator: `/v1.0/audit`."""

from typing import Any

import msgspec

from ringback.api.call import Answer, Call, Route
from ringback.customers.audit import service, wire
from ringback.customers.rights import CHANGES
from ringback.kit.errors import PermissionDenied
from ringback.kit.routing import Routes

routes: Routes[Route] = Routes()


@routes.on(
    "GET",
    "/v1.0/audit",
    name="list_audit",
    query=wire.ListAudit,
    answers=wire.AuditPage,
    right=CHANGES,
    whose="all",
)
async def find(call: Call[Any]) -> Answer:
    """List who changed what, when and from where, newest first.

    With a customer's key what is theirs; with the platform's everything, or what is the named customer's.
    """
    asked: wire.ListAudit = call.query
    if call.caller.customer_id is not None:
        if asked.customer_id is not None:
            raise PermissionDenied(customer_id="may be named by the platform only")
        asked = msgspec.structs.replace(asked, customer_id=call.caller.customer_id)
    return Answer(await service.newest(call.uow, asked))
