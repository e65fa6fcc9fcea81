"""Statements that a database on a server refuses: one line of a command, a typed 500 of a request."""

import json
from uuid import uuid4

import pytest

from ringback import cli
from ringback.app import assemble
from ringback.databases import opened
from ringback.knobs import load
from tests.live.daemon import DOMAINS, databases
from tests.live.schemas import ENGINES
from tests.servers.fixtures import MakeDatabase

pytestmark = pytest.mark.process

REQUEST = json.dumps({"uri": "/v1/extensions", "method": "GET", "data": {"customer_id": str(uuid4())}}).encode()


@pytest.fixture(params=ENGINES)
def dsns(request: pytest.FixtureRequest, make_database: MakeDatabase) -> dict[str, str]:
    """Databases in which somebody has given a column of ours another name."""
    own, second = make_database(request.param), make_database("mariadb") if request.param == "mariadb" else None
    found = databases(own, second)
    table = "registrar_extensions" if second else "bin_manager.registrar_extensions"
    own.execute(f"ALTER TABLE {table} RENAME COLUMN detail TO details")
    return {**DOMAINS, **found}


@pytest.mark.contract("registrar R-78")
def test_a_command_ends_with_one_line_and_exit_code_1(dsns: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.registrar_control(
            ["extension", "list", f"--customer_id={uuid4()}", *(f"--{name}={value}" for name, value in dsns.items())]
        )
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("{")]

    assert ended.value.code == 1
    assert line.startswith("registrar-control: the database refuses a statement: ")
    assert "registrar_extensions" in line


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_table_that_is_not_there_is_told(engine: str, make_database: MakeDatabase) -> None:
    own, second = make_database(engine), make_database("mariadb") if engine == "mariadb" else None
    settings = load({**DOMAINS, **databases(own, second)})
    table = "registrar_extensions" if second else "bin_manager.registrar_extensions"
    async with opened(settings) as found:
        own.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
        ringback = assemble(settings, found)
        reply = await ringback.rpc.serve(REQUEST)
        await ringback.aclose()

    assert b'"status_code":503' in reply
    assert b"DATABASE_TABLE_MISSING" in reply


async def test_a_request_gets_a_typed_refusal(dsns: dict[str, str]) -> None:
    settings = load(dsns)
    async with opened(settings) as found:
        ringback = assemble(settings, found)
        reply = await ringback.rpc.serve(REQUEST)
        await ringback.aclose()

    assert b'"status_code":500' in reply
    assert b"INTERNAL" in reply
