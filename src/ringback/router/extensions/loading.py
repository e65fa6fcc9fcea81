"""Keeps the registry of a process at what the database says: whole loads, what changed since, and SQL by hand."""

import asyncio
import gc
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from ringback.kit.db import Row
from ringback.kit.errors import Failure, Unavailable, ValidationFailed
from ringback.kit.uow import Work
from ringback.router import store as heads
from ringback.router.extensions import rules, store
from ringback.router.extensions.adopting import BATCH, adopt, kept_record
from ringback.router.extensions.model import RouterExtension
from ringback.router.extensions.registry import EMPTY, Registry, Snapshot
from ringback.router.extensions.reports import RouterRejected, RouterReloaded, RouterStats, Source
from ringback.router.store import Head
from ringback.router.work import Uow

log = structlog.get_logger()

TRIES: Final = 3
"""Of a whole load that somebody's SQL comes in between."""
FEW: Final = 50
"""Registry revisions that are taken over one by one; whoever is further behind loads everything, off the loop."""
MANY: Final = 1000
"""New records from which on the garbage collector is told that they are none."""
LOADING: Final = 30.0
"""Seconds that a whole read may take, and a transaction that takes over what was written by SQL."""
SLICE: Final = 0.0005
"""Seconds after which a thread gives the loop its turn, from the first load on; Python's own are ten times as long."""


NOWHERE: Final = Head(0, "", 0, "")


class StillChanging(Unavailable):
    """The registry is changed by SQL while it is read."""


class Loader:
    """Loads a registry whole, or what changed since; `following.py` says when."""

    def __init__(self, work: Work[Uow], registry: Registry) -> None:
        self._work = work
        self.registry = registry
        registry.keeper = self
        self.rejected: list[RouterRejected] = []
        self.source: Source = "none"
        self.is_degraded = False
        self.head: Head | None = None
        """The last one that was followed."""
        self._known_at: datetime | None = None
        self._last_reload = self._loads = self._errors = 0
        self._lock = asyncio.Lock()

    @property
    def age(self) -> float | None:
        """Seconds since what is served was known to be what the database says; `None` where nothing ever was."""
        return (self._work.now() - self._known_at).total_seconds() if self._known_at else None

    def stats(self) -> RouterStats:
        """What there is and how often it was loaded; nothing is waited for."""
        now = self.registry.snapshot
        return RouterStats(
            node_id=self.registry.node,
            last_reload=self._last_reload,
            load_count=self._loads,
            error_count=self._errors,
            total_extensions=len(now.by_id),
            enabled_extensions=sum(map(len, now.by_type.values())),
            revision=now.revision,
            checksum=now.checksum,
            hits=self.registry.hits,
            misses=self.registry.misses,
            source=self.source,
            degraded=self.is_degraded,
            snapshot_age_s=self.age if self.is_degraded else None,
        )

    async def reload(self) -> RouterReloaded:
        """Read everything anew, and adopt what was changed behind our back (R-2b). Never raises: old content stays."""
        with gently():
            return await self._reload()

    async def _reload(self) -> RouterReloaded:
        before = self.registry.snapshot
        async with self._lock:
            try:
                await self._load()
            except Exception as error:
                self._errors += 1
                told = self._away("the registry could not be loaded", error)
                return RouterReloaded(False, before.revision, 0, self.rejected, told)
        self._loads += 1
        self.confirm()
        self._last_reload = round(self._work.now().timestamp() * 1000)
        now = self.registry.snapshot
        changed = await asyncio.to_thread(differences, before, now)
        if changed >= MANY:  # they stay, and a look at each of them would hold the loop for a tenth of a second
            gc.freeze()
        return RouterReloaded(True, now.revision, changed, self.rejected)

    async def catch_up(self) -> bool:
        """Take over what others have changed since; a gap, or a sum that is wrong, causes a whole load (R-2a).

        Whether that is done; never raises.
        """
        now = self.registry.snapshot
        try:
            head, changed = await self._work.read(lambda uow: _since(uow, now.revision, most=FEW))
        except Exception as error:
            self._away("the registry does not follow", error)
            return False
        self.confirm()
        if head == self.head or (head.revision, head.checksum) == (now.revision, now.checksum):
            self.head = head
            return True
        following = now.with_changes(head.revision, changed)
        is_good = all(map(rules.is_good, changed))
        if head.revision > now.revision and following.checksum == head.checksum and is_good:
            self.head = head
            self.registry.swap(following)
            return True
        return (await self.reload()).ok

    def serve_kept(self, snapshot: Snapshot, taken_at: datetime) -> None:
        """Until the database is there, serve what it said at that time (R-1e)."""
        self.registry.install(snapshot)
        self.source, self._known_at = "snapshot", taken_at

    def confirm(self) -> None:
        """What is served is what the database says."""
        if self.is_degraded:
            log.info("the registry follows again", action="registry")
        self.source, self.is_degraded, self._known_at = "database", False, self._work.now()

    def _away(self, what: str, error: Exception) -> str:
        told = error.sentence if isinstance(error, Failure) else type(error).__name__
        (log.info if self.is_degraded else log.error)(what, action="registry", error=told)
        self.is_degraded = True
        return told

    async def _load(self) -> None:
        for _ in range(TRIES):
            known = self.registry.snapshot.by_id
            read = await self._work.read(partial(_everything, known=known), patience=LOADING)
            if read.snapshot.checksum != read.head.checksum or read.rejected:
                kept = await self._work.read(_kept, patience=LOADING)
                good = await self._work.read(partial(_good, ids=read.rejected), patience=LOADING)
                if strange := await asyncio.to_thread(read.judge, kept, good):
                    for start in range(0, len(strange), BATCH):
                        some = strange[start : start + BATCH]
                        await self._work.write(partial(adopt, ids=some), patience=LOADING)
                    continue
            self.head, self.rejected = read.head, list(read.rejected.values())
            self.registry.install(read.snapshot)
            for one in self.rejected:
                log.error("a row is broken", action="registry", extension=one.id, error=one.description)
            return
        raise StillChanging


@dataclass(slots=True)
class Read:
    """What a whole read has found so far. Making it takes its time, so that is done off the loop's thread."""

    known: Mapping[str, RouterExtension]
    """What is served now: records that say the same stay the same, so nothing new is kept of what has not changed."""
    records: dict[str, RouterExtension] = field(default_factory=dict)
    rejected: dict[str, RouterRejected] = field(default_factory=dict)
    head: Head = NOWHERE
    snapshot: Snapshot = EMPTY

    def add(self, rows: Iterable[Row]) -> None:
        """A page of rows. Those that say what is served have been judged before, and are not again."""
        for row in rows:
            before = self.known.get(row["id"])
            try:
                same = before if before and before == store.from_row(row) else None
                self._take(same or rules.record_of(row))
            except ValidationFailed as failure:
                told = "; ".join(f"{fault.field} {fault.description}" for fault in failure.faults)
                self.rejected[row["id"]] = RouterRejected(str(row["id"]), told)

    def end(self, head: Head, since: Iterable[RouterExtension]) -> None:
        """What was changed while the rows were read, and the head of all together."""
        for record in since:
            self.rejected.pop(record.id, None)
            self._take(record)
        self.head, self.snapshot = head, Snapshot.of(head.revision, self.records.values())

    def judge(self, kept: Mapping[str, Row], good: Iterable[RouterExtension]) -> list[str]:
        """Ids of rows that are not as we wrote them last, and of those that somebody has taken away.

        Of what is broken the last `good` version is taken.
        """
        seen = {id: record.checksum for id, record in self.records.items()}
        strange = [id for id, checksum in seen.items() if id not in kept or kept[id]["checksum"] != checksum]
        gone = [id for id in kept if id not in seen and id not in self.rejected]
        strange += [id for id in gone if kept_record(kept[id]).is_live]
        if self.rejected:
            self.snapshot = Snapshot.of(self.head.revision, [*self.records.values(), *good])
        return strange

    def _take(self, record: RouterExtension) -> None:
        before = self.known.get(record.id)
        self.records[record.id] = before if before == record else record


async def _everything(uow: Uow, *, known: Mapping[str, RouterExtension]) -> Read:
    """All rows, what was changed while they were read, and the head of both together."""
    read = Read(known)
    before = await heads.read(uow.session)
    async for page in store.pages(uow.session):
        await asyncio.to_thread(read.add, page)
    await asyncio.to_thread(read.end, *await _since(uow, before.revision))
    return read


async def _kept(uow: Uow) -> dict[str, Row]:
    """The last revision of everything there ever was."""
    return {row["extension_id"]: row async for row in store.newest(uow.session)}


async def _good(uow: Uow, *, ids: Iterable[str]) -> list[RouterExtension]:
    """The newest revision of each of them that breaks no rule, whichever node may have written newer ones (R-3)."""
    found: list[RouterExtension] = []
    for id in ids:
        before, good = 1 << 62, None
        while good is None and (rows := await uow.session.all(store.REVISIONS, of=id, before=before, size=FEW)):
            good = next(filter(rules.is_good, map(kept_record, rows)), None)
            before = rows[-1]["revision"]
        found += [good] if good else []
    return found


async def _since(uow: Uow, revision: int, most: int | None = None) -> tuple[Head, list[RouterExtension]]:
    head = await heads.read(uow.session)
    if head.revision <= revision or (most and head.revision > revision + most):
        return head, []
    rows = await uow.session.all(store.SINCE, after=revision, upto=head.revision)
    return head, [kept_record(row) for row in rows]


@contextmanager
def gently() -> Iterator[None]:
    """While a whole load goes on: threads are brief, and the garbage collector does not go through what is half made.

    Either would hold the loop, for five milliseconds again and again, and once for tens of them.
    """
    sys.setswitchinterval(SLICE)
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def differences(before: Snapshot, now: Snapshot) -> int:
    """How many records are new, other or gone."""
    ids = before.by_id.keys() | now.by_id.keys()
    return sum(before.by_id.get(id) != now.by_id.get(id) for id in ids)
