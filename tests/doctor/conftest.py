"""An installation with nothing wrong, to be broken."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ringback.doctor.examination import examine
from ringback.doctor.given import Given
from ringback.kit.checks import Check
from ringback.knobs import load


class Installation:
    """A home with a database of today, as if a Ringback ran there; `settings`, and `more` of what a doctor looks at."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.file = home / "ringback.db"
        self.settings: dict[str, Any] = {
            "ringback_home": home,
            **dict.fromkeys(("rest_listen_address", "prometheus_listen_address"), "127.0.0.1:0"),
        }
        self.more: dict[str, Any] = {"answers": lambda path: True}

    async def checks(self) -> list[Check]:
        return await examine(Given(load(self.settings), **self.more))

    async def wrong(self) -> dict[str, tuple[str, str]]:
        """Name → (state, sentence) of all that is not in order; of two with one name the first."""
        found = [check for check in await self.checks() if check.state != "ok"]
        assert all(check.do for check in found if check.state != "unknown")
        return {check.name: (check.state, check.sentence) for check in reversed(found)}


@pytest.fixture
def installation(template: Path, tmp_path: Path) -> Installation:
    home = tmp_path / "var"
    home.mkdir(mode=0o750)
    shutil.copy(template, home / "ringback.db")
    (home / "ringback.db").chmod(0o600)
    connection = sqlite3.connect(home / "ringback.db")
    connection.execute("PRAGMA journal_mode = WAL")  # as a first start leaves it
    connection.close()
    return Installation(home)
