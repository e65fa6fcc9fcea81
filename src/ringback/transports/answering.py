"""How one service answers, over NATS and in one process: each request beside the others, and no fault untold."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from ringback.kit.bus import Letter, Serve, TooLarge

LARGEST: Final = 1024 * 1024
"""Bytes that a request or a reply may have at most (router S-1)."""
FAILED: Final = Letter(b"", {"Nats-Service-Error": "the service failed", "Nats-Service-Error-Code": "500"})
"""What an asker reads instead of a reply; nothing of what happened is in it."""
TOO_LARGE: Final = Letter(b"", {"Nats-Service-Error": "the reply is too large", "Nats-Service-Error-Code": "500"})

log = structlog.get_logger()


class Answering:
    """Answers requests with `serve`, as many at a time as come."""

    def __init__(self, name: str, serve: Serve) -> None:
        self.name = name
        self._serve = serve
        self._in_hand: set[asyncio.Task[None]] = set()

    def take(self, letter: Letter, send: Callable[[Letter], None]) -> None:
        """Begin to answer; `send` takes the reply, or raises `TooLarge` and takes what is said instead of it."""
        task = asyncio.create_task(self._answer(letter, send))
        self._in_hand.add(task)
        task.add_done_callback(self._in_hand.discard)

    async def finish(self) -> None:
        """Return when all that was taken is answered."""
        while self._in_hand:
            await asyncio.wait(self._in_hand)

    async def _answer(self, letter: Letter, send: Callable[[Letter], None]) -> None:
        try:
            reply = await self._serve(letter)
        except Exception as error:  # its text may hold words of the request
            log.error("a service failed", action="serve", service=self.name, error=type(error).__name__)
            reply = FAILED
        try:
            if len(reply.body) > LARGEST:
                raise TooLarge
            send(reply)
        except TooLarge:
            send(TOO_LARGE)
