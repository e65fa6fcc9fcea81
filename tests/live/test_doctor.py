"""`ringback doctor` on MariaDB and PostgreSQL: fine, without a right, with rows that drift, and away."""

from typing import Any

import pytest

from ringback.doctor.examination import examine
from ringback.doctor.given import Given
from ringback.kit.checks import Check
from ringback.knobs import load
from tests.live.daemon import DOMAINS
from tests.live.tables import Tables
from tests.live.test_rights import EVERYTHING, NAMES, SECRET, may, on_two_servers, tables

__all__ = ["tables"]
pytestmark = pytest.mark.process
FREE = dict.fromkeys(("rest_listen_address", "prometheus_listen_address"), "127.0.0.1:0")


async def looked(dsns: dict[str, str]) -> dict[str, Check]:
    """What is not in order."""
    settings: dict[str, Any] = {**DOMAINS, **FREE, **dsns}
    found = await examine(Given(load(settings)))
    assert SECRET not in str(found)
    return {check.name: check for check in found if check.state != "ok"}


@pytest.mark.parametrize("servers", [1, 2])
async def test_a_right_that_lacks_is_named_and_with_all_of_them_nothing_is_wrong(tables: Tables, servers: int) -> None:
    dsns = may(tables, own=EVERYTHING if servers == 1 else "", asterisk="SELECT")
    lacking = await looked(on_two_servers(dsns) if servers == 2 else dsns)
    assert lacking.keys() == {"rights"}
    assert "database_dsn_asterisk: its user must be granted " in lacking["rights"].seen

    all_may = dict(zip(NAMES, tables.dsns(), strict=True))
    assert await looked(on_two_servers(all_may) if servers == 2 else all_may) == {}


async def test_rows_that_drift_and_a_server_that_knows_us_not(tables: Tables) -> None:
    dsns = may(tables, own=EVERYTHING, asterisk=EVERYTHING)
    tables.sql("INSERT INTO ps_aors (id) VALUES ('ghost@x.registrar.example.com')")
    assert {name: check.state for name, check in (await looked(dsns)).items()} == {"drift": "warning"}

    wrong = await looked({name: dsn.replace(SECRET, "nothing") for name, dsn in dsns.items()})

    assert {name: check.state for name, check in wrong.items()} == {"database": "problem", "contents": "unknown"}
