"""A real edge whose database is away, or says nothing: it starts, refuses what it cannot look up, and comes back."""

import asyncio
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from ringback.demo.install import CACHE
from ringback.demo.kamailio import Kamailio
from ringback.demo.ports import free_ports
from ringback.demo.programs import KAMAILIO
from ringback.kit.dsn import parse_dsn
from ringback.sip.kamailio import KamailioOptions, new_secret
from tests.patience import ENOUGH
from tests.servers.mariadb import MariaDb
from tests.servers.postgresql import PostgreSql

from .conftest import ROOT, until
from .digest import Register
from .tables import Tables

pytestmark = [pytest.mark.sip, pytest.mark.process, pytest.mark.asyncio(loop_scope="session")]

CARRIER = "127.0.0.95"
REALM = "away.trunk.localhost"
TRUNK = {"extension": "pbx", "username": "", "realm": REALM, "password": ""}


@pytest.fixture(params=[MariaDb, PostgreSql], ids=["mariadb", "postgresql"])
def tables(request: pytest.FixtureRequest) -> Iterator[Tables]:
    """Of a server that the test may stop, with one trunk in them."""
    with request.param.private() as server, Tables.on(server, stock=False) as one:
        one.sql(
            "INSERT INTO registrar_sip_auths (id, reference_type, auth_types, realm, username, allowed_ips)"
            " VALUES (?, 'trunk', ?, ?, '', ?)",
            uuid4().bytes, '["ip"]', REALM, f'["{CARRIER}"]',
        )  # fmt: skip
        yield one


async def test_it_starts_without_its_database_and_serves_when_that_is_there(tables: Tables, tmp_path: Path) -> None:
    server = tables.own.server
    own, asterisk = map(parse_dsn, tables.dsns())
    port = free_ports(1)[0]
    options = KamailioOptions(
        own, CARRIER, ("127.0.0.96:5062",), new_secret(), sip_port=port, workers=1, tables=asterisk
    )
    program = await asyncio.to_thread(KAMAILIO.obtain, ROOT / CACHE)

    def asked() -> int:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(ENOUGH)
            line.bind((CARRIER, 0))
            line.connect((CARRIER, port))
            return Register("", TRUNK).over(line)[0]

    async def says() -> int:
        return await asyncio.to_thread(asked)

    async def says_ok() -> bool:
        return await says() == 200

    await asyncio.to_thread(server.kill)
    async with await Kamailio.start(program, options, tmp_path / "kamailio") as kamailio:
        assert await says() == 500
        await asyncio.to_thread(server.start)
        await until(says_ok)

        await asyncio.to_thread(server.kill)
        assert await says() == 500
        await asyncio.to_thread(server.start)
        await until(says_ok)

        await asyncio.to_thread(server.pause)
        try:
            assert await says() == 500
        finally:
            await asyncio.to_thread(server.resume)
        await until(says_ok)
        assert [line for line in kamailio.problems() if not re.search("db_|sqlops", line)] == []
