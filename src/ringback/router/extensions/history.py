"""Revisions of a router extension over REST: list, read, compare."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import jsonpatch
import msgspec

from ringback.api.call import Answer, Call, Route
from ringback.kit.reading import Asked
from ringback.kit.routing import Routes
from ringback.router.audit.wire import ListEntries
from ringback.router.canonical import time_of
from ringback.router.extensions import service
from ringback.router.extensions.model import ExtensionNotFound, RevisionNotFound
from ringback.router.secrets import redacted
from ringback.router.work import Uow

routes: Routes[Route] = Routes(service="router-manager", whose="all")
ONE: Final = "/v1.0/router/extensions/<router_extension_id>"
READ: Final = "read extensions"

Number = Annotated[int, msgspec.Meta(ge=1, description="number of a revision", examples=[1])]


class Diff(Asked, frozen=True, kw_only=True):
    """Which two revisions are compared."""

    from_: Number = msgspec.field(name="from")
    to: Number


class RouterRevision(msgspec.Struct, frozen=True):
    """A router extension as it was; `document` is complete."""

    revision: int
    registry_revision: int
    action: str
    document: dict[str, Any]
    checksum: str
    comment: str | None
    created_at: str
    created_by: str


class RouterRevisionPage(msgspec.Struct, frozen=True):
    """A page of revisions, newest first; `next_page_token` is empty on the last one."""

    result: list[RouterRevision]
    next_page_token: str


class RouterDiff(msgspec.Struct, frozen=True):
    """What makes one revision of the other (RFC 6902), without secrets."""

    patch: list[dict[str, Any]]


@routes.on(
    "GET",
    f"{ONE}/revisions",
    name="list_router_extension_revisions",
    query=ListEntries,
    answers=RouterRevisionPage,
    right=READ,
)
async def revisions(call: Call[Uow]) -> Answer:
    """List the revisions of a router extension, newest first; also of a deleted one."""
    asked: ListEntries = call.query
    _require_visible(call, call.id)
    found = await service.revisions(call.uow, call.id, asked.before, asked.page_size + 1)
    more = len(found) > asked.page_size
    token = str(found[asked.page_size - 1]["revision"]) if more else ""
    return Answer(RouterRevisionPage([_shown(call, row) for row in found[: asked.page_size]], token))


@routes.on(
    "GET",
    f"{ONE}/revisions/<number_id>",
    name="get_router_extension_revision",
    answers=RouterRevision,
    right=READ,
)
async def revision(call: Call[Uow]) -> Answer:
    """Read one revision of a router extension."""
    number = str(call.path["number_id"])
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise RevisionNotFound
    id = call.path["router_extension_id"]
    _require_visible(call, id)
    return Answer(_shown(call, await service.revision(call.uow, id, int(number))))


@routes.on("GET", f"{ONE}/diff", name="diff_router_extension", query=Diff, answers=RouterDiff, right=READ)
async def diff(call: Call[Uow]) -> Answer:
    """Compare two revisions of a router extension."""
    _require_visible(call, call.id)
    old, new = [
        redacted(_document(await service.revision(call.uow, call.id, number)))
        for number in (call.query.from_, call.query.to)
    ]
    return Answer(RouterDiff(list(jsonpatch.make_patch(old, new))))


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(row["document"])
    return found


def _require_visible(call: Call[Uow], id: str) -> None:
    """Customers see what became of those that are there for them now (R-11c)."""
    customer_id = call.caller.customer_id
    if customer_id is not None and not service.get(call.uow, id).is_for(customer_id):
        raise ExtensionNotFound


def _shown(call: Call[Uow], row: Mapping[str, Any]) -> RouterRevision:
    """References to secrets are shown to the operator alone (S-8)."""
    kept = ("revision", "registry_revision", "action", "checksum", "comment", "created_by")
    same, document = {name: row[name] for name in kept}, _document(row)
    shown = document if call.caller.is_operator else redacted(document)
    return RouterRevision(**same, document=shown, created_at=time_of(row["created_at"]))
