"""Makes every SIP row follow our own truth: at start and on a timer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Literal, TypeVar
from uuid import UUID

import structlog

from ringback.kit.errors import Failure
from ringback.kit.uow import Work
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.model import Extension
from ringback.registrar.metrics import Metrics
from ringback.registrar.work import Uow
from ringback.settings import Settings
from ringback.sip import asterisk, edge
from ringback.sip.tables import MANAGED

T = TypeVar("T")
L = TypeVar("L")
R = TypeVar("R")

CHUNK: Final = 500
GRACE: Final = timedelta(seconds=60)
"""How long a row without a live extension is left alone, in case its extension is still being written."""
EDGE: Final = "registrar_sip_auths"
CONTACTS: Final = "ps_contacts"
NIL: Final = UUID(int=0)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Drift:
    """A SIP row that is not what it should be; `id` is an endpoint name, or in the edge's table an extension id."""

    table: str
    id: str | UUID
    action: Literal["add", "correct", "remove"]


class Reconciler:
    """Compares every row with our truth and repairs what differs, each in a transaction of its own.

    It remembers since when it has seen each row without an extension, to give it `grace`.
    """

    def __init__(self, work: Work[Uow], metrics: Metrics, settings: Settings, grace: timedelta = GRACE) -> None:
        self._work = work
        self._metrics = metrics
        self._settings = settings
        self._suffix = f".{settings.domain_name_extension}"
        self._grace = grace
        self._strays: dict[tuple[str, str | UUID], datetime] = {}

    async def run(self, interval: float) -> None:
        """Until cancelled: a pass at once, then one every `interval` seconds."""
        while True:
            try:
                await self.once()
            except Exception as error:
                known = isinstance(error, Failure)
                log.warning("reconciliation failed", action="reconcile", exc_info=None if known else error)
            await asyncio.sleep(interval)

    async def once(self, *, dry_run: bool = False) -> list[Drift]:
        """One whole pass; what it repaired (with `dry_run`: would repair, and nothing is written)."""
        found = await self._found()
        now = await self._work.read(_now)
        strays = {(drift.table, drift.id): now for drift in found if drift.action == "remove"}
        self._strays = strays | {key: since for key, since in self._strays.items() if key in strays}
        due = [drift for drift in found if drift.action != "remove" or self._is_due(drift, now)]
        self._metrics.reconcile_pending.set(len(found))
        if dry_run:
            return due
        for drift in due:
            await self._work.write(partial(_repair, id=drift.id))
            self._metrics.reconcile_actions.labels(drift.table, drift.action).inc()
            await asyncio.sleep(0)
        for (table, action), rows in Counter((drift.table, drift.action) for drift in due).items():
            log.info("repaired", action="reconcile", table=table, repair=action, rows=rows)
        self._metrics.reconcile_pending.set(len(found) - len(due))
        self._metrics.reconcile_success.set(now.timestamp())
        return due

    def _is_due(self, drift: Drift, now: datetime) -> bool:
        return now - self._strays[drift.table, drift.id] >= self._grace

    async def _found(self) -> list[Drift]:
        """What differs, table by table; one that cannot be read does not keep the others from being repaired."""
        found: list[Drift] = []
        for table in (*MANAGED, EDGE, CONTACTS):
            try:
                found += [drift async for drift in self._drifts(table)]
            except Failure:
                raise
            except Exception as error:
                log.error("a table cannot be compared", action="reconcile", table=table, exc_info=error)
        return found

    async def _drifts(self, table: str) -> AsyncIterator[Drift]:
        if table in MANAGED:
            async for drift in self._asterisk_drifts(table):
                yield drift
        elif table == EDGE:
            async for drift in self._edge_drifts():
                yield drift
        else:
            for name in await self._work.read(lambda uow: uow.sip.stray_contacts(self._suffix)):
                yield Drift(CONTACTS, name, "remove")

    async def _asterisk_drifts(self, table: str) -> AsyncIterator[Drift]:
        truth = self._stream(lambda uow, after: extensions.live_behind(uow, after, CHUNK), _endpoint_id, "")
        rows = self._stream(lambda uow, after: uow.sip.owned(table, self._suffix, after, CHUNK), _row_id, "")
        async for extension, row in merged(truth, _endpoint_id, rows, _row_id):
            if extension is None:
                yield Drift(table, _row_id(row), "remove")
            elif row is None:
                yield Drift(table, extension.endpoint_id, "add")
            elif asterisk.differs(row, table, extension.endpoint, self._settings.asterisk_digest):
                yield Drift(table, extension.endpoint_id, "correct")

    async def _edge_drifts(self) -> AsyncIterator[Drift]:
        truth = self._stream(lambda uow, after: extensions.live_behind_id(uow, after, CHUNK), _id, NIL)
        rows = self._stream(lambda uow, after: edge.after(uow.session, after, CHUNK), _row_id, NIL)
        async for extension, row in merged(truth, _id, rows, _row_id):
            if extension is None:
                if row["reference_type"] == "extension":
                    yield Drift(EDGE, _row_id(row), "remove")
            elif row is None:
                yield Drift(EDGE, extension.id, "add")
            elif edge.differs(row, extension.credential):
                yield Drift(EDGE, extension.id, "correct")

    async def _stream(
        self, fetch: Callable[[Uow, Any], Awaitable[list[T]]], key: Callable[[T], Any], after: Any
    ) -> AsyncIterator[T]:
        """All items in the order of their keys, a chunk at a time."""
        items = await self._chunk(fetch, after)
        while items:
            for item in items:
                yield item
            await asyncio.sleep(0)
            items = await self._chunk(fetch, key(items[-1])) if len(items) == CHUNK else []

    async def _chunk(self, fetch: Callable[[Uow, Any], Awaitable[list[T]]], after: Any) -> list[T]:
        return await self._work.read(lambda uow: fetch(uow, after))


async def merged(
    lefts: AsyncIterator[L], left_key: Callable[[L], Any], rights: AsyncIterator[R], right_key: Callable[[R], Any]
) -> AsyncIterator[tuple[Any, Any]]:
    """Two ordered streams side by side: what has the same key together, what has no partner with `None`."""
    left, right = await anext(lefts, None), await anext(rights, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left_key(left) < right_key(right)):
            yield left, None
            left = await anext(lefts, None)
        elif left is None or right_key(right) < left_key(left):
            yield None, right
            right = await anext(rights, None)
        else:
            yield left, right
            left, right = await anext(lefts, None), await anext(rights, None)


def _endpoint_id(extension: Extension) -> str:
    return extension.endpoint_id


def _id(extension: Extension) -> UUID:
    return extension.id


def _row_id(row: Any) -> Any:
    return row["id"]


async def _repair(uow: Uow, id: str | UUID) -> None:
    """Look at the truth once more, now under the lock, and make the rows of that name follow it."""
    if isinstance(id, UUID):
        await _restate_credential(uow, id)
    else:
        await extensions.restate(uow, id)


async def _now(uow: Uow) -> datetime:
    return uow.now


async def _restate_credential(uow: Uow, id: UUID) -> None:
    if extension := await extensions.live(uow, id):
        await edge.put(uow.session, extension.credential, uow.now)
    else:
        await edge.drop(uow.session, id)
