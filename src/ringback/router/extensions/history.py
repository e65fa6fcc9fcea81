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
from ringback.router.extensions.model import RevisionNotFound
from ringback.router.secrets import redacted
from ringback.router.work import Uow

routes: Routes[Route] = Routes(service="router-manager", whose="all")
ONE: Final = "/v1.0/router/extensions/<router_extension_id>"
OPERATOR_ONLY: Final = "write extensions"
"""What shows documents of all times shows them to whom nothing is hidden."""

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
    right=OPERATOR_ONLY,
)
async def revisions(call: Call[Uow]) -> Answer:
    """List the revisions of a router extension, newest first; also of a deleted one."""
    asked: ListEntries = call.query
    found = await service.revisions(call.uow, call.id, asked.before, asked.page_size + 1)
    more = len(found) > asked.page_size
    token = str(found[asked.page_size - 1]["revision"]) if more else ""
    return Answer(RouterRevisionPage([_shown(row) for row in found[: asked.page_size]], token))


@routes.on(
    "GET",
    f"{ONE}/revisions/<number_id>",
    name="get_router_extension_revision",
    answers=RouterRevision,
    right=OPERATOR_ONLY,
)
async def revision(call: Call[Uow]) -> Answer:
    """Read one revision of a router extension."""
    number = str(call.path["number_id"])
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise RevisionNotFound
    return Answer(_shown(await service.revision(call.uow, call.path["router_extension_id"], int(number))))


@routes.on("GET", f"{ONE}/diff", name="diff_router_extension", query=Diff, answers=RouterDiff, right=OPERATOR_ONLY)
async def diff(call: Call[Uow]) -> Answer:
    """Compare two revisions of a router extension."""
    old, new = [
        redacted(_document(await service.revision(call.uow, call.id, number)))
        for number in (call.query.from_, call.query.to)
    ]
    return Answer(RouterDiff(list(jsonpatch.make_patch(old, new))))


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(row["document"])
    return found


def _shown(row: Mapping[str, Any]) -> RouterRevision:
    kept = ("revision", "registry_revision", "action", "checksum", "comment", "created_by")
    same = {name: row[name] for name in kept}
    return RouterRevision(**same, document=_document(row), created_at=time_of(row["created_at"]))
