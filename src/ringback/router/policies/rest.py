"""Policies for customers and the operator: `/v1.0/router/policies`."""

from typing import Any, Final

from ringback.api.call import Answer, Call, Route
from ringback.api.wait import Wait
from ringback.customers.rights import POLICIES
from ringback.kit.columns import NIL
from ringback.kit.routing import Routes
from ringback.router.answering import expected, revision_of, waiting
from ringback.router.extensions.model import tag_of
from ringback.router.places import page as page_of
from ringback.router.policies import service, wire
from ringback.router.policies.model import Policy
from ringback.router.policies.service import Judged
from ringback.router.work import Uow

routes: Routes[Route] = Routes(service="router-manager")
ROOT: Final = "/v1.0/router/policies"
ONE: Final = f"{ROOT}/<policy_id>"
READ: Final = "read extensions"
CHANGES: Final[dict[str, Any]] = {
    "answers": wire.RouterPolicyRecord,
    "right": POLICIES,
    "query": Wait,
    "around": waiting,
}
"""What all changes of a policy have in common."""


@routes.on("POST", ROOT, name="create_router_policy", body=wire.NewRouterPolicy, status=201, **CHANGES)
async def create(call: Call[Uow]) -> Answer:
    """Create a policy.

    The id of a deleted one may be used again: its revisions go on.
    """
    return _one(call, await service.create(call.uow, call.customer_id, call.body), 201)


@routes.on(
    "GET",
    ROOT,
    name="list_router_policies",
    query=wire.ListPolicies,
    answers=wire.RouterPolicyPage,
    right=READ,
    whose="either",
)
async def find(call: Call[Uow]) -> Answer:
    """List policies by id; the operator, who need not name a customer, sees all of them by customer and id."""
    found = service.list_of(call.uow, None if call.customer_id == NIL else call.customer_id)
    page, token = page_of(found, place_of, call.query.page_token, call.query.page_size)
    now = call.uow.registry.served()
    shown = [_shown(service.judged(now, one)) for one in page]
    return Answer(wire.RouterPolicyPage(shown, token), headers=revision_of(call))


@routes.on("GET", ONE, name="get_router_policy", answers=wire.RouterPolicyRecord, right=READ)
async def get(call: Call[Uow]) -> Answer:
    """Read a policy."""
    found = service.get(call.uow, call.customer_id, call.id)
    return _one(call, service.judged(call.uow.registry.served(), found))


@routes.on("PUT", ONE, name="put_router_policy", body=wire.ChangeRouterPolicy, **CHANGES)
async def put(call: Call[Uow]) -> Answer:
    """Replace fields of a policy: the named ones whole, all others stay.

    What a read gave can be sent back: fields that are read-only are ignored.
    """
    done = await service.update(call.uow, call.customer_id, call.id, call.body, expected=expected(call))
    return _one(call, done)


@routes.on("PATCH", ONE, name="patch_router_policy", body=wire.ChangeRouterPolicy, **CHANGES)
async def patch(call: Call[Uow]) -> Answer:
    """Change a policy: its document is merged by RFC 7396, null in it removes; lists are replaced whole."""
    done = await service.update(call.uow, call.customer_id, call.id, call.body, merge=True, expected=expected(call))
    return _one(call, done)


@routes.on("DELETE", ONE, name="delete_router_policy", **CHANGES)
async def delete(call: Call[Uow]) -> Answer:
    """Delete a policy: nothing runs by it any more. Its audit stays."""
    return _one(call, await service.delete(call.uow, call.customer_id, call.id, expected=expected(call)))


def place_of(policy: Policy) -> tuple[str, str]:
    """Where it stands in a list."""
    return str(policy.customer_id), policy.policy_id


def _shown(found: Judged) -> wire.RouterPolicyRecord:
    return wire.shown(found.policy, found.deadline_ms, found.warnings)


def _one(call: Call[Uow], found: Judged, status: int = 200) -> Answer:
    place = f"{ROOT}/{found.policy.policy_id}" if status == 201 else None
    return Answer(_shown(found), status, place, tag_of(found.policy.revision), revision_of(call))
