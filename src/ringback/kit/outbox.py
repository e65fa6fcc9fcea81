"""Events wait here, in the transaction that caused them, until the bus has them."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

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
LAST = Statement(select(func.coalesce(func.max(outbox.c.id), 0).label("id")))
PENDING = Statement(
    select(func.count().label("count"), func.min(outbox.c.tm_create).label("oldest")).where(
        outbox.c.tm_publish.is_(None)
    )
)
SENT = Statement(update(outbox).where(outbox.c.id == bindparam("sent_id")), "tm_publish")
FAILED = Statement(update(outbox).where(outbox.c.id == bindparam("failed_id")).values(attempts=outbox.c.attempts + 1))
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


async def since(session: Session, last: int) -> list[Message]:
    """Up to 100 events with an id above `last`, oldest first, published or not."""
    return [message_of(row) for row in await session.all(SINCE, last=last)]


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
    """Hands waiting events to the bus, in order, at least once each; a bus that fails delays them and loses none."""

    def __init__(
        self,
        work: "Work[Any]",
        bus: Publisher,
        news: asyncio.Event,
        observe: Callable[[str, bool], None],
        *,
        poll: float = 0.2,
        longest_pause: float = 5.0,
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
                    await self._forget_old()
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

    async def _forget_old(self) -> None:
        forgotten = BATCH
        while forgotten == BATCH:
            forgotten = await self._work.write(_prune)
            await asyncio.sleep(0)

    async def publish_waiting(self) -> int:
        """Publish one batch; how many there were. Raises what the bus raised, after counting the attempt.

        All of it is given to the bus at once, so that it need not answer one by one. What comes after a failure is
        given again as well: the last that is heard of an object stays the last that happened to it.
        """
        messages = [message_of(row) for row in await self._work.read(_waiting)]
        sent: list[int] = []
        publishing = [asyncio.ensure_future(self._bus.publish(message)) for message in messages]
        try:
            for message, published in zip(messages, publishing, strict=True):
                await published
                sent.append(message.id)
                self._observe(message.type, True)
        except Exception:
            self._observe(messages[len(sent)].type, False)
            raise
        finally:
            for published in publishing:
                published.cancel()
            await asyncio.gather(*publishing, return_exceptions=True)
            if messages:
                failed = messages[len(sent)].id if len(sent) < len(messages) else None
                await self._work.write(lambda uow: _mark(uow, sent, failed))
        return len(messages)


async def _waiting(uow: "UnitOfWork") -> list[Row]:
    return await uow.session.all(WAITING)


async def _mark(uow: "UnitOfWork", sent: list[int], failed: int | None) -> None:
    for id in sent:
        await uow.session.run(SENT, sent_id=id, tm_publish=uow.now)
    if failed is not None:
        await uow.session.run(FAILED, failed_id=failed)


async def _prune(uow: "UnitOfWork") -> int:
    """Forget some events that were published long ago; how many."""
    old = [row["id"] for row in await uow.session.all(OLD, before=uow.now - KEEP)]
    return await uow.session.run(FORGET, **spread("id", old, BATCH)) if old else 0
