"""FastAGI: Asterisk's dialplan asks over TCP who rings, one question a connection."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import astuple
from typing import Final

import structlog

from ringback.calls.routing import Called, Caller, Out, Refusal, Ring, called_of, caller_of
from ringback.kit.errors import Unavailable

LONGEST_LINE: Final = 1024
LINES: Final = 64
SECONDS: Final = 2.0
"""For a whole question: an Asterisk that has got no answer by then goes on by its own dialplan."""
AT_ONCE: Final = 500
"""Open connections; whoever comes beyond them is sent away at once, to go on by the dialplan."""
SCRIPT: Final = "route"
VARIABLE: Final = "ROUTE"
LINE: Final = re.compile(r"agi_([a-z0-9_]{1,32}): ?([\t\x20-\x7e\x80-\U0010ffff]*)")

Route = Callable[[Caller, Called], Awaitable[Ring | Out | Refusal]]

log = structlog.get_logger()


class NotAsked(ValueError):
    """The connection said something that no dialplan of ours says; the text holds none of it."""


@contextlib.asynccontextmanager
async def serving(listening: socket.socket, route: Route) -> AsyncIterator[None]:
    """Answer on that socket while inside; at the end, questions in hand are dropped, and Asterisk helps itself."""
    door = Door(route)
    server = await asyncio.start_server(door.host, sock=listening, limit=LONGEST_LINE)
    try:
        yield
    finally:
        server.close()
        await door.close()


class Door:
    """The connections that are open."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._open: set[asyncio.Task[None]] = set()

    async def host(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its question to the answer."""
        task = asyncio.current_task()
        assert task is not None
        try:
            if len(self._open) < AT_ONCE:
                self._open.add(task)
                async with asyncio.timeout(SECONDS):
                    await self._talk(reader, writer)
        except (TimeoutError, ConnectionError, Unavailable) as fault:
            log.warning("a call was not routed", action="agi", error=type(fault).__name__)
        except Exception:
            log.exception("a call was not routed", action="agi")
        finally:
            self._open.discard(task)
            writer.close()

    async def close(self) -> None:
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = question(await environment(reader))
        except ValueError as fault:
            log.warning(
                "a question was none", action="agi", error=str(fault) if isinstance(fault, NotAsked) else "long"
            )
            answer: Ring | Out | Refusal = Refusal.UNKNOWN
        else:
            answer = await self._route(*asked) if asked else Refusal.UNKNOWN
        writer.write(f'SET VARIABLE {VARIABLE} "{told(answer)}"\n'.encode())
        await writer.drain()
        with contextlib.suppress(ValueError):
            while (line := await reader.readline()) and not line.startswith(b"200 "):
                pass  # the rest of a question that was none: a connection that is closed over it is an error there


async def environment(reader: asyncio.StreamReader) -> Mapping[str, str]:
    """What Asterisk says first: lines `agi_<name>: <value>` up to an empty one.

    No name comes twice: an answer that a caller's text has slipped a line into is none."""
    found: dict[str, str] = {}
    for _ in range(LINES):
        line = (await reader.readline()).decode(errors="replace")
        if not line.endswith("\n"):
            raise ConnectionError
        if line == "\n":
            return found
        match = LINE.fullmatch(line[:-1])
        if match is None or match[1] in found:
            raise NotAsked("a line is none of AGI's, or stands twice")
        found[match[1]] = match[2]
    raise NotAsked("too many lines")


def question(said: Mapping[str, str]) -> tuple[Caller, Called] | None:
    """Who calls whom, by the arguments kind, name, called and source; `None` where that can ring nobody."""
    if said.get("network_script") != SCRIPT:
        raise NotAsked("no such script")
    if "arg_5" in said or any(f"arg_{number}" not in said for number in range(1, 5)):
        raise NotAsked("there must be four arguments")
    kind, name, text, source = (said[f"arg_{number}"] for number in range(1, 5))
    caller = caller_of(kind, name, source)
    called = called_of(text, caller.kind) if caller else None
    return (caller, called) if caller and called else None


def told(answer: Ring | Out | Refusal) -> str:
    """As the dialplan reads it: an endpoint, a trunk, a word, or nothing for nobody; no letter is a caller's own.

    An endpoint may have more behind it, with commas: the fields of its `Screen`."""
    if isinstance(answer, Ring):
        return ",".join((answer.endpoint, *(map(str, astuple(answer.screen)) if answer.screen else ())))
    if isinstance(answer, Out):
        return answer.trunk
    return "" if answer is Refusal.UNKNOWN else answer.value
