"""The steps from rows that are kept to what they say, each a short transaction that says how far it came."""

import time
from contextlib import suppress
from typing import Any, Final, NamedTuple
from uuid import UUID

import structlog

from ringback.kit.db import Row
from ringback.kit.errors import DatabaseUnavailable, FailedPrecondition, Failure, NotFound
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
    """A row that was right is not any more."""

    def __init__(self, line: int, failure: Failure) -> None:
        super().__init__(f"line {line}: {failure}")
        self.line = line
        self.failure = failure


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
    return await (_undo if one.state is State.UNDOING else _forward)(uow, one)


async def _forward(uow: Uow, one: Import) -> Step:
    """Create what is new; then, which nothing can refuse, change what was there."""
    verb = _create if one.state is State.CREATING else _change
    rows = await store.next_rows(uow.session, one, "create" if one.state is State.CREATING else "update")
    if not rows:
        await store.move(uow.session, one, NEXT[one.state], 0, uow.now)
        return Step()
    pace, done, missed = Pace(), list[int](), list[RowFailed]()
    for row in rows:
        if failed := await verb(uow, one, KINDS[one.kind], row):
            missed.append(failed)
        done.append(row["line"])
        if pace.is_up or uow.billing:
            break
    await store.move(uow.session, one, one.state, done[-1], uow.now)
    return Step(rows=len(done), missed=tuple(missed))


async def _create(uow: Uow, one: Import, kind: Rows, row: Row) -> None:
    try:
        if kind.kind == "extension" and (await realms.ensure(uow, one.customer_id)).name != row["data"]["realm"]:
            raise DomainMoved
        asked, kept = _asked(kind.shape, row["data"])
        await kind.service().create(uow, one.customer_id, asked, id=row["object_id"], kept=kept)
    except DatabaseUnavailable:
        raise
    except Failure as failure:
        raise RowFailed(row["line"], failure) from failure


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
