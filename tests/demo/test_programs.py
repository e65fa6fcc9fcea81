"""Which Asterisk will do: one that lacks drivers of databases is told by their packages."""

from pathlib import Path

import pytest

from ringback.demo.install import Unusable
from ringback.demo.programs import ASTERISK, ASTERISK_ON_SERVERS

MODULES = "usr/lib/x86_64-linux-gnu/asterisk/modules"
DRIVERS = "usr/lib/x86_64-linux-gnu/odbc"
COMMAND = ("/bin/sh", "-c", "echo Asterisk 20.12.0")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The file system of a machine with an Asterisk, without any driver."""
    for name in (f"{MODULES}/chan_pjsip.so", f"{MODULES}/res_config_odbc.so"):
        add(tmp_path, name)
    return tmp_path


def add(root: Path, name: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).touch()


def test_every_driver_that_is_missing_is_told_at_once_by_its_package(root: Path) -> None:
    add(root, f"{DRIVERS}/libmaodbc.so")

    with pytest.raises(Unusable) as refused:
        ASTERISK_ON_SERVERS.inspect(COMMAND, root)

    text = (
        "Asterisk 20.12.0 has no ODBC driver for SQLite (package libsqliteodbc), PostgreSQL (package odbc-postgresql)"
    )
    assert str(refused.value) == text


def test_the_demo_needs_that_of_sqlite_alone(root: Path) -> None:
    add(root, f"{DRIVERS}/libsqlite3odbc.so")

    found = ASTERISK.inspect(COMMAND, root)

    assert (found.major, found.drivers["sqlite"]) == (20, f"{root}/{DRIVERS}/libsqlite3odbc.so")
