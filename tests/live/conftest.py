"""A real Asterisk on a scratch SQLite file, and softphones to try it with."""

import asyncio
import hashlib
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from ringback.demo.asterisk import Asterisk, obtain
from ringback.demo.install import CACHE
from ringback.demo.phone import Account, Phone, PhoneOptions
from ringback.sip.config import AsteriskOptions

DEMO = "demo.registrar.localhost"
OTHER = "other.registrar.localhost"

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE ps_endpoints (id TEXT NOT NULL PRIMARY KEY, transport TEXT, aors TEXT, auth TEXT,
  context TEXT NOT NULL DEFAULT 'default', allow TEXT NOT NULL DEFAULT 'ulaw,alaw,g722',
  direct_media TEXT NOT NULL DEFAULT 'no');
CREATE TABLE ps_aors (id TEXT NOT NULL PRIMARY KEY, max_contacts INTEGER NOT NULL DEFAULT 0,
  remove_existing TEXT NOT NULL DEFAULT 'no');
CREATE TABLE ps_auths (id TEXT NOT NULL PRIMARY KEY, auth_type TEXT NOT NULL DEFAULT 'userpass', username TEXT,
  realm TEXT, password TEXT, md5_cred TEXT, password_digest TEXT, supported_algorithms_uas TEXT,
  supported_algorithms_uac TEXT);
CREATE TABLE ps_contacts (id TEXT NOT NULL PRIMARY KEY, uri TEXT, expiration_time INTEGER NOT NULL DEFAULT 0,
  qualify_frequency INTEGER NOT NULL DEFAULT 0, qualify_timeout REAL NOT NULL DEFAULT 3.0,
  qualify_2xx_only TEXT NOT NULL DEFAULT 'no', authenticate_qualify TEXT NOT NULL DEFAULT 'no',
  outbound_proxy TEXT, path TEXT, user_agent TEXT, endpoint TEXT, reg_server TEXT, via_addr TEXT,
  via_port INTEGER NOT NULL DEFAULT 0, call_id TEXT, prune_on_boot TEXT NOT NULL DEFAULT 'no');
CREATE TABLE directs (hash TEXT PRIMARY KEY, endpoint TEXT);
CREATE VIEW ringback_directs AS SELECT hash, endpoint FROM directs;
"""


def ha1(number: str, realm: str, password: str, name: str = "md5") -> str:
    """RFC 8760's H(A1), in lower-case hex."""
    return hashlib.new(name, f"{number}:{realm}:{password}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Rows:
    """The SQLite file, as Ringback would write it: every statement is a transaction of its own."""

    database: Path

    def run(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """Run one statement and give its rows."""
        connection = sqlite3.connect(self.database, isolation_level=None, timeout=10)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def add(self, number: str, password: str, realm: str = DEMO, *, sha256: bool = False) -> str:
        """Write an extension's three rows and give its id; `sha256` = the columns of `password_digest`."""
        name = f"{number}@{realm}"
        self.run(
            "INSERT OR REPLACE INTO ps_endpoints (id, aors, auth, allow, direct_media)"
            " VALUES (?, ?, ?, 'ulaw|alaw|g722', 'no')",
            name, name, name,
        )  # fmt: skip
        self.run("INSERT OR REPLACE INTO ps_aors (id, max_contacts, remove_existing) VALUES (?, 3, 'yes')", name)
        md5 = ha1(number, realm, password)
        if sha256:
            digests = f"MD5:{md5},SHA-256:{ha1(number, realm, password, 'sha256')}"
            self.run(
                "INSERT OR REPLACE INTO ps_auths (id, auth_type, username, realm, password_digest,"
                " supported_algorithms_uas, supported_algorithms_uac)"
                " VALUES (?, 'md5', ?, ?, ?, 'SHA-256,MD5', 'SHA-256,MD5')",
                name, number, realm, digests,
            )  # fmt: skip
        else:
            self.run(
                "INSERT OR REPLACE INTO ps_auths (id, auth_type, username, realm, md5_cred) VALUES (?, 'md5', ?, ?, ?)",
                name, number, realm, md5,
            )  # fmt: skip
        return name

    def contacts(self, name: str) -> list[tuple[object, ...]]:
        """(id, uri) of the contacts of an endpoint."""
        return self.run("SELECT id, uri FROM ps_contacts WHERE endpoint = ? ORDER BY id", name)


@dataclass(frozen=True, slots=True)
class World:
    """One Asterisk, its tables, and where to reach it."""

    asterisk: Asterisk
    rows: Rows
    server: str
    public: str


def free_ports(count: int) -> list[int]:
    """Ports on loopback that are free for both UDP and TCP right now."""
    found: list[int] = []
    while len(found) < count:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            if tcp.getsockname()[1] not in found:
                found.append(tcp.getsockname()[1])
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """An Asterisk that has booted on an empty database, for the whole module."""
    program = await asyncio.to_thread(obtain, Path(__file__).parents[2] / CACHE)
    folder = tmp_path_factory.mktemp("live")
    database = folder / "ringback.db"
    with sqlite3.connect(database) as connection:
        connection.executescript(SCHEMA)
    connection.close()
    sip, public = free_ports(2)
    options = AsteriskOptions(
        database=str(database), bind="127.0.0.1", sip_port=sip, public_port=public, rtp_ports=(20000, 20400)
    )
    async with await Asterisk.start(program, options, folder / "asterisk") as asterisk:
        yield World(asterisk, Rows(database), f"127.0.0.1:{sip}", f"127.0.0.1:{public}")


StartPhone = Callable[..., Awaitable[Phone]]


@pytest_asyncio.fixture(loop_scope="module")
async def phone(world: World, tmp_path: Path) -> AsyncIterator[StartPhone]:
    """Start phones, closed when the test ends: `await phone("1001", "password", tone=440)`; no number = a stranger."""
    started: list[Phone] = []

    async def start(
        number: str = "", password: str = "", *, realm: str = DEMO, tone: int = 440, server: str = ""
    ) -> Phone:
        account = Account(number, realm, password) if number else None
        name = f"{number or 'stranger'}-{len(started)}"
        server = server or (world.server if number else world.public)
        one = await Phone.start(PhoneOptions(name, server, tmp_path, tone, account))
        started.append(one)
        return one

    yield start
    await asyncio.gather(*(one.close() for one in started))
