"""Customers: `/v1.0/customers` for the platform's operator, `/v1.0/customer` for each of their own."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from ringback.api.call import Answer, Call, Route
from ringback.customers import service, wire
from ringback.customers.model import PUBLISHER, Customer
from ringback.customers.rights import READ
from ringback.kit.pages import LARGEST, PageSize, PageToken, cursor_of
from ringback.kit.reading import Asked
from ringback.kit.routing import Routes
from ringback.registrar.doors import OF_PAGES, Exactly, Gone
from ringback.registrar.work import Uow

routes: Routes[Route] = Routes()
ROOT: Final = "/v1.0/customers"
ONE: Final = f"{ROOT}/<customer-id>"
OWN: Final = "/v1.0/customer"
PLATFORM: Final[dict[str, Any]] = {"service": PUBLISHER, "right": "run the platform", "whose": "all"}
SHOWN: Final[dict[str, Any]] = {"answers": wire.CustomerManagerCustomer}
CHANGE: Final[dict[str, Any]] = {"body": wire.ChangeCustomer, **SHOWN, **PLATFORM}
CHANGE_OWN: Final[dict[str, Any]] = {
    "body": wire.ChangeAccount,
    **SHOWN,
    "service": PUBLISHER,
    "right": "keep the account",
    "refuses": (404,),
}

InState = Annotated[wire.State, msgspec.Meta(description="only those who are so")]


class ListCustomers(Asked, frozen=True, kw_only=True):
    """Which customers, and which page of them."""

    page_size: PageSize = LARGEST
    page_token: PageToken | None = None
    name: Exactly | None = None
    email: Exactly | None = None
    status: InState | None = None
    deleted: Gone = False


class CustomerPage(msgspec.Struct, frozen=True):
    """A page of customers; `next_page_token` is empty on the last one."""

    result: list[wire.CustomerManagerCustomer]
    next_page_token: str


@routes.on("POST", ROOT, name="create_customer", body=wire.NewCustomer, status=201, **SHOWN, **PLATFORM)
async def create(call: Call[Uow]) -> Answer:
    """Create a customer, with a realm for their phones.

    Send an `id` for one who has phones here already and is known by it: then they keep their realm.
    """
    made = await service.create(call.uow, call.body)
    return Answer(wire.shown(made), 201, f"{ROOT}/{made.id}")


@routes.on("GET", ROOT, name="list_customers", query=ListCustomers, answers=CustomerPage, **PLATFORM)
async def find(call: Call[Uow]) -> Answer:
    """List customers, newest first."""
    asked: ListCustomers = call.query
    wanted = {name: value for name, value in asked.given().items() if name not in OF_PAGES}
    found = await service.page(call.uow, wanted, cursor_of(asked.page_token), asked.page_size, deleted=asked.deleted)
    return Answer(CustomerPage([wire.shown(customer) for customer in found.items], found.next_token))


@routes.on("GET", ONE, name="get_customer", **SHOWN, **PLATFORM)
async def get(call: Call[Uow]) -> Answer:
    """Read a customer."""
    return Answer(wire.shown(await service.get(call.uow, call.id)))


@routes.on("PUT", ONE, name="put_customer", **CHANGE)
@routes.on("PATCH", ONE, name="patch_customer", **CHANGE)
async def change(call: Call[Uow]) -> Answer:
    """Change a customer: absent fields stay as they are, and null ones, but for a limit: null is the default.

    The label of their realm changes only while no extension lives under it: digests of passwords hold it.
    """
    return await _matched(call, call.id, lambda uow, id: service.change(uow, id, call.body))


@routes.on("DELETE", ONE, name="delete_customer", **SHOWN, **PLATFORM)
async def delete(call: Call[Uow]) -> Answer:
    """Delete a customer for ever.

    Their keys are refused at once, their extensions and trunks go one by one, and in the end whatever says who they
    were.
    """
    return await _matched(call, call.id, service.delete)


@routes.on("POST", f"{ONE}/freeze", name="freeze_customer", **SHOWN, **PLATFORM)
async def freeze(call: Call[Uow]) -> Answer:
    """Freeze a customer: they get nothing new, their keys are refused, no stranger reaches their phones."""
    return await _matched(call, call.id, service.freeze)


@routes.on("POST", f"{ONE}/recover", name="recover_customer", **SHOWN, **PLATFORM)
async def recover(call: Call[Uow]) -> Answer:
    """Take a freeze back."""
    return await _matched(call, call.id, service.recover)


@routes.on("GET", OWN, name="get_own_customer", right=READ, service=PUBLISHER, refuses=(404,), **SHOWN)
async def get_own(call: Call[Uow]) -> Answer:
    """Read who you are."""
    return Answer(wire.shown(await service.get(call.uow, call.customer_id)))


@routes.on("PUT", OWN, name="put_own_customer", **CHANGE_OWN)
@routes.on("PATCH", OWN, name="patch_own_customer", **CHANGE_OWN)
async def change_own(call: Call[Uow]) -> Answer:
    """Change your name, e-mail or detail; absent and null fields stay as they are."""
    return await _matched(call, call.customer_id, lambda uow, id: service.change(uow, id, call.body))


async def _matched(call: Call[Uow], id: UUID, verb: Callable[[Uow, UUID], Awaitable[Customer]]) -> Answer:
    """What a verb makes of a customer who is as the caller says."""
    if call.if_match is not None:
        call.require_match(wire.shown(await service.get(call.uow, id, lock=True)))
    return Answer(wire.shown(await verb(call.uow, id)))
