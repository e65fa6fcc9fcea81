"""Keeps the registry of a process at what the database says: whole loads, what changed since, and SQL by hand."""

import asyncio
import gc
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Final

import structlog

from ringback.kit.errors import Failure, Unavailable
from ringback.kit.uow import Work
from ringback.router import store as heads
from ringback.router.extensions import rules, store
from ringback.router.extensions.adopting import BATCH, adopt, kept_record
from ringback.router.extensions.model import RouterExtension
from ringback.router.extensions.registry import EMPTY, Registry, Snapshot
from ringback.router.extensions.reports import RouterRejected, RouterReloaded, RouterStats, Source
from ringback.router.extensions.since import Since, changed_since
from ringback.router.policies import adopting as policies_adopting
from ringback.router.policies import loading as policy_loading
from ringback.router.policies.model import Policy
from ringback.router.reading import Last, Shelf
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
            since = await self._work.read(lambda uow: changed_since(uow, now.revision, most=FEW))
        except Exception as error:
            self._away("the registry does not follow", error)
            return False
        self.confirm()
        head = since.head
        if head == self.head or (head.revision, head.checksum) == (now.revision, now.checksum):
            self.head = head
            return True
        following = since.after(now)
        if head.revision > now.revision and following and following.checksum == head.checksum:
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
            read = await self._work.read(partial(_everything, known=self.registry.snapshot), patience=LOADING)
            if read.snapshot.checksum != read.head.checksum or read.rejected:
                if await self._adopt(read):
                    continue
                await self._mend(read)
            self.head, self.rejected = read.head, read.rejected
            self.registry.install(read.snapshot)
            for one in self.rejected:
                log.error("a row is broken", action="registry", extension=one.id, error=one.description)
            return
        raise StillChanging

    async def _adopt(self, read: "Read") -> bool:
        """Take over rows that are not as we wrote them last; whether there were any."""
        kinds = (
            (read.extensions, _kept, adopt),
            (read.policies, policy_loading.kept, policies_adopting.adopt),
        )
        adopted = False
        for shelf, kept, take_over in kinds:
            strange = await asyncio.to_thread(shelf.strange, await self._work.read(kept, patience=LOADING))
            for start in range(0, len(strange), BATCH):
                some = strange[start : start + BATCH]
                await self._work.write(partial(take_over, ids=some), patience=LOADING)
            adopted = adopted or bool(strange)
        return adopted

    async def _mend(self, read: "Read") -> None:
        """Serve the last good version of what is broken."""
        extensions = await self._work.read(partial(_good, ids=read.extensions.rejected), patience=LOADING)
        policies = await self._work.read(partial(policy_loading.good, keys=read.policies.rejected), patience=LOADING)
        await asyncio.to_thread(read.serve, extensions, policies)


@dataclass(slots=True)
class Read:
    """What a whole read has found so far, of both kinds."""

    extensions: Shelf[RouterExtension]
    policies: Shelf[Policy]
    head: Head = NOWHERE
    snapshot: Snapshot = EMPTY

    @classmethod
    def over(cls, known: Snapshot) -> "Read":
        """The next one after what is served."""
        by_id = Shelf(known.by_id, itemgetter("id"), store.from_row, rules.record_of)
        return cls(by_id, policy_loading.shelf(known.policies.values()))

    @property
    def rejected(self) -> list[RouterRejected]:
        return [*self.extensions.rejected.values(), *self.policies.rejected.values()]

    def end(self, since: Since) -> None:
        """What was changed while the rows were read, and the head of all together."""
        for record in since.extensions:
            self.extensions.take(record)
        self.policies.add(since.policies)
        self.head = since.head
        self.snapshot = self._whole((), ())

    def serve(self, extensions: Iterable[RouterExtension], policies: Iterable[Policy]) -> None:
        """In the place of what is broken the last good version."""
        self.snapshot = self._whole(extensions, policies)

    def _whole(self, extensions: Iterable[RouterExtension], policies: Iterable[Policy]) -> Snapshot:
        return Snapshot.of(
            self.head.revision,
            [*self.extensions.records.values(), *extensions],
            [*self.policies.records.values(), *policies],
        )


async def _everything(uow: Uow, *, known: Snapshot) -> Read:
    """All rows, what was changed while they were read, and the head of both together."""
    read = await asyncio.to_thread(Read.over, known)
    before = await heads.read(uow.session)
    async for page in store.pages(uow.session):
        await asyncio.to_thread(read.extensions.add, page)
    async for page in policy_loading.pages(uow):
        await asyncio.to_thread(read.policies.add, page)
    await asyncio.to_thread(read.end, await changed_since(uow, before.revision))
    return read


async def _kept(uow: Uow) -> Mapping[str, Last]:
    """How every router extension there ever was stood last."""
    newest = store.newest(uow.session)
    return {row["extension_id"]: Last(row["checksum"], row["document"]) async for row in newest}


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
    places = before.policies.keys() | now.policies.keys()
    other = sum(before.policies.get(place) != now.policies.get(place) for place in places)
    return other + sum(before.by_id.get(id) != now.by_id.get(id) for id in ids)
