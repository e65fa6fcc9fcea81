"""The router as docs/servers.md has it: services that run as a user who does not own the tables, and one who does."""

from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ringback.app import assemble
from ringback.databases import OWNER, opened
from ringback.kit.audit import Actor
from ringback.kit.dsn import parse_dsn
from ringback.kit.errors import CannotStart
from ringback.knobs import load
from ringback.migrations import commands
from ringback.router.audit.service import verify
from ringback.router.extensions import purging, service, wire
from ringback.router.nodes import store as nodes
from ringback.router.nodes.model import Served
from ringback.router.tables import audit_log
from ringback.router.work import Uow
from ringback.schema import OWN_TABLES, ROUTER_TABLES
from ringback.settings import Settings
from tests.live.daemon import DOMAINS
from tests.live.schemas import rows_of
from tests.live.test_servers_page import Made, made

__all__ = ["made"]

pytestmark = pytest.mark.process

OTHERS = [
    table.name for one in (*OWN_TABLES, *ROUTER_TABLES) for table in one.tables.values() if table is not audit_log
]
NAMES = ("database_dsn_bin", "database_dsn_asterisk")
LOG, REVISIONS = "extension_audit_log", "extension_revisions"
FORBIDDEN = {
    "mariadb": {
        f"TRUNCATE TABLE {LOG}": "DROP command denied",
        f"DROP TABLE {LOG}": "DROP command denied",
        f"DROP TRIGGER {LOG}_delete": "TRIGGER command denied",
        f"ALTER TABLE {LOG} DROP COLUMN hash": "ALTER command denied",
        f"UPDATE {LOG} SET changed_by = 'x'": "append-only",
        f"DELETE FROM {LOG}": "append-only",
    },
    "postgresql": {
        f"TRUNCATE TABLE {LOG}": "permission denied",
        f"DROP TABLE {LOG}": "must be owner",
        f"DROP TRIGGER {LOG}_row ON {LOG}": "must be owner",
        f"ALTER TABLE {LOG} DISABLE TRIGGER ALL": "must be owner",
        f"UPDATE {LOG} SET changed_by = 'x'": "permission denied",
        f"DELETE FROM {LOG}": "permission denied",
        f"UPDATE {REVISIONS} SET document = ''": "permission denied",
    },
}


def settings_of(dsns: list[str], home: Path) -> Settings:
    return load({**DOMAINS, **dict(zip(NAMES, dsns, strict=True)), "ringback_home": str(home)})


async def everything(uow: Uow) -> None:
    """What a router writes as long as it runs."""
    uow.by = Actor("key:ops", "rest", "req_1")
    asked = wire.NewRouterExtension(id="upper", type="pre", subject="beamline.ext.pre.upper.v1")
    await service.create(uow, asked)
    await nodes.put(uow.session, "node", Served(1, "0" * 64, "database", []), uow.now)
    await nodes.remove(uow.session, "node")


async def deleted(uow: Uow) -> None:
    await service.delete(uow, "upper")


async def purged(uow: Uow) -> None:
    later = uow.now + timedelta(seconds=1)
    assert [one.id for one in await purging.purge(uow, ["upper"], later)] == ["upper"]


@pytest.mark.contract("router R-5a")
async def test_whom_the_services_run_as_can_write_everything_and_take_nothing_back(
    made: Made, tmp_path: Path, logged: Callable[[], str]
) -> None:
    services, owner = made.dsns()[:2], made.dsns()[2:]
    for name, dsn in zip(commands.DATABASES, (*owner, owner[0]), strict=True):
        commands.upgrade(name, parse_dsn(dsn))
    if made.engine == "postgresql":
        made.run(", when")
    settings = settings_of(services, tmp_path)
    async with opened(settings, serves=True) as found, aclosing(assemble(settings, found)) as ringback:
        router = ringback.router
        assert (await router.loader.reload()).ok
        for verb in (everything, deleted, purged):
            await router.work.write(verb)
        proof: Any = await router.work.read(verify)

    assert proof.ok
    assert OWNER not in logged()
    assert "one transaction for both databases" in logged()
    url = parse_dsn(services[0])
    before = rows_of(url, f"SELECT * FROM {LOG} ORDER BY id")
    assert len(before) == 9
    for statement, why in FORBIDDEN[made.engine].items():
        with pytest.raises(Exception, match=why):
            rows_of(url, statement)
    assert rows_of(url, f"SELECT * FROM {LOG} ORDER BY id") == before


@pytest.mark.contract("router R-5a")
@pytest.mark.parametrize("services", ["router-manager", "registrar-manager"])
async def test_a_start_of_the_router_as_the_owner_of_its_tables_warns_once(
    made: Made, tmp_path: Path, logged: Callable[[], str], services: str
) -> None:
    owner = made.dsns()[2:]
    for name, dsn in zip(commands.DATABASES, (*owner, owner[0]), strict=True):
        commands.upgrade(name, parse_dsn(dsn))
    settings = settings_of(owner, tmp_path).model_copy(update={"services": services})
    for serves in (False, True):
        async with opened(settings, serves=serves):
            assert logged().count(OWNER) == int(serves and services == "router-manager")


@pytest.mark.parametrize("services", ["router-manager", "registrar-manager"])
async def test_a_router_that_may_not_write_its_log_does_not_start(made: Made, tmp_path: Path, services: str) -> None:
    dsns = made.dsns()
    for name, dsn in zip(commands.DATABASES, (*dsns[2:], dsns[2]), strict=True):
        commands.upgrade(name, parse_dsn(dsn))
    if made.engine == "mariadb":
        for table in OTHERS:
            made.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON bin_manager.{table} TO ringback")
        made.execute("REVOKE INSERT ON bin_manager.* FROM ringback")
    else:
        made.execute(f"REVOKE INSERT ON bin_manager.{LOG} FROM ringback")
    settings = settings_of(dsns[:2], tmp_path).model_copy(update={"services": services})
    if services == "registrar-manager":
        async with opened(settings):
            return
    with pytest.raises(CannotStart, match=f"database_dsn_bin: its user must be granted INSERT on {LOG} "):
        async with opened(settings):
            pass
