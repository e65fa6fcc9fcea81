"""The steps from rows that are kept to what they say, each a short transaction that says how far it came."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple
from uuid import UUID

import structlog

from ringback.kit.db import Row
from ringback.kit.errors import DatabaseUnavailable, FailedPrecondition, Failure, NotFound
from ringback.registrar.asked import Wanted
from ringback.registrar.imports import store
from ringback.registrar.imports.kinds import KINDS, Rows
from ringback.registrar.imports.model import Import, ImportTakenOver, State
from ringback.registrar.realms import service as realms
from ringback.registrar.work import Uow
from ringback.sip.digest import Kept

LONG: Final = 0.05
"""Seconds after which a step takes no further row, so that others get the file."""
ALL: Final = 2**31 - 1
"""A line behind all others."""
NEXT: Final = {State.CREATING: State.UPDATING, State.UPDATING: State.ENDING}

log = structlog.get_logger()


class Pace:
    """Says when a transaction has had its time: others wait for the file."""

    def __init__(self) -> None:
        self._end = time.monotonic() + LONG

    @property
    def is_up(self) -> bool:
        return time.monotonic() > self._end


class RowFailed(Exception):
    """A row that was right is not any more: the one of that line, or if it was not alone, one of those behind it."""

    def __init__(self, line: int, failure: Failure, *, is_alone: bool = True) -> None:
        super().__init__(f"line {line}: {failure}")
        self.line = line
        self.failure = failure
        self.is_alone = is_alone


class Step(NamedTuple):
    """What one transaction has done: whether it was the last, rows done (below 0: undone), and changes missed."""

    over: bool = False
    rows: int = 0
    missed: tuple[RowFailed, ...] = ()


class DomainMoved(FailedPrecondition):
    """The customer's phones live under another domain since the import began."""

    reason = "CUSTOMER_DOMAIN_MOVED"


async def turn(uow: Uow, id: UUID, state: State, *, of: State | None = None) -> None:
    """Let the import go on as that, if it is not taken over: in that state `of`, or in any."""
    one = await store.locked(uow.session, id)
    if one is None or of not in (None, one.state):
        raise ImportTakenOver
    created = one.done if one.state is State.CREATING else ALL
    await store.move(uow.session, one, state, created if state is State.UNDOING else 0, uow.now)


async def step(uow: Uow, id: UUID, most: int) -> Step:
    """Go on with some rows; of new ones with at most so many."""
    one = await store.locked(uow.session, id)
    if one is None or one.state is State.STAGING:
        raise ImportTakenOver
    if one.state is State.ENDING:
        await store.move(uow.session, one, one.state, 0, uow.now)
        return Step(over=await store.forget_some(uow.session, one))
    return await _undo(uow, one) if one.state is State.UNDOING else await _forward(uow, one, most)


async def _forward(uow: Uow, one: Import, most: int) -> Step:
    """Create what is new; then, which nothing can refuse, change what was there."""
    action, some = ("create", most) if one.state is State.CREATING else ("update", store.BATCH)
    rows: Sequence[Row] = await store.next_rows(uow.session, one, action, 1 if uow.billing else some)
    if not rows:
        await store.move(uow.session, one, NEXT[one.state], 0, uow.now)
        return Step()
    missed: tuple[RowFailed, ...] = ()
    if one.state is State.CREATING:
        await _create(uow, one, KINDS[one.kind], rows)
    else:
        rows, missed = await _change_some(uow, one, KINDS[one.kind], rows)
    await store.move(uow.session, one, one.state, rows[-1]["line"], uow.now)
    return Step(rows=len(rows), missed=missed)


async def _create(uow: Uow, one: Import, kind: Rows, rows: Sequence[Row]) -> None:
    """All of them at once."""
    try:
        if kind.kind == "extension":
            realm = (await realms.ensure(uow, one.customer_id)).name
            if any(row["data"]["realm"] != realm for row in rows):
                raise DomainMoved
        asked = [(row["object_id"], *_asked(kind.shape, row["data"])) for row in rows]
        wanted = [Wanted(what, id, kept) for id, what, kept in asked]
        await kind.service().create_all(uow, one.customer_id, wanted)
    except DatabaseUnavailable:
        raise
    except Failure as failure:
        raise RowFailed(rows[0]["line"], failure, is_alone=len(rows) == 1) from failure


async def _change_some(
    uow: Uow, one: Import, kind: Rows, rows: Sequence[Row]
) -> tuple[Sequence[Row], tuple[RowFailed, ...]]:
    """As many of them as a moment takes; those, and which of them were missed."""
    pace, missed = Pace(), list[RowFailed]()
    for count, row in enumerate(rows, 1):
        if failed := await _change(uow, one, kind, row):
            missed.append(failed)
        if pace.is_up:
            return rows[:count], tuple(missed)
    return rows, tuple(missed)


async def _change(uow: Uow, one: Import, kind: Rows, row: Row) -> RowFailed | None:
    """What somebody has ended, or changed into what the row does not fit, since it was judged stays as they want it."""
    asked, kept = _asked(kind.change_shape, row["data"])
    try:
        await kind.service().change(uow, row["object_id"], asked, of=one.customer_id, kept=kept)
    except DatabaseUnavailable:
        raise
    except Failure as failure:
        log.warning("a row was not followed", action="import", line=row["line"], error=failure.reason)
        return RowFailed(row["line"], failure)
    return None


async def _undo(uow: Uow, one: Import) -> Step:
    rows = await store.last_rows(uow.session, one)
    if not rows:
        await store.move(uow.session, one, State.ENDING, 0, uow.now)
        return Step()
    pace, undone = Pace(), list[int]()
    for row in rows:
        with suppress(NotFound):  # somebody was faster
            await KINDS[one.kind].service().delete(uow, row["object_id"], of=one.customer_id)
        undone.append(row["line"])
        if pace.is_up:
            break
    await store.move(uow.session, one, State.UNDOING, undone[-1] - 1, uow.now)
    return Step(rows=-len(undone))


def _asked(shape: type[Any], data: Any) -> tuple[Any, Kept | None]:
    said = {name: tuple(value) if isinstance(value, list) else value for name, value in data["asked"].items()}
    return shape(**said), Kept.from_row(data["kept"]) if data["kept"] else None
