"""Events as they happen, to whoever listens over HTTP: one look at the outbox for all of them, and none is left out."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from ringback.api.call import Listening
from ringback.customers.model import PUBLISHER as CUSTOMERS
from ringback.kit import outbox
from ringback.kit.errors import DatabaseUnavailable, Failure, ResourceExhausted
from ringback.kit.events import Message
from ringback.kit.uow import Work

MOST_WAITING: Final = 1000
"""Events that wait for a listener who does not take them; then it is let go, and may resume."""
MOST: Final = 100
"""Listeners of one customer, or of the platform, in one process."""
AGAIN: Final = 2000
"""Milliseconds after which a listener comes back that was let go."""

log = structlog.get_logger()


class TooManyListeners(ResourceExhausted):
    """There are as many listeners as allowed."""

    reason = "TOO_MANY_LISTENERS"


class Listener:
    """One who listens; what happened behind the event `since` and has not been taken yet."""

    def __init__(self, wanted: Listening, since: int) -> None:
        self.wanted = wanted
        self.since = since
        self.is_ended = False
        self._waiting: deque[Message] = deque()
        self._news = asyncio.Event()

    def hear(self, messages: Sequence[Message]) -> None:
        self._waiting += messages
        if len(self._waiting) > MOST_WAITING:
            self.end()
        self._news.set()

    def end(self) -> None:
        self.is_ended = True
        self._waiting.clear()
        self._news.set()

    async def more(self, seconds: float) -> list[Message]:
        """What there is, waited for as long as that."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()
        found = list(self._waiting)
        self._waiting.clear()
        return found


class Live:
    """Reads the outbox by id while somebody listens. `beat`, `check` and `poll` are pauses in seconds.

    What is told has an id above all that was told before, so that a listener who names the last one misses nothing:
    events wait for those before them that may still be committed.
    """

    def __init__(self, work: Work[Any], *, beat: float = 15.0, check: float = 5.0, poll: float = 0.2) -> None:
        self.beat, self.check, self.poll = beat, check, poll
        self._work = work
        self._listeners: set[Listener] = set()
        self._reading: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._last = 0
        self._is_closed = False

    @property
    def hearing(self) -> int:
        """How many are told what happens."""
        return sum(not listener.is_ended for listener in self._listeners)

    def close(self) -> None:
        """End all streams, and each that comes as soon as it has told what there is."""
        self._is_closed = True
        for listener in self._listeners:
            listener.end()

    async def open(
        self, wanted: Listening, after: int | None, still: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[bytes]:
        """A stream of server-sent events: those behind the event `after`, or from now on, as long as `still` says so.

        `after` 0 is all that is kept.
        """
        async with self._starting:
            if self._reading is None:
                self._last = await self._work.read(outbox.settled_id)
                self._reading = asyncio.create_task(self._read())
        if sum(other.wanted.customer_id == wanted.customer_id for other in self._listeners) >= MOST:
            self._stop_reading()
            raise TooManyListeners
        stream = self._told(Listener(wanted, self._last), after, still)
        return _behind(await anext(stream), stream)

    async def _told(
        self, listener: Listener, after: int | None, still: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[bytes]:
        with self._listening(listener):
            if self._is_closed:
                listener.end()
            since = listener.since
            if after and not await self._work.read(lambda uow: outbox.keeps_all_after(uow, after)):
                yield lost(since)
            else:
                yield b"retry: %d\n" % AGAIN + beat(since if after is None else after)
                async for frame in self._missed(listener, since if after is None else after):
                    yield frame
            async for frame in self._follow(listener, still):
                yield frame

    async def _missed(self, listener: Listener, after: int) -> AsyncIterator[bytes]:
        """What was told after the event `after`, and before it began to listen."""
        while after < listener.since:
            messages = await self._work.read(partial(outbox.settled, last=after))
            for message in messages:
                if message.id <= listener.since and concerns(listener.wanted, message):
                    yield frame_of(message)
            after = messages[-1].id if messages else listener.since

    async def _follow(self, listener: Listener, still: Callable[[], Awaitable[object]]) -> AsyncIterator[bytes]:
        now = asyncio.get_running_loop().time
        checked = told = now()
        last = listener.since
        while not listener.is_ended:
            for message in await listener.more(min(self.check, self.beat)):
                last = message.id
                if concerns(listener.wanted, message):
                    yield frame_of(message)
                    told = now()
            if now() - checked >= self.check:
                if not await _holds(still):
                    return
                checked = now()
            if now() - told >= self.beat and not listener.is_ended:
                yield beat(last)
                told = now()

    @contextmanager
    def _listening(self, listener: Listener) -> Iterator[None]:
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)
            self._stop_reading()

    def _stop_reading(self) -> None:
        if self._reading and not self._listeners:
            self._reading.cancel()
            self._reading = None

    async def _read(self) -> None:
        """Until cancelled."""
        while True:
            try:
                messages = await self._work.read(lambda uow: outbox.settled(uow, self._last))
            except Exception as error:
                log.warning("listeners wait", action="events", error=type(error).__name__)
                messages = []
            if messages:
                self._last = messages[-1].id
                for listener in self._listeners:
                    listener.hear(messages)
            if len(messages) < outbox.BATCH:
                await asyncio.sleep(self.poll)


async def _behind(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """All of it: the first has been waited for, since what fails before it is told as any other failure."""
    yield first
    async for frame in others:
        yield frame


async def _holds(still: Callable[[], Awaitable[object]]) -> bool:
    """Whether it may go on; while the database cannot say so, it may."""
    try:
        await still()
    except DatabaseUnavailable:
        return True
    except Failure:
        return False
    return True


def concerns(wanted: Listening, message: Message) -> bool:
    """Whether it is of the customer and of a type that is wanted."""
    if wanted.types and message.type not in wanted.types:
        return False
    if wanted.customer_id is None:
        return True
    whose = "id" if message.publisher == CUSTOMERS else "customer_id"
    return isinstance(message.data, dict) and message.data.get(whose) == str(wanted.customer_id)


def frame_of(message: Message) -> bytes:
    data = msgspec.json.encode(message.envelope())
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (message.id, message.type.encode(), data)


def beat(last: int) -> bytes:
    """A comment that keeps the connection open, and up to where there is nothing more to tell."""
    return b": listening\nid: %d\n\n" % last


def lost(last: int) -> bytes:
    """Some events are kept no more: whoever hears this reads what there is anew, and goes on from here."""
    said = {"reason": "EVENTS_FORGOTTEN", "message": "Events after Last-Event-ID are kept no more: read anew."}
    return b"retry: %d\nid: %d\nevent: reset\ndata: %s\n\n" % (AGAIN, last, msgspec.json.encode(said))
