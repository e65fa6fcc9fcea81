"""Keeps the registry of a process at what the database says: whole loads, what changed since, and SQL by hand."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import msgspec
import structlog

from ringback.kit.db import Row
from ringback.kit.errors import Failure, ValidationFailed
from ringback.kit.uow import Work
from ringback.router import store as heads
from ringback.router.audit.model import BY_HAND, Actor
from ringback.router.extensions import rules, store
from ringback.router.extensions.model import RouterExtension
from ringback.router.extensions.registry import Registry, Snapshot
from ringback.router.extensions.writing import Change, Standing, begin, write
from ringback.router.store import Head
from ringback.router.work import Uow

log = structlog.get_logger()

INITIAL: Final = Actor("system:initial", "system")
"""Who has written the rows that come with the schema."""
TRIES: Final = 3
"""Of a whole load that somebody's change comes in between."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that somebody has broken, and what is wrong with it; its last good version is served."""

    id: str
    description: str


@dataclass(frozen=True, slots=True)
class Reloaded:
    """How a reload went; `changed` counts the records that are new, other or gone."""

    ok: bool
    revision: int
    changed: int
    rejected: tuple[Rejected, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """`last_reload` is in milliseconds since 1970, of the last one that went well; 0 before any."""

    last_reload: int
    load_count: int
    error_count: int
    total_extensions: int
    enabled_extensions: int
    revision: int
    checksum: str
    hits: int
    misses: int


class Loader:
    """Loads a registry: at start, on demand, at intervals, and whenever the revision of the database has moved."""

    def __init__(self, work: Work[Uow], registry: Registry) -> None:
        self._work = work
        self.registry = registry
        self.rejected: tuple[Rejected, ...] = ()
        self._last_reload = self._loads = self._errors = 0
        self._lock = asyncio.Lock()

    def stats(self) -> Stats:
        """What there is and how often it was loaded; nothing is waited for."""
        now = self.registry.snapshot
        return Stats(
            last_reload=self._last_reload,
            load_count=self._loads,
            error_count=self._errors,
            total_extensions=len(now.by_id),
            enabled_extensions=sum(map(len, now.by_type.values())),
            revision=now.revision,
            checksum=now.checksum,
            hits=self.registry.hits,
            misses=self.registry.misses,
        )

    async def reload(self) -> Reloaded:
        """Read everything anew, and adopt what was changed behind our back (R-2b). Never raises: old content stays."""
        before = self.registry.snapshot
        async with self._lock:
            try:
                await self._load()
            except Exception as error:
                self._errors += 1
                told = error.sentence if isinstance(error, Failure) else type(error).__name__
                log.error("the registry could not be loaded", action="registry", error=told)
                return Reloaded(False, before.revision, 0, self.rejected, told)
        self._loads += 1
        self._last_reload = round(self._work.now().timestamp() * 1000)
        now = self.registry.snapshot
        return Reloaded(True, now.revision, _differences(before, now), self.rejected)

    async def catch_up(self) -> None:
        """Take over what others have changed since; a gap, or a sum that is wrong, causes a whole load (R-2a)."""
        now = self.registry.snapshot
        head, changed = await self._work.read(lambda uow: _since(uow, now.revision))
        if (head.revision, head.checksum) == (now.revision, now.checksum):
            return
        following = now.with_changes(head.revision, changed)
        if head.revision > now.revision and following.checksum == head.checksum:
            self.registry.swap(following)
        else:
            await self.reload()

    async def run(self, interval: float, poll: float) -> None:
        """Until cancelled: look for changes every `poll` seconds, load everything every `interval`."""
        due = 0.0
        while True:
            if time.monotonic() >= due:
                await self.reload()
                due = time.monotonic() + interval
            else:
                await self._look()
            await asyncio.sleep(poll)

    async def _look(self) -> None:
        try:
            await self.catch_up()
        except Failure as failure:
            log.warning("the registry does not follow", action="registry", error=failure.sentence)

    async def _load(self) -> None:
        for _ in range(TRIES):
            head, rows = await self._work.read(_everything)
            records, rejected = await asyncio.to_thread(_sorted, rows)
            snapshot = await asyncio.to_thread(Snapshot.of, head.revision, records)
            if snapshot.checksum != head.checksum or rejected:
                kept = await self._work.read(_kept)
                if strange := _strange(records, rejected, kept):
                    await self._work.write(partial(_adopt, ids=strange))
                    continue
                good = _last_good(rejected, kept)
                snapshot = await asyncio.to_thread(Snapshot.of, head.revision, [*records, *good])
            self.rejected = rejected
            self.registry.snapshot = snapshot
            for one in rejected:
                log.error("a row is broken", action="registry", extension=one.id, error=one.description)
            return
        log.warning("the registry changes while it is read", action="registry")


async def _everything(uow: Uow) -> tuple[Head, list[Row]]:
    """All rows, and the head that they stand under: read again if it moves meanwhile."""
    while True:
        head = await heads.read(uow.session)
        rows = [row async for row in store.rows(uow.session)]
        if await heads.read(uow.session) == head:
            return head, rows


async def _kept(uow: Uow) -> dict[str, Row]:
    """The last revision of everything there ever was."""
    return {row["extension_id"]: row async for row in store.newest(uow.session)}


async def _since(uow: Uow, revision: int) -> tuple[Head, list[RouterExtension]]:
    head = await heads.read(uow.session)
    if head.revision <= revision:
        return head, []
    rows = await uow.session.all(store.SINCE, after=revision, upto=head.revision)
    return head, [_of(row) for row in rows]


def _of(row: Row) -> RouterExtension:
    return RouterExtension.of(msgspec.json.decode(row["document"]))


def _sorted(rows: Iterable[Row]) -> tuple[list[RouterExtension], tuple[Rejected, ...]]:
    """The records of the rows, and what is no record."""
    good: list[RouterExtension] = []
    bad: list[Rejected] = []
    for row in rows:
        try:
            good.append(rules.record_of(row))
        except ValidationFailed as failure:
            told = "; ".join(f"{fault.field} {fault.description}" for fault in failure.faults)
            bad.append(Rejected(str(row["id"]), told))
    return good, tuple(bad)


def _strange(records: Iterable[RouterExtension], rejected: Iterable[Rejected], kept: Mapping[str, Row]) -> list[str]:
    """Ids of valid rows that are not as we wrote them last, and of those that somebody has taken away."""
    seen = {record.id: record.checksum for record in records}
    others = [id for id, checksum in seen.items() if id not in kept or kept[id]["checksum"] != checksum]
    there = seen.keys() | {one.id for one in rejected}
    return others + [id for id, row in kept.items() if id not in there and _of(row).is_live]


def _last_good(rejected: Iterable[Rejected], kept: Mapping[str, Row]) -> list[RouterExtension]:
    return [_of(kept[one.id]) for one in rejected if one.id in kept]


async def _adopt(uow: Uow, *, ids: Iterable[str]) -> None:
    """Write what stands in rows as if it had been asked for; one transaction, and the first node does it."""
    head = await begin(uow)
    initial: list[Change] = []
    changes: list[Change] = []
    for id in ids:
        row = await store.one(uow.session, id, lock=True)
        last = await store.last_revision(uow.session, id)
        change = _adopted(uow, row, _of(last) if last else None)
        if change:
            is_first = last is None and row is not None and row["created_by"] == INITIAL.name
            (initial if is_first else changes).append(change)
    for by, some in ((INITIAL, initial), (BY_HAND, changes)):
        if some:
            uow.by = by
            await write(uow, head, some)
            head = await heads.read(uow.session)


def _adopted(uow: Uow, row: Row | None, kept: RouterExtension | None) -> Change | None:
    before = Standing(kept, kept.revision, kept.part) if kept else None
    if row is None:
        gone = kept and kept.is_live and replace(kept, deleted_at=uow.now, updated_at=uow.now, updated_by=BY_HAND.name)
        return Change("deleted", before, gone) if gone else None
    record = rules.record_of(row)
    if kept is None:
        return Change("created", None, record)
    if record.checksum == kept.checksum:
        return None
    after = replace(record, updated_at=uow.now, updated_by=BY_HAND.name)
    return Change(_named(kept, after), before, after)


def _named(before: RouterExtension, after: RouterExtension) -> str:
    """What was done, by what is different."""
    if before.is_live != after.is_live:
        return "restored" if after.is_live else "deleted"
    if before.enabled != after.enabled and before.is_as(replace(after, enabled=before.enabled)):
        return "enabled" if after.enabled else "disabled"
    return "updated"


def _differences(before: Snapshot, now: Snapshot) -> int:
    ids = before.by_id.keys() | now.by_id.keys()
    return sum(before.by_id.get(id) != now.by_id.get(id) for id in ids)
