"""Command lines run in this process, as a shell would see them."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import pytest

from ringback import cli


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

    def control(self, *words: str) -> Ran:
        """`registrar-control …`"""
        return self._run(cli.registrar_control, [*words, "--ringback_home", str(self.home)])

    def router(self, *words: str) -> Ran:
        """`router-control …`"""
        return self._run(cli.router_control, [*words, "--ringback_home", str(self.home)])

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


@pytest.fixture
def shell(template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    shutil.copy(template, tmp_path / "ringback.db")
    return Shell(tmp_path, str(uuid4()), capsys)
