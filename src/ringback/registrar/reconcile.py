"""Makes every SIP row follow our own truth: at start, on a timer, by command."""

import asyncio
import contextlib
import time
from collections import Counter
from datetime import timedelta
from functools import partial
from math import inf
from typing import Any, Final
from uuid import UUID

import structlog

from ringback.kit.chores import Outage
from ringback.kit.errors import DatabaseUnavailable, Failure
from ringback.kit.pauses import rest
from ringback.kit.uow import Work
from ringback.registrar import strays, unfinished
from ringback.registrar.drift.finding import Comparison, Tell, quietly
from ringback.registrar.drift.model import Drift, Pass
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.model import Extension
from ringback.registrar.metrics import Metrics
from ringback.registrar.strays import Stray
from ringback.registrar.trunks import service as trunks
from ringback.registrar.trunks.model import Trunk
from ringback.registrar.work import Uow
from ringback.settings import Settings
from ringback.sip import edge

GRACE: Final = timedelta(seconds=60)
"""How long a row of nobody is left alone, in case its extension is still being written."""
SHORTEST, LONGEST = 1.0, 60.0
"""Seconds before a pass that failed comes again, at first and in the end."""

log = structlog.get_logger()


class NothingThere(Exception):
    """The row was removed by somebody else, or its id cannot be told to the database as it stands there."""


class Reconciler:
    """Compares every row with our truth and repairs what differs, each in a transaction of its own.

    Since when a row of nobody has been seen stands in the database, so that a restart does not begin its grace anew.
    """

    def __init__(
        self,
        work: Work[Uow],
        metrics: Metrics,
        settings: Settings,
        behind: asyncio.Event,
    ) -> None:
        """`behind` is set when Asterisk's tables did not follow a change."""
        self.behind = behind
        self._work = work
        self._metrics = metrics
        self._outage = Outage("reconcile", "reconciliation failed")
        self._comparison = Comparison(work, settings)

    async def run(self, interval: float) -> None:
        """Until cancelled: a pass at once, then one every `interval` seconds; sooner to make up for something, later
        where one takes long.

        A pass that fails, or has to let another instance finish its own, comes again after 1 s, 2 s, 4 s, up to 60 s.
        """
        pause = SHORTEST
        while True:
            self.behind.clear()
            begun = time.monotonic()
            if await self._is_passed():
                pause = SHORTEST
                await _set_within(self.behind, rest(interval, time.monotonic() - begun))
            else:
                await asyncio.sleep(min(pause, interval))
                pause = min(2 * pause, LONGEST)

    async def _is_passed(self) -> bool:
        """Whether a pass of ours went through, and nothing fell behind meanwhile."""
        try:
            async with self._work.database.turn("reconcile") as ours:
                if not ours:
                    return False
                is_whole = (await self.once()).is_whole  # first: a wrong row may ring a wrong phone, ends may take long
                done = await unfinished.resume(self._work) and is_whole and not self.behind.is_set()
                self._outage.is_over()
                return done
        except Exception as error:
            self._outage.tell(error)
            return False

    async def once(
        self, *, dry_run: bool = False, no_grace: bool = False, most: float = inf, tell: Tell = quietly
    ) -> Pass:
        """One whole pass; with `dry_run` nothing is written, with `no_grace` rows of nobody go at once.

        It ends after `most` repairs. `tell` hears how far it is.
        """
        found, unread = await self._comparison.found(tell)
        grace = timedelta(0) if no_grace else GRACE
        rows = {drift.stray for drift in found if drift.action == "remove"}
        young = await self._young(rows, grace, dry_run=dry_run)
        waiting = [drift for drift in found if drift.action == "remove" and drift.stray in young]
        due = [drift for drift in found if drift.action != "remove" or drift.stray not in young]
        self._metrics.reconcile_pending.set(len(found))
        if dry_run:
            return Pass(due, waiting, unread=unread)
        done = Pass([], waiting, [], unread)
        ends: dict[tuple[bool, object], list[Drift]] = {}
        for drift in due:
            place = (drift.table == edge.TABLE, drift.id)  # one repair mends all of Asterisk's rows of a name
            if place not in ends:
                ends[place] = await self._end_of(drift, done) if len(ends) < most else done.left
            ends[place].append(drift)
            tell(f"{done.total - len(waiting)} of {len(due)} rows repaired")
        await self._tell(done)
        return done

    async def _young(self, rows: set[Stray], grace: timedelta, *, dry_run: bool) -> set[Stray]:
        """Those of the rows of nobody that may not go yet."""
        noted = await self._work.read(strays.are_noted)
        if dry_run or not (rows or noted):
            return await self._work.read(lambda uow: strays.young(uow, rows, uow.now - grace))
        return await self._work.write(lambda uow: strays.note(uow, rows, uow.now - grace))

    async def _end_of(self, drift: Drift, done: Pass) -> list[Drift]:
        """Where it belongs after the repair; one that cannot be repaired keeps no other from it."""
        try:
            is_repaired = await self._work.write(partial(_repair, drift=drift))
        except Failure:
            raise
        except Exception as error:
            log.error("a row cannot be repaired", action="reconcile", table=drift.table, exc_info=error)
            return done.failed
        await asyncio.sleep(0)
        return done.due if is_repaired else []

    async def _tell(self, done: Pass) -> None:
        for (table, action), rows in Counter((drift.table, drift.action) for drift in done.due).items():
            self._metrics.reconcile_actions.labels(table, action).inc(rows)
            log.info("repaired", action="reconcile", table=table, repair=action, rows=rows)
        self._metrics.reconcile_pending.set(done.total - len(done.due))
        if done.is_whole:
            self._metrics.reconcile_success.set((await self._work.read(_now)).timestamp())


async def _repair(uow: Uow, drift: Drift) -> bool:
    """Make the rows of that name follow the truth as it is now, under the lock; whether there was anything to do."""
    await strays.forget(uow, drift.stray)
    in_edge = drift.table == edge.TABLE
    done = await (_restate_credential(uow, drift.id) if in_edge else extensions.restate(uow, str(drift.id)))
    if uow.session.is_behind:
        raise DatabaseUnavailable
    if not done and drift.action == "remove":  # else its extension ended meanwhile
        raise NothingThere
    return done


async def _restate_credential(uow: Uow, id: object) -> bool:
    """Whether there was a row, or is one now."""
    owner: Extension | Trunk | None = None
    if isinstance(id, UUID):
        owner = await extensions.live(uow, id, lock=True) or await trunks.live(uow, id, lock=True)
    if owner is None:
        return await edge.drop(uow.session, id) > 0
    await edge.put(uow.session, uow.now, owner.credential)
    return True


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def _now(uow: Uow) -> Any:
    return uow.now
