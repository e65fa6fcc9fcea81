"""`router-manager` alone on a database server: it starts, serves and signs people in while that server is away."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from ringback.customers.keys import service as keys
from ringback.customers.keys.model import new_token
from ringback.databases import opened
from ringback.demo.ports import free_ports
from ringback.kit.dsn import parse_dsn
from ringback.kit.secret import Secret
from ringback.kit.uow import UnitOfWork, Work
from ringback.knobs import load
from ringback.migrations import commands
from ringback.settings import RouterSettings
from tests.live.conftest import until
from tests.live.daemon import BIN, Daemon, environment, refused
from tests.patience import ENOUGH
from tests.servers.database import Database
from tests.servers.fixtures import MakeDatabase
from tests.servers.mariadb import MariaDb
from tests.servers.postgresql import PostgreSql
from tests.world import refusal

pytestmark = pytest.mark.process

ROOT = "/v1.0/router/extensions"
HERE = {"rest_listen_address": "127.0.0.1:0"}
ENGINES = ("mariadb", "postgresql")


async def made(database: Database, *roles: str) -> list[Secret]:
    """A database with the tables of a router, and keys of the platform."""
    for name in ("bin", "router"):
        await asyncio.to_thread(commands.upgrade, name, parse_dsn(database.dsn))
    tokens = [new_token() for _ in roles]
    async with opened(load({"database_dsn_bin": database.dsn}, kind=RouterSettings)) as found:
        work = Work(found.database, UnitOfWork)

        async def keep(uow: UnitOfWork) -> None:
            for token, role in zip(tokens, roles, strict=True):
                await keys.keep(uow, token, None, role, role)

        await work.write(keep)
    return tokens


@asynccontextmanager
async def router(database: Database, home: Path, key: Secret, **more: object) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running one."""
    settings = {"database_dsn_bin": database.dsn, "ringback_home": home, "node_id": "router-1", **HERE, **more}
    async with Daemon.running(program="router-manager", **settings) as daemon:
        headers = {"authorization": f"Bearer {key.reveal()}"}
        async with httpx.AsyncClient(base_url=daemon.url, headers=headers, timeout=ENOUGH) as client:
            yield client
            daemon.tell()
            assert await daemon.ended() == 0
        assert not any(key.reveal() in str(line) for line in daemon.log)


async def about(client: httpx.AsyncClient) -> tuple[int, str, str]:
    answer = await client.get("/ready")
    return answer.status_code, answer.json()["router"]["status"], answer.json()["router"]["source"]


@pytest.mark.contract("router R-1d, R-1e, R-11b, F-5")
@pytest.mark.parametrize("server", [MariaDb, PostgreSql])
async def test_a_start_without_its_database_serves_the_file_and_signs_people_in(
    server: type[MariaDb | PostgreSql], tmp_path: Path
) -> None:
    with server.private() as own, own.database() as database:
        ops, viewer = await made(database, "operator", "viewer")
        async with router(database, tmp_path, ops) as client:
            assert await about(client) == (200, "ok", "database")
            made_one = await client.post(
                ROOT, json={"id": "upper", "type": "pre", "subject": "beamline.ext.pre.upper.v1"}
            )
            assert made_one.status_code == 201
        await asyncio.to_thread(own.kill)

        async with router(database, tmp_path, ops) as client:
            assert await about(client) == (200, "degraded", "snapshot")
            state = (await client.get("/ready")).json()["router"]
            assert (state["revision"], state["age_s"] > 0) == (int(made_one.headers["x-registry-revision"]), True)
            assert (await client.get(f"{ROOT}/upper")).json()["revision"] == 1
            assert len((await client.get(ROOT)).json()["result"]) == 7
            assert refusal(await client.post(f"{ROOT}/upper/disable")) == (503, "DATABASE_UNAVAILABLE")
            as_viewer = {"authorization": f"Bearer {viewer.reveal()}"}
            assert (await client.get(ROOT, headers=as_viewer)).status_code == 200
            assert refusal(await client.get("/v1.0/router/effective", headers=as_viewer)) == (403, "PERMISSION_DENIED")
            for wrong in (new_token().reveal(), "eyJhbGciOiJIUzI1NiJ9.e30.x"):
                assert (await client.get(ROOT, headers={"authorization": f"Bearer {wrong}"})).status_code in (401, 503)
            assert (await client.get(ROOT, headers={"authorization": ""})).status_code == 401

            await asyncio.to_thread(own.start)
            await until(lambda: is_following(client))
            assert (await client.post(f"{ROOT}/upper/disable")).json()["revision"] == 2


async def is_following(client: httpx.AsyncClient) -> bool:
    return await about(client) == (200, "ok", "database")


@pytest.mark.contract("router R-1e, F-5")
async def test_without_a_file_it_says_so_and_serves_as_soon_as_the_database_is_there(tmp_path: Path) -> None:
    with PostgreSql.private() as own, own.database() as database:
        (ops,) = await made(database, "operator")
        await asyncio.to_thread(own.kill)
        async with router(database, tmp_path, ops) as client:
            assert await about(client) == (503, "not ready", "none")
            assert refusal(await client.get(ROOT)) == (503, "DATABASE_UNAVAILABLE")
            assert (await client.get("/live")).status_code == 200

            await asyncio.to_thread(own.start)
            await until(lambda: is_following(client))
            assert len((await client.get(ROOT)).json()["result"]) == 6


@pytest.mark.contract("router P-6, R-1e")
async def test_it_runs_policies_for_asterisk_while_its_database_is_away(tmp_path: Path) -> None:
    customer, at = str(uuid4()), f"127.0.0.1:{free_ports(1)[0]}"
    policy = {"policy_id": "calls", "purpose": "direct_call", "document": {"pre": [{"id": "normalize_text"}]}}
    asked = {"customer_id": customer, "policy_id": "calls", "extension_id": str(uuid4()), "deadline_ms": "2000"}

    async def told() -> str:
        async with httpx.AsyncClient(base_url=f"http://{at}", timeout=ENOUGH) as asterisk:
            answer = await asterisk.post("/screen", params=asked, data={"caller": "4930", "caller_name": "BOB"})
            return answer.text

    with PostgreSql.private() as own, own.database() as database:
        (ops,) = await made(database, "operator")
        async with router(database, tmp_path, ops, screen_listen_address=at) as client:
            done = await client.post("/v1.0/router/policies", params={"customer_id": customer}, json=policy)
            assert done.status_code == 201, done.text
            assert await told() == "pass||:bob"
            await asyncio.to_thread(own.kill)
            assert await told() == "pass||:bob"
        async with router(database, tmp_path, ops, screen_listen_address=at):
            assert await told() == "pass||:bob"
        await asyncio.to_thread(own.start)


async def command(*words: str, **settings: object) -> str:
    """What a command prints, with these settings and no others."""
    process = await asyncio.create_subprocess_exec(
        str(BIN / words[0]), *words[1:], env=environment(settings), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(ENOUGH):
        said, _ = await process.communicate()
    assert process.returncode == 0, said
    return said.decode()


@pytest.mark.parametrize("engine", ENGINES)
async def test_its_commands_need_our_own_database_and_no_other(
    engine: str, make_database: MakeDatabase, tmp_path: Path
) -> None:
    database = make_database(engine)
    own = {"database_dsn_bin": database.dsn, "ringback_home": tmp_path}
    await command("router-control", "migrate", **own)
    made = json.loads(await command("ringback", "key", "create", "--bootstrap", "--format", "json", **own))
    async with Daemon.running(program="router-manager", **own, **HERE) as daemon:
        there = {"ringback_url": daemon.url, "ringback_key": made["key"]}
        over_rest = await command("router-control", "extensions", "list", "--format", "json", **there)
        local = await command("router-control", "extensions", "list", "--local", "--format", "json", **own)
        assert {line["service"] for line in daemon.log} == {"router-manager"}

    assert json.loads(over_rest) == json.loads(local)
    assert len(json.loads(local)) == 6


@pytest.mark.parametrize("engine", ENGINES)
async def test_what_only_the_operator_can_mend_ends_the_start(engine: str, make_database: MakeDatabase) -> None:
    dsn = make_database(engine).dsn
    wrong = parse_dsn(dsn).set(password="Wrong-Pass-0001").render_as_string(hide_password=False)
    without_tables, not_let_in = await asyncio.gather(
        *(refused("router-manager", database_dsn_bin=one, **HERE) for one in (dsn, wrong))
    )

    assert [ended.code for ended in (without_tables, not_let_in)] == [2, 2]
    assert "ringback db upgrade" in without_tables.line
    assert "database_dsn_bin" in not_let_in.line
    assert "Wrong-Pass-0001" not in not_let_in.line


async def test_settings_that_are_wrong_end_the_start_before_any_database_is_asked() -> None:
    dsn = "mysql://nobody@127.0.0.1:1/none"
    others_work, nowhere = await asyncio.gather(
        refused("router-manager", database_dsn_bin=dsn, services="all", **HERE), refused("router-manager", **HERE)
    )

    assert [ended.code for ended in (others_work, nowhere)] == [2, 2]
    assert "services: must be router-manager" in others_work.line
    assert "database_dsn_bin" in nowhere.line
