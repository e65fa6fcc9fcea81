"""The rules of direct addresses: on, off, a new hash, and who is behind one."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

import structlog
from msgspec.structs import replace

from ringback.kit.errors import ValidationFailed
from ringback.registrar.directs import store
from ringback.registrar.directs.model import (
    LONGEST,
    Direct,
    DirectNotFound,
    HashUnavailable,
    LookupRateLimited,
    hash_in,
    source_of,
)
from ringback.registrar.directs.wire import DirectFilters
from ringback.registrar.work import Uow

HASH_TRIES = 3
T = TypeVar("T")

log = structlog.get_logger()


async def enable(uow: Uow, customer_id: UUID, extension_id: UUID) -> Direct:
    """Give the extension an address that was never anybody's before. It must have none now."""
    id = uow.new_id()
    direct = Direct(id, customer_id, extension_id, await _issue(uow, id), uow.now)
    await store.add(uow.session, direct)
    return direct


async def regenerate(uow: Uow, direct: Direct) -> Direct:
    """Give the same direct a new hash; the old one is dead with this transaction."""
    await store.revoke(uow.session, direct.hash, uow.now)
    direct = replace(direct, hash=await _issue(uow, direct.id), tm_update=uow.now)
    await store.renew(uow.session, direct)
    return direct


async def disable(uow: Uow, extension_id: UUID) -> Direct | None:
    """Revoke the extension's address; the address that ended, if there was one."""
    direct = await store.of_extension(uow.session, extension_id)
    if direct is None:
        return None
    await store.revoke(uow.session, direct.hash, uow.now)
    direct = replace(direct, tm_update=uow.now, tm_delete=uow.now)
    await store.end(uow.session, direct)
    return direct


async def lookup(uow: Uow, text: str, source: str | None, publisher: str) -> Direct:
    """Who is behind an address. A miss costs its source; a source that missed too often is refused, hit or miss."""
    if not text:
        raise ValidationFailed(hash="must not be empty")
    hash = hash_in(text)
    who = source_of(source) if source else None

    async def reachable() -> Direct | None:
        return await store.reachable(uow.session, hash) if hash else None

    if direct := await within_budget(uow, who, reachable):
        return direct
    if who is None:
        await _watch(uow, publisher[:LONGEST])
    raise DirectNotFound


async def within_budget(uow: Uow, who: str | None, find: Callable[[], Awaitable[T | None]]) -> T | None:
    """What `find` has found. Nothing costs `who` one of their misses; `LookupRateLimited` once they have none left."""
    misses, counted = uow.memory.misses, uow.memory.metrics.direct_lookup
    if who is not None and await misses.is_shut(who):
        counted.labels("limited").inc()
        raise LookupRateLimited
    if (found := await find()) is not None:
        counted.labels("hit").inc()
        return found
    if who is not None and not await misses.spend(who):
        counted.labels("limited").inc()
        raise LookupRateLimited
    counted.labels("miss").inc()
    return None


async def rung(uow: Uow, direct: Direct) -> str | None:
    """The endpoint that the address rings, as Asterisk's dialplan reads it; `None` where it is refused."""
    return await store.rung(uow.session, direct.hash)


async def _watch(uow: Uow, publisher: str) -> None:
    """Say so, at most once a second, when one publisher asks for very many; it is served all the same."""
    misses = uow.memory.publisher_misses
    if not await misses.is_shut(publisher) and not await misses.spend(publisher):
        log.warning("many unknown direct hashes are asked for", action="direct_lookup", publisher=publisher)


async def find(uow: Uow, filters: DirectFilters) -> Sequence[Direct]:
    names = ("id", "customer_id", "extension_id")
    wanted = {name: value for name in names if (value := getattr(filters, name)) is not None}
    return await store.find(uow.session, wanted, deleted=bool(filters.deleted))


async def _issue(uow: Uow, direct_id: UUID) -> str:
    for _ in range(HASH_TRIES):
        hash = uow.memory.new_hash(uow.settings.direct_hash_bytes)
        if await store.issue(uow.session, hash, direct_id, uow.now):
            return hash
    raise HashUnavailable
