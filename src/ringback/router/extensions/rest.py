"""Router extensions for operators: `/v1.0/router/extensions`."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from ringback.api.call import Answer, Call, Route
from ringback.api.wait import Wait
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.pages import LARGEST, PageSize
from ringback.kit.reading import Asked
from ringback.kit.routing import Routes
from ringback.router.answering import expected, revision_of, waiting
from ringback.router.extensions import listing, service, wire
from ringback.router.extensions.health import Health, health, health_of, healths, healths_of, recent
from ringback.router.extensions.model import ExtensionNotFound, RouterExtension, Type, tag_of
from ringback.router.places import page as page_of
from ringback.router.work import Uow

T = TypeVar("T")

routes: Routes[Route] = Routes(service="router-manager", whose="all")
ROOT: Final = "/v1.0/router/extensions"
ONE: Final = f"{ROOT}/<router_extension_id>"
READ: Final = "read extensions"
WRITE: Final = "write extensions"


class ListExtensions(Asked, frozen=True, kw_only=True):
    """Which router extensions, and which page of them."""

    page_size: PageSize = LARGEST
    page_token: Annotated[str, msgspec.Meta(description="`next_page_token` of the page before")] | None = None
    type: Annotated[Type, msgspec.Meta(description="only those of this type")] | None = None
    enabled: Annotated[bool, msgspec.Meta(description="only those that are, or are not")] | None = None
    status: (
        Annotated[
            Literal["healthy", "degraded", "unhealthy", "unknown"], msgspec.Meta(description="only those that do so")
        ]
        | None
    ) = None
    tag: Annotated[str, msgspec.Meta(description="only those with this tag in their metadata")] | None = None
    q: Annotated[str, msgspec.Meta(description="only those with this in id, subject or description")] | None = None
    deleted: Annotated[bool, msgspec.Meta(description="true: those that are no more")] = False


class RouterExtensionPage(msgspec.Struct, frozen=True):
    """A page of router extensions; `next_page_token` is empty on the last one."""

    result: list[wire.RouterExtensionRecord]
    next_page_token: str


class RouterHealthPage(msgspec.Struct, frozen=True):
    """How all router extensions do."""

    result: list[wire.RouterExtensionHealth]


class RouterBreakerPage(msgspec.Struct, frozen=True):
    """The breakers of all router extensions."""

    result: list[wire.RouterBreaker]


CHANGES: Final[dict[str, Any]] = {
    "answers": wire.RouterExtensionRecord,
    "right": WRITE,
    "query": Wait,
    "around": waiting,
}
"""What all changes of a router extension have in common."""
FORCED: Final[dict[str, Any]] = {**CHANGES, "query": wire.Forced}
"""The same of those that policies may be in the way of."""


@routes.on("POST", ROOT, name="create_router_extension", body=wire.NewRouterExtension, status=201, **CHANGES)
async def create(call: Call[Uow]) -> Answer:
    """Create a router extension.

    The id of a deleted one may be used again: its revisions go on.
    """
    made = await service.create(call.uow, call.body)
    return await _one(call, made, 201)


@routes.on("GET", ROOT, name="list_router_extensions", query=ListExtensions, answers=RouterExtensionPage, right=READ)
async def find(call: Call[Uow]) -> Answer:
    """List router extensions, by type and id."""
    asked: ListExtensions = call.query
    known = await _counted(call, healths) if asked.status else {}
    chosen = listing.chosen(await _candidates(call), asked, partial(_of, call, known))
    page, token = page_of(chosen, listing.place_of, asked.page_token, asked.page_size)
    if not asked.status:
        known = await _counted(call, partial(healths_of, ids=[one.id for one in page]))
    shown = [_shown(call, one, _of(call, known, one.id)) for one in page]
    return Answer(RouterExtensionPage(shown, token), headers=revision_of(call))


@routes.on("GET", ONE, name="get_router_extension", answers=wire.RouterExtensionRecord, right=READ)
async def get(call: Call[Uow]) -> Answer:
    """Read a router extension."""
    return await _one(call, _visible(call, service.get(call.uow, call.id)))


@routes.on("PUT", ONE, name="put_router_extension", body=wire.ChangeRouterExtension, **FORCED)
async def put(call: Call[Uow]) -> Answer:
    """Replace fields of a router extension: the named ones whole, all others stay.

    What a read gave can be sent back: fields that are read-only are ignored.
    """
    changed = await service.update(call.uow, call.id, call.body, expected=expected(call), force=call.query.force)
    return await _one(call, changed)


@routes.on("PATCH", ONE, name="patch_router_extension", body=wire.ChangeRouterExtension, **FORCED)
async def patch(call: Call[Uow]) -> Answer:
    """Change a router extension: `config` and `metadata` are merged by RFC 7396, null in them removes."""
    changed = await service.update(
        call.uow, call.id, call.body, merge=True, expected=expected(call), force=call.query.force
    )
    return await _one(call, changed)


@routes.on("DELETE", ONE, name="delete_router_extension", **FORCED)
async def delete(call: Call[Uow]) -> Answer:
    """Delete a router extension. Its revisions and its audit stay, and it can be restored."""
    return await _one(call, await service.delete(call.uow, call.id, expected=expected(call), force=call.query.force))


@routes.on("POST", f"{ONE}/restore", name="restore_router_extension", **CHANGES)
async def restore(call: Call[Uow]) -> Answer:
    """Bring back a deleted router extension as it was."""
    return await _one(call, await service.restore(call.uow, call.id))


@routes.on("POST", f"{ONE}/enable", name="enable_router_extension", **CHANGES)
async def enable(call: Call[Uow]) -> Answer:
    """Enable a router extension; nothing happens if it is."""
    return await _one(call, await service.enable(call.uow, call.id, expected=expected(call)))


@routes.on("POST", f"{ONE}/disable", name="disable_router_extension", **FORCED)
async def disable(call: Call[Uow]) -> Answer:
    """Disable a router extension: no request goes to it. Nothing happens if it is disabled."""
    return await _one(call, await service.disable(call.uow, call.id, expected=expected(call), force=call.query.force))


@routes.on("POST", f"{ONE}/rollback", name="rollback_router_extension", body=wire.RouterRollback, **FORCED)
async def rollback(call: Call[Uow]) -> Answer:
    """Make a new revision that says what an old one said; whether it is enabled stays."""
    asked: wire.RouterRollback = call.body
    done = await service.rollback(
        call.uow,
        call.id,
        asked.to_revision,
        comment=asked.comment,
        expected=expected(call),
        force=call.query.force,
    )
    return await _one(call, done)


@routes.on("POST", f"{ONE}/breaker", name="force_router_breaker", body=wire.RouterBreakerForce, **CHANGES)
async def force_breaker(call: Call[Uow]) -> Answer:
    """Force the breaker of a router extension open or closed, on all nodes, until it is forced to `none`.

    While it is open nobody calls the router extension; while it is closed everybody does, however often it fails.
    """
    asked: wire.RouterBreakerForce = call.body
    forced = await service.force_breaker(call.uow, call.id, asked.force, comment=asked.comment, expected=expected(call))
    released = "closed" if call.uow.written else ""  # by this very change, which the nodes are still to follow
    return await _one(call, forced, breaker=released)


@routes.on("GET", "/v1.0/router/breakers", name="list_router_breakers", answers=RouterBreakerPage, right=READ)
async def breakers(call: Call[Uow]) -> Answer:
    """The breakers of all router extensions, by type and id; while the database is away those of the answering node."""
    visible = [one for one in service.list_all(call.uow) if one.is_for(call.caller.customer_id)]
    known = await _counted(call, healths)
    told = [wire.told_breaker(one, _of(call, known, one.id), recent(call.uow, one.id)) for one in visible]
    return Answer(RouterBreakerPage(told), headers=revision_of(call))


@routes.on("GET", f"{ONE}/health", name="get_router_extension_health", answers=wire.RouterExtensionHealth, right=READ)
async def one_health(call: Call[Uow]) -> Answer:
    """How a router extension does, by what all nodes have counted."""
    _visible(call, service.get(call.uow, call.id))
    return Answer(wire.told_health(await health(call.uow, call.id)), headers=revision_of(call))


@routes.on("GET", "/v1.0/router/health", name="get_router_health", answers=RouterHealthPage, right=READ)
async def all_health(call: Call[Uow]) -> Answer:
    """How all router extensions do."""
    known = await healths(call.uow)
    visible = [one.id for one in service.list_all(call.uow) if one.is_for(call.caller.customer_id)]
    seen = [wire.told_health(_of(call, known, id)) for id in visible]
    return Answer(RouterHealthPage(seen), headers=revision_of(call))


def _visible(call: Call[Uow], record: RouterExtension) -> RouterExtension:
    if not record.is_for(call.caller.customer_id):
        raise ExtensionNotFound
    return record


async def _candidates(call: Call[Uow]) -> list[RouterExtension]:
    uow, asked = call.uow, call.query
    if asked.deleted:
        records = await service.list_deleted(uow)
    else:
        records = service.list_by_type(uow, asked.type) if asked.type else service.list_all(uow)
    return [one for one in records if one.is_for(call.caller.customer_id)]


async def _counted(call: Call[Uow], read: Callable[[Uow], Awaitable[T]]) -> T | None:
    """What the nodes have counted; the registry can be read without it while the database is away."""
    if call.uow.registry.keeper.is_degraded:
        return None
    try:
        return await read(call.uow)
    except DatabaseUnavailable:
        return None


def _of(call: Call[Uow], known: Mapping[str, Health] | None, id: str) -> Health:
    """What is `known` of one; while the database is away, what this node knows by itself."""
    return (known or {}).get(id) or health_of(call.uow, id, None if known is None else ())


def _shown(call: Call[Uow], record: RouterExtension, of: Health, breaker: str = "") -> wire.RouterExtensionRecord:
    summary = wire.HealthSummary(of.status, of.health_score)
    state = record.breaker_override or breaker or of.circuit_breaker_state
    return wire.shown(record, summary, state, whole=call.caller.is_operator)


async def _one(call: Call[Uow], record: RouterExtension, status: int = 200, *, breaker: str = "") -> Answer:
    """One record; `breaker` is its state where that is known better than by what the nodes have told so far."""
    known = await _counted(call, partial(health, id=record.id))
    shown = _shown(call, record, known or health_of(call.uow, record.id, None), breaker)
    place = f"{ROOT}/{record.id}" if status == 201 else None
    return Answer(shown, status, place, tag_of(record.revision), revision_of(call))
