"""A process that is killed in the middle: run by `test_killed.py`, which looks at what is left.

Reads one JSON line per work: a database, and a request or an event of others. For each step of that work it copies the
database and forks a child that is killed there; it answers with the copies and what of the news had been published.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from ringback.kit.db import Statement
from ringback.kit.events import Message
from tests.stacks import File
from tests.world import World

Work = dict[str, Any]


class FileBus:
    """A bus whose messages outlive the process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def publish(self, message: Message) -> None:
        with self._path.open("a") as file:
            file.write(f"{message.id}\n")

    def subscribe(self, listener: Callable[[Message], None]) -> Callable[[], None]:
        raise NotImplementedError


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def act(work: Work, database: Path, step: int | str) -> None:
    """Do the work over that database and die before the statement of that number, or around the commit."""
    world = World(File(database), database.parent, bus=FileBus(database.with_suffix(".published")))
    world.customer = UUID(work["customer"])
    numbers = count()

    def before(statement: Statement) -> None:
        if next(numbers) == step:
            die()

    def said(sql: str) -> None:
        if sql == "COMMIT" and step == "commit":
            die()

    world.before_statement = before
    world.ringback.database.writer.set_trace_callback(said)  # type: ignore[attr-defined]
    if work["what"] == "relay":
        await world.ringback.relay.publish_waiting()
    elif "event" in work:
        assert await world.tell(work["event"])
    else:
        reply = await world.rpc(*work["request"])
        assert reply.status_code == 200, reply
    if step == "after":
        die()


def kill_at(work: Work, step: int | str) -> tuple[Path, bool]:
    """The database as a process left it that died at that step; whether it did die."""
    source = Path(work["database"])
    database = source.with_name(f"{source.stem}-{work['what']}-{step}.db")
    shutil.copy(source, database)
    child = os.fork()
    if child == 0:
        asyncio.run(act(work, database, step))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, (work, step)
    return database, os.WIFSIGNALED(status)


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    for line in sys.stdin:
        work = json.loads(line)
        steps: dict[str, str] = {}
        for step in count():
            database, died = kill_at(work, step)
            if not died:
                break
            steps[str(step)] = str(database)
        for last in ("commit", "after"):
            database, died = kill_at(work, last)
            assert died
            steps[last] = str(database)
        sys.stdout.write(json.dumps(steps) + "\n")


main()
