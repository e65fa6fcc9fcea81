"""A connection to a database server, and what must be known of an engine to speak with it."""

import asyncio
import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import Dialect

from ringback.kit.db import Conflict, Duplicate, Refused, Statement
from ringback.kit.deadline import until

LEAVING: Final = 0.25
"""Seconds that the end of a transaction which failed may take, or the end of a turn."""


Parameters = tuple[Any, ...] | list[tuple[Any, ...]] | None
"""What a statement is run with: once, or once with each of a list, in one go."""


class Busy(Exception):
    """The server cannot do this now: a lock that is held, a full disk. Its text is the engine's code."""


class Forbidden(Busy):
    """The user has no right to do this, as the server says in its own `words`, which show no value."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(code)
        self.words = " ".join(words.split())


class Lost(Exception):
    """The connection is of no use any more, and what was done in its transaction is undone."""


class Answer(NamedTuple):
    """The rows that came back, and how many were found."""

    rows: Sequence[tuple[Any, ...]]
    found: int


class Link(Protocol):
    """An open connection as an engine's driver has it; each statement is a transaction unless one was begun."""

    async def execute(self, sql: str, parameters: Parameters, statement: Statement | None = None) -> Answer:
        """Raises what the driver raises. Without parameters the text is sent as it is. `statement` is where it is from.

        Ids that the server counts up have no gaps when many rows are inserted.
        """

    async def compact(self, tables: Sequence[tuple[str, str]]) -> None:
        """Write the tables, (schema, name) each, anew, as far as they are ours. Raises what the driver raises."""

    def close(self) -> None:
        """At once, whatever it is doing."""


class Engine(Protocol):
    """What one kind of server does in a way of its own."""

    dialect: Dialect
    if_new: str
    """What makes an INSERT of a row that is there do nothing; empty where it may fail without harm to the rest."""

    watched: str
    """After this statement the server ends a connection, and its locks, within two minutes of the end of our host."""

    async def open(self) -> Link:
        """A new connection. Raises what the driver raises."""

    def complaint(self, error: Exception, statement: Statement | None) -> Exception:
        """What an error means: `Duplicate`, `Conflict`, `Refused`, `Busy` or `Lost`. One of no driver is returned."""

    def lock(self, name: str) -> tuple[str, tuple[Any, ...]]:
        """A statement that says at once, by one value, whether the connection now has the lock of that name."""

    def notice(self, channel: str, text: str) -> tuple[str, tuple[Any, ...]] | None:
        """A statement that, with the commit, tells those who listen on the channel; `None` where nobody can."""

    def unlock(self, name: str) -> tuple[str, tuple[Any, ...]]:
        """A statement that gives it back."""

    def unguarding(self, schema: str, table: str) -> tuple[str, tuple[Any, ...]]:
        """A statement that says, by one value, whether our user could take away what guards the table's rows."""


BROKEN: Final = (OSError, EOFError, AttributeError, IndexError, RuntimeError, AssertionError, struct.error)
"""What drivers raise, beside errors of their own, that go on reading where a connection has ended."""


class Line:
    """A connection, and whether it may be spoken on: never again once somebody stopped listening to its answer."""

    def __init__(self, engine: Engine, link: Link) -> None:
        self.is_used = False
        self.is_broken = False
        self.link = link
        self._engine = engine

    async def say(
        self,
        sql: str,
        parameters: Parameters = None,
        *,
        deadline: float,
        statement: Statement | None = None,
    ) -> Answer:
        """What the server answers, or what its complaint means."""
        if self.is_broken:
            raise Lost("earlier")
        self.is_broken = True
        try:
            answer = await until(deadline, self.link.execute(sql, parameters, statement))
        except TimeoutError:
            complaint: Exception = Lost("timeout")
        except Exception as error:
            complaint = self._engine.complaint(error, statement)
            self.is_broken = not isinstance(complaint, Duplicate | Conflict | Refused | Busy)
        else:
            self.is_broken = False
            return answer
        raise complaint  # here, so that it does not carry the driver's error, which tells values

    def close(self) -> None:
        self.link.close()


async def leave(line: Line, sql: str, parameters: Parameters = None) -> None:
    """Say the last thing, quickly; closing the connection, which is done where that fails, means the same."""
    if not line.is_broken:
        try:
            await line.say(sql, parameters, deadline=asyncio.get_running_loop().time() + LEAVING)
        except Exception:
            line.is_broken = True
