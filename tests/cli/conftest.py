"""Command lines run in this process, as a shell would see them."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NoReturn, cast
from uuid import uuid4

import pytest

from ringback import cli, first_start, server
from ringback.kit.log import set_up
from ringback.knobs import load

QUIET: Final = ("--log_level", "error")
"""A server in this process logs as the command says: its news is none of the answer."""
START: Final = 30.0
"""Seconds that a start, and an end, may take."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command line left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs command lines against one home."""

    home: Path
    customer: str
    capture: pytest.CaptureFixture[str]
    way: tuple[str, ...] = ("--local",)
    """To the registry: flags of `router-control`."""

    def control(self, *words: str) -> Ran:
        """`registrar-control …`"""
        return self._run(cli.registrar_control, [*words, "--ringback_home", str(self.home)])

    def router(self, *words: str) -> Ran:
        """`router-control …`"""
        return self._run(cli.router_control, [*words, *self.way, "--ringback_home", str(self.home)])

    def ringback(self, *words: str) -> Ran:
        return self._run(cli.main, [*words, "--ringback_home", str(self.home)])

    def sql(self, text: str, *values: Any) -> list[dict[str, Any]]:
        """What is in the file."""
        connection = sqlite3.connect(self.home / "ringback.db", isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(text, values)]
        finally:
            connection.close()

    def create(self, number: str = "1001", *more: str) -> dict[str, Any]:
        words = ("--extension_number", number, "--customer_id", self.customer, "--format", "json", *more)
        ran = self.control("extension", "create", *words)
        assert ran.code == 0, ran
        return dict(ran.json)

    def _run(self, command: Callable[[Sequence[str]], NoReturn], words: list[str]) -> Ran:
        with pytest.raises(SystemExit) as ended:
            command(words)
        seen = self.capture.readouterr()
        return Ran(int(ended.value.code or 0), seen.out, seen.err)


@contextmanager
def served(home: Path, **settings: str) -> Iterator[first_start.Keys]:
    """A whole Ringback on a home, in a thread, and the keys that it has written there; it logs errors alone."""
    set_up("registrar-manager", "error", "json")
    ready: Future[asyncio.Event] = Future()
    free = {"rest_listen_address": "127.0.0.1:0", "prometheus_listen_address": "127.0.0.1:0"}

    async def serve() -> None:
        end = asyncio.Event()
        async with server.running(load({"ringback_home": home, **free, **settings})):
            ready.set_result(end)
            await end.wait()

    with ThreadPoolExecutor(1) as thread, asyncio.Runner() as runner:
        work = thread.submit(runner.run, serve())
        wait((cast("Future[Any]", work), cast("Future[Any]", ready)), START, FIRST_COMPLETED)
        if work.done():
            work.result()
        end = ready.result(0)
        keys = first_start.read(home)
        assert keys
        try:
            yield keys
        finally:
            runner.get_loop().call_soon_threadsafe(end.set)
            work.result(timeout=START)


@pytest.fixture(params=["rest", "local"])
def registry(request: pytest.FixtureRequest, shell: Shell) -> Iterator[Shell]:
    """A shell for `router-control`: where a server is running, and where none is."""
    if request.param == "local":
        yield shell
        return
    with served(shell.home):
        shell.capture.readouterr()
        yield replace(shell, way=QUIET)


@pytest.fixture
def shell(template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    shutil.copy(template, tmp_path / "ringback.db")
    return Shell(tmp_path, str(uuid4()), capsys)
