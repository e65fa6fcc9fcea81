"""Trunks for customers: `/v1.0/trunks`."""

from typing import Any, Final

import msgspec

from ringback.api.call import Answer, Call, Route
from ringback.customers.rights import READ, WRITE
from ringback.kit.routing import Routes
from ringback.registrar.asked import ONE_PASSWORD
from ringback.registrar.doors import ListQuery, page
from ringback.registrar.trunks import service, wire
from ringback.registrar.trunks.model import Provisioned
from ringback.registrar.work import Uow

routes: Routes[Route] = Routes()
ROOT: Final = "/v1.0/trunks"
ONE: Final = f"{ROOT}/<trunk-id>"

NAMED: Final[dict[str, Any]] = {
    "required": ["username"],
    "properties": {"username": {"type": "string", "minLength": 1}},
}
"""There is a username, and it is not empty."""
ADDRESSED: Final[dict[str, Any]] = {
    "required": ["allowed_ips"],
    "properties": {"allowed_ips": {"type": "array", "minItems": 1}},
}
NEEDS: Final[dict[str, Any]] = {
    "allOf": [
        {"anyOf": [NAMED, {"properties": {"password": {"type": "null"}}}]},
        {"anyOf": [NAMED, {"properties": {"auth_types": {"items": {"const": "ip"}}}}]},
        {"anyOf": [ADDRESSED, {"properties": {"auth_types": {"items": {"const": "basic"}}}}]},
    ]
}
"""What the description says of a new trunk beyond its fields: the same rules that the reader follows."""
CHANGE: Final[dict[str, Any]] = {
    "body": wire.ChangeTrunk,
    "limits": {"not": ONE_PASSWORD},
    "answers": wire.RegistrarManagerTrunk,
}


class ListTrunks(ListQuery, frozen=True, kw_only=True):
    """Which trunks, and which page of them."""


class TrunkPage(msgspec.Struct, frozen=True):
    """A page of trunks; `next_page_token` is empty on the last one."""

    result: list[wire.RegistrarManagerTrunk]
    next_page_token: str


@routes.on(
    "POST",
    ROOT,
    right=WRITE,
    name="create_trunk",
    body=wire.NewTrunk,
    limits=NEEDS,
    answers=wire.RegistrarManagerTrunk,
    status=201,
)
async def create(call: Call[Uow]) -> Answer:
    """Create a trunk: a connection to a carrier or a PBX.

    `basic` lets in who proves a username and a password, `ip` who sends from one of `allowed_ips`.
    """
    made = wire.public(await service.create(call.uow, call.customer_id, call.body))
    return Answer(made, 201, f"{ROOT}/{made.id}")


@routes.on("GET", ROOT, right=READ, name="list_trunks", query=ListTrunks, answers=TrunkPage)
async def find(call: Call[Uow]) -> Answer:
    """List trunks, newest first."""
    found = await page(call, service.page)
    return Answer(TrunkPage([wire.public(Provisioned(trunk)) for trunk in found.items], found.next_token))


@routes.on("GET", ONE, right=READ, name="get_trunk", answers=wire.RegistrarManagerTrunk)
async def get(call: Call[Uow]) -> Answer:
    """Read a trunk."""
    return Answer(wire.public(await service.get(call.uow, call.id, of=call.customer_id)))


@routes.on("PUT", ONE, right=WRITE, name="put_trunk", **CHANGE)
@routes.on("PATCH", ONE, right=WRITE, name="patch_trunk", **CHANGE)
async def change(call: Call[Uow]) -> Answer:
    """Change a trunk: absent and null fields stay as they are, empty ones are cleared.

    The whole must be right afterwards: `basic` needs a username, `ip` needs addresses. A new username needs a password
    with it, or `password_regenerate`, since only the digest of both is kept; a first one gets a password made.
    """
    await _require_match(call)
    return Answer(wire.public(await service.change(call.uow, call.id, call.body, of=call.customer_id)))


@routes.on("DELETE", ONE, right=WRITE, name="delete_trunk", answers=wire.RegistrarManagerTrunk)
async def delete(call: Call[Uow]) -> Answer:
    """Delete a trunk: nobody gets in by it any more, and its domain name is free again."""
    await _require_match(call)
    return Answer(wire.public(await service.delete(call.uow, call.id, of=call.customer_id)))


async def _require_match(call: Call[Uow]) -> None:
    if call.if_match is not None:
        call.require_match(wire.public(await service.get(call.uow, call.id, of=call.customer_id, lock=True)))
