"""The steps from rows that are kept to what they say, each a short transaction that says how far it came."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
import structlog

from ringback.kit.errors import DatabaseUnavailable, FailedPrecondition, Failure, NotFound
from ringback.registrar.asked import Wanted
from ringback.registrar.imports import store
from ringback.registrar.imports.kinds import KINDS, Rows
from ringback.registrar.imports.model import Import, ImportTakenOver, State, Waiting
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


async def step(uow: Uow, id: UUID) -> Step:
    """Go on with some rows."""
    one = await store.locked(uow.session, id)
    if one is None or one.state is State.STAGING:
        raise ImportTakenOver
    if one.state is State.ENDING:
        await store.move(uow.session, one, one.state, 0, uow.now)
        return Step(over=await store.forget_some(uow.session, one))
    return await _undo(uow, one) if one.state is State.UNDOING else await _forward(uow, one)


async def apart(uow: Uow, id: UUID) -> None:
    """Have each of the next new rows made alone."""
    one = await store.locked(uow.session, id)
    if one is None or one.state is not State.CREATING:
        raise ImportTakenOver
    await _apart(uow, one, await store.next_part(uow.session, one, "create"))


async def _apart(uow: Uow, one: Import, rows: Sequence[Waiting]) -> None:
    await store.shorten(uow.session, one, rows, rows[-1:])
    await store.add_parts(uow.session, one.id, "create", *([row] for row in rows[:-1]))


async def _forward(uow: Uow, one: Import) -> Step:
    """Create what is new; then, which nothing can refuse, change what was there."""
    action = "create" if one.state is State.CREATING else "update"
    rows = await store.next_part(uow.session, one, action)
    if not rows:
        await store.move(uow.session, one, NEXT[one.state], 0, uow.now)
        return Step()
    if action == "create" and uow.billing and len(rows) > 1:  # who is asked for each of them
        await _apart(uow, one, rows)
        return Step()
    done, missed = len(rows), tuple[RowFailed, ...]()
    if action == "create":
        await _create(uow, one, KINDS[one.kind], rows)
    else:
        done, missed = await _change_some(uow, one, KINDS[one.kind], rows)
        if left := rows[done:]:
            await store.shorten(uow.session, one, rows, left)
            await store.add_parts(uow.session, one.id, action, rows[:done])
    await store.move(uow.session, one, one.state, rows[done - 1].line, uow.now)
    return Step(rows=done, missed=missed)


async def _create(uow: Uow, one: Import, kind: Rows, rows: Sequence[Waiting]) -> None:
    """All of them at once."""
    try:
        if kind.kind == "extension":
            realm = (await realms.ensure(uow, one.customer_id)).name
            if any(row.realm != realm for row in rows):
                raise DomainMoved
        wanted = [Wanted(msgspec.convert(row.asked, kind.shape), row.id, _kept(row)) for row in rows]
        await kind.service().create_all(uow, one.customer_id, wanted)
    except DatabaseUnavailable:
        raise
    except Failure as failure:
        raise RowFailed(rows[0].line, failure, is_alone=len(rows) == 1) from failure


async def _change_some(uow: Uow, one: Import, kind: Rows, rows: Sequence[Waiting]) -> tuple[int, tuple[RowFailed, ...]]:
    """As many of them as a moment takes; how many, and which of them were missed."""
    pace, missed = Pace(), list[RowFailed]()
    for count, row in enumerate(rows, 1):
        if failed := await _change(uow, one, kind, row):
            missed.append(failed)
        if pace.is_up:
            return count, tuple(missed)
    return len(rows), tuple(missed)


async def _change(uow: Uow, one: Import, kind: Rows, row: Waiting) -> RowFailed | None:
    """What somebody has ended, or changed into what the row does not fit, since it was judged stays as they want it."""
    asked = msgspec.convert(row.asked, kind.change_shape)
    try:
        await kind.service().change(uow, row.id, asked, of=one.customer_id, kept=_kept(row))
    except DatabaseUnavailable:
        raise
    except Failure as failure:
        log.warning("a row was not followed", action="import", line=row.line, error=failure.reason)
        return RowFailed(row.line, failure)
    return None


async def _undo(uow: Uow, one: Import) -> Step:
    """The last rows first."""
    rows = await store.last_part(uow.session, one)
    if not rows:
        await store.move(uow.session, one, State.ENDING, 0, uow.now)
        return Step()
    pace, left = Pace(), len(rows)
    while left and not pace.is_up:
        left -= 1
        with suppress(NotFound):  # somebody was faster
            await KINDS[one.kind].service().delete(uow, rows[left].id, of=one.customer_id)
    if left:
        await store.shorten(uow.session, one, rows, rows[:left])
    await store.move(uow.session, one, State.UNDOING, rows[left].line - 1, uow.now)
    return Step(rows=left - len(rows))


def _kept(row: Waiting) -> Kept | None:
    return Kept.from_row(row.kept) if row.kept else None
