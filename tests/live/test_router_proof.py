"""A router on a database server proves its audit log by itself, against what it has kept of it beside the database."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live.conftest import until
from tests.live.daemon import BIN, Daemon, environment
from tests.live.test_router_manager import ROOT, made
from tests.patience import ENOUGH
from tests.servers.database import Database
from tests.servers.fixtures import MakeDatabase

pytestmark = pytest.mark.process

LOG = "extension_audit_log"


async def ran(*words: str, **settings: object) -> tuple[int, str]:
    """The exit code of a command and what it prints, with these settings and no others."""
    process = await asyncio.create_subprocess_exec(
        str(BIN / words[0]), *words[1:], env=environment(settings), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(ENOUGH):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def proof(daemon: Daemon) -> float:
    """What the metric says, once it says anything."""
    found: list[float] = []
    async with httpx.AsyncClient(timeout=ENOUGH) as client:

        async def is_there() -> bool:
            text = (await client.get(f"{daemon.metrics_url}/metrics")).text
            found.extend(float(line.split()[1]) for line in text.splitlines() if line.startswith("router_audit_ver"))
            return bool(found)

        await until(is_there)
    return found[0]


def take_back(database: Database) -> None:
    """The owner of the tables removes the two newest entries and sets the head back, and has the next look be due."""
    if database.url.startswith("mysql"):
        for event in ("update", "delete"):
            database.execute(f"DROP TRIGGER {LOG}_{event}")
    else:
        database.execute(f"ALTER TABLE {LOG} DISABLE TRIGGER USER")
    database.execute(f"DELETE FROM {LOG} WHERE id > 7")
    database.execute(f"UPDATE registry_revision SET audit_id = 7, audit_hash = (SELECT hash FROM {LOG} WHERE id = 7)")
    database.execute("DELETE FROM registrar_meta WHERE value LIKE %s", "%first_bad%")


@pytest.mark.contract("router R-5c, R-14")
@pytest.mark.parametrize("engine", ["mariadb", "postgresql"])
async def test_entries_that_were_taken_away_with_the_head_are_found_at_the_next_start(
    engine: str, make_database: MakeDatabase, tmp_path: Path
) -> None:
    database = make_database(engine)
    (operator,) = await made(database, "operator")
    own: dict[str, Any] = {"database_dsn_bin": database.dsn, "ringback_home": tmp_path, "node_id": "router-1"}
    listens = {"rest_listen_address": "127.0.0.1:0"}
    async with (
        Daemon.running(program="router-manager", **own, **listens) as daemon,
        httpx.AsyncClient(timeout=ENOUGH) as client,
    ):
        assert await proof(daemon) == 1
        for number in range(3):
            asked = {"id": f"upper{number}", "type": "pre", "subject": f"beamline.ext.pre.upper{number}.v1"}
            headers = {"authorization": f"Bearer {operator.reveal()}"}
            assert (await client.post(f"{daemon.url}{ROOT}", json=asked, headers=headers)).status_code == 201
        daemon.tell()
        assert await daemon.ended() == 0
    assert await ran("router-control", "audit", "verify", "--local", **own) == (
        0, "9 entries, all as they were written\n",
    )  # fmt: skip

    take_back(database)

    code, said = await ran("router-control", "audit", "verify", "--local", **own)
    assert (code, said.startswith("entry 8 is not as it was written, or missing")) == (1, True)
    async with Daemon.running(program="router-manager", **own, **listens) as daemon:
        assert await proof(daemon) == 0
        told = [line for line in daemon.log if line.get("action") == "audit"]
        assert [(line["severity"], line["first_bad"]) for line in told] == [("ERROR", 8)]
        code, said = await ran(
            "router-control", "audit", "verify", ringback_url=daemon.url, ringback_key=operator.reveal()
        )
        assert (code, said.startswith("entry 8 ")) == (1, True)
        assert not any(operator.reveal() in str(line) for line in daemon.log)
