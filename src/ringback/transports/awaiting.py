"""Replies that are awaited, over NATS and in one process: the first one counts, and only so long."""

import asyncio

from ringback.kit.bus import Letter, TooLate, Unanswered

Awaited = asyncio.Future[Letter]


async def within(seconds: float, reply: Awaited) -> Letter:
    """The reply when it comes, or why there is none; `TooLate` after so many seconds."""
    timer = reply.get_loop().call_later(seconds, _give_up, reply)
    try:
        return await reply
    finally:
        timer.cancel()


def give(reply: Awaited, letter: Letter) -> None:
    """What comes late, or twice, is dropped."""
    if not reply.done():
        reply.set_result(letter)


def fail(reply: Awaited, why: Unanswered) -> None:
    if not reply.done():
        reply.set_exception(why)


def _give_up(reply: Awaited) -> None:
    fail(reply, TooLate())
