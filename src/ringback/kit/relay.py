"""Hands events out of the outbox to those who carry them away: each publisher's by a way of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import structlog

from ringback.kit import outbox, replays
from ringback.kit.columns import NIL
from ringback.kit.errors import Failure
from ringback.kit.events import Message, Publisher

if TYPE_CHECKING:
    from ringback.kit.uow import Work

POLL: Final = 0.2
"""Seconds between two looks for events of other processes."""
GATHERING: Final = 0.05
"""Seconds after a look in which news gather, so that those of a burst go out together."""
LONGEST_PAUSE: Final = 2.0
"""Seconds between two tries while the bus fails, at most."""
PRUNE_EVERY: Final = 600.0

log = structlog.get_logger()


async def nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class Way:
    """How the events of one publisher leave: `observe` gets each event's type and whether the bus took it.

    `close` ends what the bus does by itself, when no more events leave.
    """

    publisher: str
    bus: Publisher
    observe: Callable[[str, bool], None]
    close: Callable[[], Awaitable[None]] = nothing


class Relay:
    """Hands waiting events to their bus, at least once each, those of one object in order.

    A bus that fails delays those that leave by it, and no others. Of several instances one at a time does it, for
    each publisher.
    """

    def __init__(
        self, work: "Work[Any]", ways: Sequence[Way], news: asyncio.Event, gathering: float = GATHERING
    ) -> None:
        """`news` is set after a commit with events. An event of a publisher without a way waits for one."""
        self._work = work
        self.news = news
        self._lanes = [Lane(work, way, gathering) for way in ways]

    async def run(self) -> None:
        """Until cancelled: publish what waits, then wait for news (other processes' events are found by polling)."""
        try:
            async with asyncio.TaskGroup() as going:
                for lane in self._lanes:
                    going.create_task(lane.run())
                going.create_task(self._pass_on_news())
                going.create_task(self._prune_now_and_then())
        finally:
            for lane in self._lanes:
                await lane.way.close()

    async def publish_waiting(self) -> int:
        """Publish one batch of each publisher; how many events that were. In the end raises what a bus has raised."""
        answers = await asyncio.gather(*(lane.publish_waiting() for lane in self._lanes), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return sum(answer for answer in answers if isinstance(answer, int))

    async def prune(self) -> None:
        """Forget the events that were published long ago, and what was answered long ago."""
        for some, batch in ((outbox.prune, outbox.BATCH), (replays.prune, replays.BATCH)):
            forgotten = batch
            while forgotten == batch:
                forgotten = await self._work.write(some)
                await asyncio.sleep(0)

    async def _pass_on_news(self) -> None:
        while True:
            await self.news.wait()
            self.news.clear()
            for lane in self._lanes:
                lane.news.set()

    async def _prune_now_and_then(self) -> None:
        while True:
            try:
                await self.prune()
            except Exception as error:
                log.warning("old events stay for now", action="outbox", error=_said(error))
            await asyncio.sleep(PRUNE_EVERY)


class Lane:
    """The events of one publisher, on their way."""

    def __init__(self, work: "Work[Any]", way: Way, gathering: float) -> None:
        self.news = asyncio.Event()
        self._work = work
        self._gathering = gathering
        self.way = way
        self._turn = f"outbox.{way.publisher}"

    async def run(self) -> None:
        """Until cancelled."""
        pause = POLL
        while True:
            try:
                while await self.publish_waiting() == outbox.BATCH:
                    pass
                pause = POLL
                await asyncio.sleep(self._gathering)
            except Exception as error:
                pause = min(pause * 2, LONGEST_PAUSE)
                log.warning("events wait", action="outbox", publisher=self.way.publisher, error=_said(error))
            try:
                async with asyncio.timeout(pause):
                    await self.news.wait()
            except TimeoutError:
                pass
            self.news.clear()

    async def publish_waiting(self) -> int:
        """Publish one batch; how many there were, or 0 while another instance does it. Raises what the bus raised."""
        if not await self._work.read(lambda uow: outbox.is_waiting(uow.session, self.way.publisher)):
            return 0
        async with self._work.database.turn(self._turn) as ours:
            return await self._publish_batch() if ours else 0

    async def _publish_batch(self) -> int:
        messages = await self._work.read(lambda uow: outbox.waiting(uow.session, self.way.publisher))
        sent: list[int] = []
        failed: list[int] = []
        try:
            for wave in waves(messages):
                await self._publish_wave(wave, sent, failed)
        finally:
            if sent or failed:
                await self._work.write(lambda uow: outbox.mark(uow, sent, failed))
        return len(messages)

    async def _publish_wave(self, wave: list[Message], sent: list[int], failed: list[int]) -> None:
        """Give events to the bus at once, so that it need not answer one by one; raises the first of its failures."""
        answers = await asyncio.gather(*map(self.way.bus.publish, wave), return_exceptions=True)
        for message, answer in zip(wave, answers, strict=True):
            (sent if answer is None else failed).append(message.id)
            self.way.observe(message.type, answer is None)
        for answer in answers:
            if answer is not None:
                raise answer


def waves(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """The messages in order, so that no two of one wave are about one object; one that is about none goes alone."""
    wave: dict[UUID, Message] = {}
    for message in messages:
        if wave and (message.object_id in wave or message.object_id == NIL or NIL in wave):
            yield list(wave.values())
            wave = {}
        wave[message.object_id] = message
    if wave:
        yield list(wave.values())


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, Failure) else type(error).__name__
