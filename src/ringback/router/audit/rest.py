"""The audit log for operators and auditors: `/v1.0/router/audit`."""

from typing import Final
from uuid import UUID

from ringback.api.call import Answer, Call, Route
from ringback.kit.errors import PermissionDenied
from ringback.kit.routing import Routes
from ringback.router.audit import service, wire
from ringback.router.audit.model import Entry
from ringback.router.policies.model import key_of
from ringback.router.work import Uow

routes: Routes[Route] = Routes(service="router-manager", whose="all")
AUDIT: Final = "read the audit"
VERIFYING: Final = 60.0
"""Seconds that a look at the whole chain may take: some hundred thousand entries."""


@routes.on(
    "GET",
    "/v1.0/router/extensions/<router_extension_id>/audit",
    name="list_router_extension_audit",
    query=wire.ListEntries,
    answers=wire.RouterAuditPage,
    right=AUDIT,
)
async def of_one(call: Call[Uow]) -> Answer:
    """List who changed a router extension, when and how, newest first; also of a deleted one."""
    return await _page(call, call.id)


@routes.on(
    "GET",
    "/v1.0/router/audit",
    name="list_router_audit",
    query=wire.ListAllEntries,
    answers=wire.RouterAuditPage,
    right=AUDIT,
)
async def of_all(call: Call[Uow]) -> Answer:
    """List all changes of the registry, newest first; the operator may ask for those that one customer sees."""
    return await _page(call, None, call.query.customer_id)


@routes.on(
    "POST",
    "/v1.0/router/audit:verify",
    name="verify_router_audit",
    answers=wire.RouterAuditVerdict,
    right=AUDIT,
    reads=True,
    patience=VERIFYING,
)
async def verify(call: Call[Uow]) -> Answer:
    """Compute the chain of the audit log anew: nothing altered, nothing missing."""
    found = await service.verify(call.uow)
    return Answer(wire.RouterAuditVerdict(found.ok, found.checked, found.first_bad, found.head))


async def _page(call: Call[Uow], of: str | None, named: UUID | None = None) -> Answer:
    if named and not call.caller.is_operator:
        raise PermissionDenied(customer_id="may be named by the platform's operator only")
    asked: wire.ListEntries = call.query
    entries = await service.latest(call.uow, of, asked.before, asked.page_size + 1)
    customer_id = call.caller.customer_id or named
    return Answer(wire.page_of(entries, asked.page_size, lambda entry: _is_shown(call.uow, customer_id, entry)))


def _is_shown(uow: Uow, customer_id: UUID | None, entry: Entry) -> bool:
    """The platform's auditors see all; a customer's what was done to their policies and to what they see."""
    if customer_id is None:
        return True
    if entry.entity == "policy":
        return entry.extension_id.startswith(key_of(customer_id, ""))
    record = uow.registry.get_cached(entry.extension_id)
    return record is not None and record.is_for(customer_id)
