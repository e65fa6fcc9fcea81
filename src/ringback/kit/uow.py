"""One request, one transaction: the only `commit` in the house."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Generic, Self, TypeVar
from uuid import UUID, uuid4

from ringback.kit import audit, outbox
from ringback.kit.audit import SYSTEM, Actor
from ringback.kit.db import Conflict, Database, Row, Session, Statement
from ringback.kit.deadline import until
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.events import Event
from ringback.kit.together import Lines, Member, Shared

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")
U = TypeVar("U", bound="UnitOfWork")

AGAIN: Final = 3
"""How often a verb is run once more that was in the way of others (registrar 3.2)."""
APART: Final = 0.05
"""Seconds by which those who were in each other's way get apart, at most, for each try."""
PATIENCE: Final = 2.5
"""Seconds that one request may take in all; callers over the queue wait 3 (registrar 2.2)."""
Verb = Callable[[Any, Any, Sequence[A]], Awaitable[Sequence[B]]]
"""Makes something of each of several for somebody, in a unit of work: all of it in their order, or a failure."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Unheard(Exception):
    """A verb needs an answer from outside, which `ask` gets."""

    def __init__(self, question: Hashable, ask: Callable[[], Awaitable[object]]) -> None:
        super().__init__(question)
        self.question = question
        self.ask = ask


class UnitOfWork:
    """What a verb works with: the database session, the time, new ids, and the news it leaves behind.

    `by` is who is at work, set by the door that a request came through.
    """

    def __init__(self, session: Session, now: datetime) -> None:
        self.session = session
        self.now = now
        self.began = time.monotonic()
        self.by: Actor = SYSTEM
        self.changes: list[tuple[Actor, audit.Change]] = []
        self.events: list[Event] = []
        self.rows: dict[Statement, list[Row]] = {}
        self.callbacks: list[Callable[[], None]] = []
        self.steps: list[Callable[[], Awaitable[object]]] = []
        self.answers: dict[Hashable, Any] = {}
        self.joins: Callable[[Verb[Any, Any], Hashable, Any], Awaitable[Any]]
        self.is_over = False

    def new_id(self) -> UUID:
        return uuid4()

    def outside(self, question: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` gets, waited for while there is no transaction, and once however often the verb is run.

        The verb begins anew when the answer is there: ask before the first statement, or it is said twice.
        """
        if question not in self.answers:
            raise Unheard(question, ask)
        answer: T = self.answers[question]
        return answer

    async def together(self, verb: Verb[A, B], whose: Hashable, wanted: A) -> B:
        """What `verb` makes of this, in one transaction with what others want of it for `whose` meanwhile.

        It is committed then, and this unit of work may do nothing else. But where it has begun to before, all of it is
        one transaction of its own. `outside` knows there what it knows here.
        """
        assert not self.is_over
        if not self.session.is_begun:
            its: B = await self.joins(verb, whose, wanted)
            self.is_over = True
            return its
        (made,) = await verb(self, whose, [wanted])
        return made

    def emit(self, event: Event) -> None:
        """Tell the world, if and when this transaction commits."""
        self.events.append(event)

    def audited(self, kind: str, before: object | None, after: object | None, action: str | None = None) -> None:
        """Note in the audit log what becomes of an object: one line of a service for each change that it makes.

        `uow.audited("accesskey", None, wire.shown(key, uow.now))` makes an entry `created`; with both an object before
        and one after an entry `updated`, if a field is another one; without one after `deleted`. `action` is another
        word for it. Objects are structs, dataclasses or mappings with an `id` and a `customer_id` (`None`: the
        platform's; who has none is a customer). What is called like a secret, or is a `Secret`, is hidden, and a change
        of it seen all the same. Who did it, from where and in which request is known from the door: `by`.
        """
        if found := audit.change(kind, before, after, action):
            self.changes.append((self.by, found))

    def add_last(self, statement: Statement, row: Row) -> None:
        """Write a row just before the commit, with all others of that INSERT: nobody here reads it."""
        self.rows.setdefault(statement, []).append(row)

    def after(self, callback: Callable[[], None]) -> None:
        """Call this once the transaction has committed; never if it has not. It must not raise."""
        self.callbacks.append(callback)

    def then(self, step: Callable[[], Awaitable[object]]) -> None:
        """Wait for this between the commit and the answer; never if there was none. It must be quick and not raise."""
        self.steps.append(step)

    async def finish(self) -> None:
        """Write what comes last, just before the commit."""
        assert not (self.is_over and (self.session.is_begun or self.changes or self.events or self.rows))
        for statement, rows in self.rows.items():
            await self.session.run_each(statement, rows)
        await audit.add(self.session, self.changes, self.now)
        await outbox.add(self.session, self.events, self.now)


class Work(Generic[U]):
    """Runs verbs. A verb may be run again, so all it does goes through its unit of work."""

    def __init__(
        self,
        database: Database,
        unit: Callable[[Session, datetime], U],
        clock: Callable[[], datetime] = utc_now,
        published: Callable[[], None] = lambda: None,
    ) -> None:
        self.database = database
        self.patience = PATIENCE
        """Seconds of a verb, where it is not said how many."""
        self._unit = unit
        self._clock = clock
        self._published = published
        self._by = SYSTEM
        self._lines = Lines()

    def acting(self, by: Actor) -> Self:
        """The same for what somebody asks: the audit log names them."""
        found = object.__new__(type(self))
        found.__dict__ = {**self.__dict__, "_by": by}
        return found

    def now(self) -> datetime:
        return self._clock()

    async def read(self, verb: Callable[[U], Awaitable[T]], *, patience: float | None = None) -> T:
        """Run a verb that changes nothing, within `patience` seconds (its own, unless said): it takes no write lock."""
        return await self._run(verb, writes=False, deadline=self._within(patience))

    async def write(self, verb: Callable[[U], Awaitable[T]], *, patience: float | None = None) -> T:
        """Run a verb and commit what it did with its events, or nothing of it, within `patience` seconds."""
        return await self._run(verb, writes=True, deadline=self._within(patience))

    def _within(self, seconds: float | None) -> float:
        return asyncio.get_running_loop().time() + (self.patience if seconds is None else seconds)

    async def _run(
        self, verb: Callable[[U], Awaitable[T]], *, writes: bool, deadline: float, of: UnitOfWork | None = None
    ) -> T:
        """`of` is whose time it is and who has the answers from outside, where that was another unit of work."""
        try:
            doing = self._persistently(verb, of, writes=writes, deadline=deadline)
            answer, uow = await until(deadline, doing)
        except TimeoutError:
            raise DatabaseUnavailable from None
        for step in uow.steps:  # beyond the deadline: what is committed does not fail any more
            await step()
        return answer

    async def _persistently(
        self, verb: Callable[[U], Awaitable[T]], of: UnitOfWork | None, *, writes: bool, deadline: float
    ) -> tuple[T, U]:
        answers: dict[Hashable, Any] = of.answers if of else {}
        tries = 0
        while tries <= AGAIN:
            session = self.database.session(writes=writes, deadline=deadline)
            uow = self._unit(session, of.now if of else self._clock())
            uow.began, uow.answers, uow.by = of.began if of else uow.began, answers, self._by
            uow.joins = partial(self._join, uow, deadline)
            try:
                return await self._once(verb, uow), uow
            except Conflict:
                tries += 1
                await asyncio.sleep(random.uniform(0, tries * APART))  # noqa: S311
                continue
            except Unheard as unheard:
                wanted = unheard
            answers[wanted.question] = await wanted.ask()
        raise DatabaseUnavailable

    async def _once(self, verb: Callable[[U], Awaitable[T]], uow: U) -> T:
        try:
            answer = await verb(uow)
            await uow.finish()
            await uow.session.commit()
        except BaseException:
            await uow.session.rollback()
            raise
        for callback in uow.callbacks:
            callback()
        if uow.events:
            self._published()
        return answer

    async def _join(self, uow: U, deadline: float, verb: Verb[A, B], whose: Hashable, wanted: A) -> B:
        return await self._lines.join((verb, whose), Member(wanted, deadline, partial(self._all, uow, verb, whose)))

    async def _all(self, of: U, verb: Verb[A, B], whose: Hashable, wanted: Sequence[A], deadline: float) -> Sequence[B]:
        """What the verb makes of each. A failure behind it is nobody's own, and the commit may have been done."""
        is_made = False

        async def all_of_them(uow: U) -> Sequence[B]:
            nonlocal is_made
            is_made = False
            made = await verb(uow, whose, wanted)
            is_made = True
            return made

        try:
            return await self._run(all_of_them, writes=True, deadline=deadline, of=of)
        except Exception as error:
            if is_made:
                raise Shared(error) from None
            raise
