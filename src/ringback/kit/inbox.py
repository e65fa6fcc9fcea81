"""What others tell us: done once, tried again when it fails, and kept when it cannot be done."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

import msgspec
import structlog
from sqlalchemy import Column, MetaData, String, Table, Text, bindparam, delete, insert, select
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from ringback.kit.audit import Actor
from ringback.kit.columns import Id, Time
from ringback.kit.db import OWN, Row, Session, Statement
from ringback.kit.errors import Failure
from ringback.kit.uow import UnitOfWork, Work

U = TypeVar("U", bound=UnitOfWork)

PAUSES: Final = (5.0, 30.0, 120.0)
"""Seconds before the second, third and last try (registrar 2.2)."""
KEEPING_PAUSE: Final = 120.0
"""Seconds between two tries to keep an event that was given up."""

metadata = MetaData(schema=OWN)
dead_events = Table(
    "registrar_dead_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("publisher", String(64), nullable=False),
    Column("event_type", String(64), nullable=False),
    Column("payload", Text().with_variant(MEDIUMTEXT(), "mysql"), nullable=False),
    Column("error", String(255), nullable=False),
    Column("tm_create", Time, nullable=False),
)
COLUMNS: Final = tuple(column.name for column in dead_events.columns)
BURY = Statement(insert(dead_events), *COLUMNS)
FORGET = Statement(delete(dead_events).where(dead_events.c.payload.contains(bindparam("text", type_=Text))))
DEAD = Statement(select(dead_events).order_by(dead_events.c.tm_create, dead_events.c.id))

log = structlog.get_logger()


class Envelope(msgspec.Struct):
    """An event envelope (registrar 3.1); unknown keys are ignored."""

    type: str
    publisher: str
    data_type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


class Subject(msgspec.Struct):
    """What is read of an event: whom it is about, and when it happened if it says so."""

    id: UUID
    tm_event: datetime | None = None


Heard = Callable[[Work[U], UUID, datetime], Awaitable[None]]
"""What is done about an event: (work, whom it is about, when it was). It may be done again, much later than what came
after it to somebody beside us, and raises when it could not be done."""
Observe = Callable[[str, str, float], None]
"""(publisher, type, milliseconds)"""


class Inbox(Generic[U]):
    """Follows the events of one subscription. `on` says what is done by (publisher, type); all others are let go.

    An event that does not say when it happened has happened when it came.

    Events about one and the same are followed one after the other, so that a later one waits while an earlier one is
    tried again.
    """

    def __init__(
        self,
        on: dict[tuple[str, str], Heard[U]],
        work: Work[U],
        observe: Observe,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._on = on
        self._work = work
        self._observe = observe
        self._sleep = sleep
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def take(self, body: bytes) -> bool:
        """Follow one event; return (whether it was done) when it may be forgotten by whoever brought it."""
        started = time.perf_counter()
        try:
            envelope = msgspec.json.decode(body, type=Envelope)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            log.warning("unreadable event", action="event", bytes=len(body))
            self._observe("", "unreadable", 0.0)
            return False
        heard = self._on.get((envelope.publisher, envelope.type))
        done = heard is not None and await self._follow(heard, envelope)
        known = envelope.type if heard else "other"
        self._observe(envelope.publisher if heard else "", known, (time.perf_counter() - started) * 1000)
        return done

    async def serve(self, body: bytes) -> bytes:
        """The same for a socket: the answer is the acknowledgement."""
        return msgspec.json.encode({"done": await self.take(body)})

    async def _follow(self, heard: Heard[U], envelope: Envelope) -> bool:
        try:
            subject = _subject(envelope.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
            await self._bury(envelope, "it names nobody")
            return False
        id, now = subject.id, self._work.now()
        at = min(now, subject.tm_event or now)
        async with self._turns.setdefault(id, asyncio.Lock()):
            return await self._insist(heard, id, envelope, at)

    async def _insist(self, heard: Heard[U], id: UUID, envelope: Envelope, at: datetime) -> bool:
        work = self._work.acting(Actor(f"event:{envelope.publisher}", "event"))
        for pause in (*PAUSES, None):
            try:
                await heard(work, id, at)
            except Exception as error:
                known = isinstance(error, Failure)
                log.warning("an event waits", action=envelope.type, again=pause, exc_info=None if known else error)
                if pause is None:
                    await self._bury(envelope, str(error) if known else type(error).__name__)
                    return False
                await self._sleep(pause)
            else:
                return True
        raise AssertionError("the last try either returns or raises")

    async def _bury(self, envelope: Envelope, error: str) -> None:
        """Keep an event that nothing can be done about, however long the database takes to answer."""
        log.error("an event was given up", action=envelope.type, error=error)
        while True:
            try:
                return await self._work.write(lambda uow: _keep(uow, envelope, error))
            except Exception as failure:
                known = isinstance(failure, Failure)
                log.warning("it waits to be kept", action=envelope.type, exc_info=None if known else failure)
                await self._sleep(KEEPING_PAUSE)


async def dead(session: Session) -> list[Row]:
    """The events that were given up, oldest first."""
    return await session.all(DEAD)


async def forget(session: Session, text: str) -> None:
    """Keep no event any more that was given up and speaks of this."""
    await session.run(FORGET, text=text)


async def _keep(uow: UnitOfWork, envelope: Envelope, error: str) -> None:
    await uow.session.run(
        BURY,
        id=uow.new_id(),
        publisher=envelope.publisher[:64],
        event_type=envelope.type[:64],
        payload=bytes(envelope.data).decode(errors="replace"),
        error=error[:255],
        tm_create=uow.now,
    )


def _subject(data: msgspec.Raw) -> Subject:
    """What an event is about. Its data is an object, or a string that holds one; `ValueError` for the nil UUID."""
    raw: Any = bytes(data)
    if raw.lstrip().startswith(b'"'):
        raw = msgspec.json.decode(raw, type=str)
    subject = msgspec.json.decode(raw, type=Subject)
    if subject.id.int == 0:
        raise ValueError("nil")
    return subject
