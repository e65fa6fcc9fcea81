"""Imports: rows are judged, and then all of them are done, or none, or each that is right."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import structlog
from msgspec.structs import replace

from ringback.kit.ahead import ahead
from ringback.kit.errors import DatabaseUnavailable, Failure, Fault
from ringback.kit.rows import Row
from ringback.kit.secret import Secret
from ringback.kit.uow import Work
from ringback.registrar.asked import Wanted
from ringback.registrar.imports import store
from ringback.registrar.imports.judge import ImportQuery, Judge, Judged
from ringback.registrar.imports.kinds import KINDS, Rows
from ringback.registrar.imports.model import (
    MOST_FAULTS,
    Import,
    ImportRefused,
    ImportRunning,
    ImportTakenOver,
    LineFault,
    State,
    Waiting,
)
from ringback.registrar.imports.steps import Pace, RowFailed, Step, apart, step, turn
from ringback.registrar.realms import service as realms
from ringback.registrar.work import Uow

NEVER: Final[Callable[[Any], None]] = lambda news: None  # noqa: E731

log = structlog.get_logger()


class Made(NamedTuple):
    """A password that was made for a row, and for what."""

    id: UUID
    name: str
    password: Secret


@dataclass(slots=True)
class Outcome:
    """What has become of the rows so far; `followed` counts those that were kept and are made or changed by now."""

    id: UUID
    dry_run: bool
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("create", "update", "unchanged", "skip", "fail"), 0)
    )
    faults: list[LineFault] = field(default_factory=list)
    passwords: dict[int, Made] = field(default_factory=dict)
    followed: int = 0

    def add(self, rows: list[Judged]) -> None:
        for row in rows:
            self.counts[row.action] += 1
            self._note(row.line, row.faults)
            if row.made and row.id and row.action != "fail" and not self.dry_run:
                self.passwords[row.line] = Made(row.id, row.name, row.made)

    def follow(self, step: Step) -> None:
        """Rows were made or changed, or turned out not to fit any more."""
        self.followed += step.rows
        for row in step.missed:
            self.counts["update"] -= 1
            self.counts["fail"] += 1
            self.passwords.pop(row.line, None)
            self._note(row.line, _line_faults(row.failure))

    def _note(self, line: int, faults: Sequence[Fault]) -> None:
        room = MOST_FAULTS - len(self.faults)
        self.faults += [LineFault(line, one.field, one.description) for one in faults[:room]]

    @property
    def looked_at(self) -> int:
        return sum(self.counts.values())


Tell = Callable[[Outcome], None]


async def take(
    work: Work[Uow], customer_id: UUID, kind: str, rows: AsyncIterator[Row], query: ImportQuery, tell: Tell = NEVER
) -> Outcome:
    """Make extensions or trunks of rows, as asked; `tell` hears again and again what has become of them so far."""
    judge, outcome = Judge(KINDS[kind], customer_id, query), Outcome(uuid4(), query.dry_run)
    await work.read(judge.begin)
    async with ahead(judge.all(work, rows)) as parts:
        if query.dry_run:
            async for part in parts:
                outcome.add(part)
                tell(outcome)
                await asyncio.sleep(0)
        elif query.mode == "row_by_row":
            await work.read(partial(_require_none, customer_id=customer_id, kind=KINDS[kind]))
            async for part in parts:
                outcome.add(await _do(work, customer_id, KINDS[kind], part))
                tell(outcome)
        else:
            await _all(work, customer_id, KINDS[kind], parts, outcome, tell)
    log.info("imported", action="import", kind=kind, import_id=str(outcome.id), **outcome.counts)
    return outcome


async def resume(work: Work[Uow]) -> bool:
    """Go on with every import that nobody goes on with; whether all are over. One that fails keeps no others."""
    for one in await work.read(lambda uow: store.all_of_them(uow.session)):
        if one.is_left(work.now()):
            log.info("going on with an import", action="import", import_id=str(one.id))
            try:
                if one.state is State.STAGING:
                    await work.write(partial(turn, id=one.id, state=State.ENDING, of=State.STAGING))
                await go_on(work, one.id)
            except Exception as failure:
                known = isinstance(failure, Failure)
                log.warning("an import stays", action="import", exc_info=None if known else failure)
    return not await work.read(lambda uow: store.all_of_them(uow.session))


async def go_on(work: Work[Uow], id: UUID, heard: Callable[[Step], None] = NEVER) -> Exception | None:
    """Bring an import to its end: a `RowFailed` or another reason why all that it did was taken back, or `None`."""
    why: Exception | None = None
    while True:
        try:
            done = await work.write(partial(step, id=id))
            heard(done)
            if done.over:
                return why
        except (DatabaseUnavailable, ImportTakenOver):
            raise
        except Exception as error:
            if isinstance(error, RowFailed) and not error.is_alone:
                await work.write(partial(apart, id=id))  # which of them it is, each of them says alone
                continue
            if why:
                raise
            why = error
            log.warning("an import is taken back", action="import", import_id=str(id), error=str(error))
            await work.write(partial(turn, id=id, state=State.UNDOING))
        await asyncio.sleep(0)  # whoever else has a request goes first


async def _all(
    work: Work[Uow], customer_id: UUID, kind: Rows, parts: AsyncIterator[list[Judged]], outcome: Outcome, tell: Tell
) -> None:
    """All rows or none: they are collected first; what is left to do then stands in the database."""
    realm = await _begin(work, outcome.id, customer_id, kind)
    try:
        async for part in parts:
            outcome.add(part)
            if not outcome.faults:
                await work.write(partial(_stage, id=outcome.id, kind=kind, realm=realm, rows=part))
            tell(outcome)
            await asyncio.sleep(0)
        if outcome.faults:
            raise ImportRefused(outcome.faults)
        await work.write(partial(turn, id=outcome.id, state=State.CREATING, of=State.STAGING))
    except BaseException:
        with suppress(ImportTakenOver):
            await work.write(partial(turn, id=outcome.id, state=State.ENDING))
            await go_on(work, outcome.id)
        raise

    def heard(step: Step) -> None:
        outcome.follow(step)
        tell(outcome)

    if why := await go_on(work, outcome.id, heard):
        raise _refusal(why)


async def _begin(work: Work[Uow], id: UUID, customer_id: UUID, kind: Rows) -> str:
    """Have the import be the customer's only one; the realm that digests are made for."""

    async def begin(uow: Uow) -> str | None:
        one = Import(id, customer_id, kind.kind, State.STAGING, 0, uow.now)
        await realms.require_active(uow, customer_id)
        if not await store.add_if_new(uow.session, one):
            return None
        return (await realms.ensure(uow, customer_id)).name if kind.kind == "extension" else ""

    realm = await work.write(begin)
    if realm is None:
        await resume(work)
        realm = await work.write(begin)
    if realm is None:
        raise ImportRunning
    return realm


async def _stage(uow: Uow, id: UUID, kind: Rows, realm: str, rows: list[Judged]) -> None:
    """Keep some rows, with what is kept of a password in its place."""
    await turn(uow, id, State.STAGING, of=State.STAGING)
    for action in ("create", "update"):
        some = [_waiting(uow, kind, realm, row) for row in rows if row.action == action]
        await store.add_parts(uow.session, id, action, some)


def _waiting(uow: Uow, kind: Rows, realm: str, row: Judged) -> Waiting:
    assert row.id
    asked, password = row.asked, row.asked.password
    at = row.there.realm if row.there else realm
    if not password:
        return Waiting(row.line, row.id, asked, None, at)
    kept = kind.kept(asked, password, at, uow, row.there).columns()
    return Waiting(row.line, row.id, replace(asked, password=None), kept, at)


async def _require_none(uow: Uow, customer_id: UUID, kind: Rows) -> None:
    """What stands there may be taken back while another import of this kind is running."""
    if await store.of_customer(uow.session, customer_id, kind.kind):
        raise ImportRunning


async def _do(work: Work[Uow], customer_id: UUID, kind: Rows, rows: list[Judged]) -> list[Judged]:
    """Each row that is right: a few in one transaction, or alone if one of the few is refused."""
    done: list[Judged] = []
    while rest := rows[len(done) :][: work.database.together]:
        try:
            count = await work.write(partial(_do_some, customer_id=customer_id, kind=kind, rows=rest))
            done += rest[:count]
        except DatabaseUnavailable:
            raise
        except Failure:
            done += [await _do_one(work, customer_id, kind, row) for row in rest]
        await asyncio.sleep(0)
    return done


async def _do_one(work: Work[Uow], customer_id: UUID, kind: Rows, row: Judged) -> Judged:
    try:
        await work.write(partial(_do_some, customer_id=customer_id, kind=kind, rows=[row]))
    except DatabaseUnavailable:
        raise
    except Failure as failure:
        return replace(row, action="fail", faults=tuple(_line_faults(failure)))
    return row


async def _do_some(uow: Uow, customer_id: UUID, kind: Rows, rows: list[Judged]) -> int:
    """The first of the rows, those that are new at once, of others as many as a moment takes; how many."""
    new = list(takewhile(lambda row: row.action == "create", rows[:1] if uow.billing else rows))
    if new:
        await kind.service().create_all(uow, customer_id, [Wanted(row.asked, row.id) for row in new])
        return len(new)
    pace = Pace()
    rest = list(takewhile(lambda row: row.action != "create", rows))
    for count, row in enumerate(rest, 1):
        if row.action == "update":
            await kind.service().change(uow, row.id, row.asked, of=customer_id)
        if pace.is_up:
            return count
    return len(rest)


def _line_faults(failure: Failure) -> list[Fault]:
    return list(failure.faults) or [Fault("", failure.sentence)]


def _refusal(why: Exception) -> Exception:
    """What the caller is told of an import that was taken back."""
    if not isinstance(why, RowFailed):
        return why
    return ImportRefused([LineFault(why.line, one.field, one.description) for one in _line_faults(why.failure)])
