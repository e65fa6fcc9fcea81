"""Events wait here, in the transaction that caused them, until the bus has them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from ringback.kit.columns import Id, Json, Time
from ringback.kit.db import OWN, Row, Session, Statement, among, spread
from ringback.kit.errors import Failure
from ringback.kit.events import Event, Message, Publisher

if TYPE_CHECKING:
    from ringback.kit.uow import UnitOfWork, Work

KEEP: Final = timedelta(hours=24)
"""How long a published event stays readable."""
BATCH: Final = 100
LATEST: Final = timedelta(seconds=10)
"""How long after its successors an event may appear: no transaction lasts longer."""
PRUNE_EVERY: Final = 600.0

metadata = MetaData(schema=OWN)
outbox = Table(
    "registrar_outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("publisher", String(64), nullable=False),
    Column("event_type", String(64), nullable=False),
    Column("object_id", Id, nullable=False),
    Column("subscription_id", Id, nullable=False),
    Column("payload", Json, nullable=False),
    Column("tm_create", Time, nullable=False),
    Column("tm_publish", Time),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Index("idx_registrar_outbox_publish", "tm_publish", "id"),
    sqlite_autoincrement=True,
)

COLUMNS: Final = ("publisher", "event_type", "object_id", "subscription_id", "payload", "tm_create")
ADD = Statement(insert(outbox), *COLUMNS)
WAITING = Statement(select(outbox).where(outbox.c.tm_publish.is_(None)).order_by(outbox.c.id).limit(BATCH))
SINCE = Statement(select(outbox).where(outbox.c.id > bindparam("last")).order_by(outbox.c.id).limit(BATCH))
LATE = Statement(select(outbox).where(among(outbox.c.id, "id", BATCH)).order_by(outbox.c.id))
LAST = Statement(select(func.coalesce(func.max(outbox.c.id), 0).label("id")))
PENDING = Statement(
    select(func.count().label("count"), func.min(outbox.c.tm_create).label("oldest")).where(
        outbox.c.tm_publish.is_(None)
    )
)
SENT = Statement(update(outbox).where(among(outbox.c.id, "id", BATCH)), "tm_publish")
FAILED = Statement(update(outbox).where(among(outbox.c.id, "id", BATCH)).values(attempts=outbox.c.attempts + 1))
OLD = Statement(select(outbox.c.id).where(outbox.c.tm_publish < bindparam("before", type_=Time)).limit(BATCH))
FORGET = Statement(delete(outbox).where(among(outbox.c.id, "id", BATCH)))

log = structlog.get_logger()


async def add(session: Session, events: Sequence[Event], now: datetime) -> None:
    for event in events:
        await session.run(
            ADD,
            publisher=event.publisher,
            event_type=event.type,
            object_id=event.object_id,
            subscription_id=event.subscription_id,
            payload=msgspec.to_builtins(event.data),
            tm_create=now,
        )


class Reading:
    """Reads all events with an id above `last`, published or not, once each.

    Transactions side by side get their ids before they commit, so an id that is not there yet may come for some time.
    """

    def __init__(self, last: int = 0) -> None:
        self._last = last
        self._missing: dict[int, datetime] = {}

    async def more(self, uow: "UnitOfWork") -> list[Message]:
        """Up to 200 that have not been given before: late ones first, else by id."""
        self._missing = {id: until for id, until in self._missing.items() if uow.now < until}
        asked = sorted(self._missing)[-BATCH:]
        late = await uow.session.all(LATE, **spread("id", asked, BATCH)) if asked else []
        new = await uow.session.all(SINCE, last=self._last)
        for row in late:
            del self._missing[row["id"]]
        for row in new:
            if self._last:
                self._missing |= dict.fromkeys(
                    range(max(self._last + 1, row["id"] - BATCH), row["id"]), uow.now + LATEST
                )
            self._last = row["id"]
        return [message_of(row) for row in (*late, *new)]


async def last_id(session: Session) -> int:
    row = await session.one(LAST)
    return int(row["id"]) if row else 0


async def pending(session: Session) -> tuple[int, datetime | None]:
    """How many events wait, and since when the oldest does."""
    row = await session.one(PENDING)
    assert row is not None
    return row["count"], row["oldest"]


def message_of(row: Row) -> Message:
    return Message(
        id=row["id"],
        publisher=row["publisher"],
        type=row["event_type"],
        object_id=row["object_id"],
        subscription_id=row["subscription_id"],
        data=row["payload"],
        tm_create=row["tm_create"],
    )


class Relay:
    """Hands waiting events to the bus, at least once each, those of one object in order; a bus that fails delays them.

    Of several instances one at a time does it.
    """

    def __init__(
        self,
        work: "Work[Any]",
        bus: Publisher,
        news: asyncio.Event,
        observe: Callable[[str, bool], None],
        *,
        poll: float = 0.2,
        longest_pause: float = 2.0,
    ) -> None:
        """`news` is set after a commit with events; `observe` gets each event's type and whether the bus took it."""
        self._work = work
        self._bus = bus
        self._news = news
        self._observe = observe
        self._poll = poll
        self._longest_pause = longest_pause

    async def run(self) -> None:
        """Until cancelled: publish what waits, then wait for news (other processes' events are found by polling)."""
        loop = asyncio.get_running_loop()
        pause = self._poll
        prune_at = loop.time()
        while True:
            try:
                while await self.publish_waiting():
                    pause = self._poll
                if loop.time() >= prune_at:
                    await self.prune()
                    prune_at = loop.time() + PRUNE_EVERY
            except Exception as error:
                pause = min(pause * 2, self._longest_pause)
                known = isinstance(error, Failure)
                log.warning("events wait", action="outbox", error=str(error) if known else type(error).__name__)
            try:
                async with asyncio.timeout(pause):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()

    async def prune(self) -> None:
        """Forget the events that were published long ago."""
        forgotten = BATCH
        while forgotten == BATCH:
            forgotten = await self._work.write(_prune)
            await asyncio.sleep(0)

    async def publish_waiting(self) -> int:
        """Publish one batch; how many there were, or 0 while another instance does it. Raises what the bus raised."""
        if not await self._work.read(_waiting):
            return 0
        async with self._work.database.turn("outbox") as ours:
            return await self._publish_batch() if ours else 0

    async def _publish_batch(self) -> int:
        messages = [message_of(row) for row in await self._work.read(_waiting)]
        sent: list[int] = []
        failed: list[int] = []
        try:
            for wave in waves(messages):
                await self._publish_wave(wave, sent, failed)
        finally:
            if sent or failed:
                await self._work.write(lambda uow: _mark(uow, sent, failed))
        return len(messages)

    async def _publish_wave(self, wave: list[Message], sent: list[int], failed: list[int]) -> None:
        """Give events to the bus at once, so that it need not answer one by one; raises the first of its failures."""
        answers = await asyncio.gather(*map(self._bus.publish, wave), return_exceptions=True)
        for message, answer in zip(wave, answers, strict=True):
            (sent if answer is None else failed).append(message.id)
            self._observe(message.type, answer is None)
        for answer in answers:
            if answer is not None:
                raise answer


def waves(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """The messages in order, so that no two of one wave are about one object."""
    wave: dict[UUID, Message] = {}
    for message in messages:
        if message.object_id in wave:
            yield list(wave.values())
            wave = {}
        wave[message.object_id] = message
    if wave:
        yield list(wave.values())


async def _waiting(uow: "UnitOfWork") -> list[Row]:
    return await uow.session.all(WAITING)


async def _mark(uow: "UnitOfWork", sent: list[int], failed: list[int]) -> None:
    if sent:
        await uow.session.run(SENT, tm_publish=uow.now, **spread("id", sent, BATCH))
    if failed:
        await uow.session.run(FAILED, **spread("id", failed, BATCH))


async def _prune(uow: "UnitOfWork") -> int:
    """Forget some events that were published long ago; how many."""
    old = [row["id"] for row in await uow.session.all(OLD, before=uow.now - KEEP)]
    return await uow.session.run(FORGET, **spread("id", old, BATCH)) if old else 0
