"""Users of databases who may not do what a daemon needs: the start says which right is missing, and ends."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from ringback.databases import connect, opened
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.pair import Pair
from ringback.knobs import load
from ringback.settings import Settings
from tests.live.daemon import DOMAINS
from tests.live.schemas import ENGINES
from tests.live.tables import Tables
from tests.live.test_daemon import refused_here
from tests.servers.mariadb import MariaDb
from tests.servers.postgresql import PostgreSql

pytestmark = pytest.mark.process

NO_BROKER = "amqp://nobody:nothing@127.0.0.1:1/"
EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"
MANAGED = ("ps_endpoints", "ps_aors", "ps_auths")
READER, SECRET = "reader", "Marker-Secret-78"
NAMES = ("database_dsn_bin", "database_dsn_asterisk")


@pytest.fixture(params=ENGINES)
def tables(request: pytest.FixtureRequest) -> Iterator[Tables]:
    server: MariaDb | PostgreSql = request.getfixturevalue(request.param)
    with Tables.on(server, stock=False) as made:
        try:
            yield made
        finally:
            drop(made)


def drop(tables: Tables) -> None:
    if not tables.is_mariadb:
        tables.sql(f"DROP OWNED BY {READER}")
    tables.sql(f"DROP USER {READER}")


def may(tables: Tables, own: str = "", asterisk: str = "", *, counts: bool = True) -> dict[str, str]:
    """Settings where READER stands for each database of which rights are given, and who may do anything for others."""
    tables.own.execute(f"CREATE USER {READER} {'IDENTIFIED BY' if tables.is_mariadb else 'PASSWORD'} '{SECRET}'")
    names = (tables.own.name, tables.asterisk.name) if tables.is_mariadb else ("bin_manager", "asterisk")
    for name, rights in zip(names, (own, asterisk), strict=True):
        if rights and tables.is_mariadb:
            tables.own.execute(f"GRANT {rights} ON {name}.* TO {READER}")
        elif rights:
            tables.own.execute(f"GRANT USAGE ON SCHEMA {name} TO {READER}")
            tables.own.execute(f"GRANT {rights} ON ALL TABLES IN SCHEMA {name} TO {READER}")
            if counts:
                tables.own.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {name} TO {READER}")
    all_may, reads = tables.dsns(), tables.dsns(READER, SECRET)
    return {NAMES[0]: reads[0] if own else all_may[0], NAMES[1]: reads[1] if asterisk else all_may[1]}


def on_two_servers(dsns: dict[str, str]) -> dict[str, str]:
    """The same as if the second were elsewhere: its host has another name."""
    return dsns | {"database_dsn_asterisk": dsns["database_dsn_asterisk"].replace("127.0.0.1", "localhost")}


def settings_of(dsns: dict[str, str]) -> Settings:
    return load({**DOMAINS, **dsns})


@pytest.mark.contract("registrar R-81")
def test_who_may_not_write_our_own_tables_cannot_start(tables: Tables, capsys: pytest.CaptureFixture[str]) -> None:
    ended = refused_here(capsys, rabbitmq_address=NO_BROKER, **may(tables, own="SELECT"))

    assert ended.code == 2
    assert "database_dsn_bin: its user must be granted INSERT, UPDATE, DELETE on " in ended.line
    assert "registrar_extensions" in ended.line
    assert SECRET not in ended.line


@pytest.mark.contract("registrar R-81")
@pytest.mark.parametrize("servers", [1, 2])
def test_who_may_not_write_what_asterisk_reads_cannot_start(
    tables: Tables, capsys: pytest.CaptureFixture[str], servers: int
) -> None:
    """Else nothing would ever be told to Asterisk, and every create would be a 200."""
    dsns = may(tables, own=EVERYTHING if servers == 1 else "", asterisk="SELECT")
    ended = refused_here(capsys, rabbitmq_address=NO_BROKER, **(on_two_servers(dsns) if servers == 2 else dsns))

    assert ended.code == 2
    assert "database_dsn_asterisk: its user must be granted " in ended.line
    assert "DELETE on ps_contacts; INSERT, UPDATE, DELETE on " in ended.line
    for name in MANAGED:
        assert name in ended.line
    assert SECRET not in ended.line


async def test_rights_of_two_users_suffice_and_the_log_says_why_there_are_two_transactions(
    tables: Tables, logged: Callable[[], str]
) -> None:
    """What we never do, adding contacts or changing them, needs no right."""
    dsns = may(tables, asterisk=EVERYTHING)
    ours, secret = "ours", "Marker-Secret-79"
    tables.own.execute(f"CREATE USER {ours} {'IDENTIFIED BY' if tables.is_mariadb else 'PASSWORD'} '{secret}'")
    try:
        if tables.is_mariadb:
            tables.own.execute(f"GRANT {EVERYTHING} ON {tables.own.name}.* TO {ours}")
        else:
            tables.own.execute(f"GRANT USAGE ON SCHEMA bin_manager TO {ours}")
            tables.own.execute(f"GRANT {EVERYTHING} ON ALL TABLES IN SCHEMA bin_manager TO {ours}")
            tables.own.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA bin_manager TO {ours}")
            tables.own.execute(f"REVOKE INSERT, UPDATE ON asterisk.ps_contacts FROM {READER}")
        dsns["database_dsn_bin"] = tables.dsns(ours, secret)[0]
        async with opened(settings_of(dsns)) as found:
            assert isinstance(found.database, Pair)
    finally:
        if not tables.is_mariadb:
            tables.own.execute(f"DROP OWNED BY {ours}")
        tables.own.execute(f"DROP USER {ours}")

    assert "ERROR" not in logged()
    assert "may not write both" in logged()
    assert "follows ours" in logged()


async def test_who_may_write_both_has_one_transaction(tables: Tables) -> None:
    dsns = may(tables, own=EVERYTHING, asterisk=EVERYTHING)
    async with opened(settings_of(dsns)) as found:
        assert not isinstance(found.database, Pair)


async def test_who_only_looks_needs_no_right_to_write(tables: Tables) -> None:
    async with opened(settings_of(may(tables, own="SELECT", asterisk="SELECT")), writes=False) as found:
        assert isinstance(found.database, Pair)


def test_on_postgresql_the_numbers_of_new_rows_must_be_ours_to_take(
    postgresql: PostgreSql, capsys: pytest.CaptureFixture[str]
) -> None:
    with Tables.on(postgresql, stock=False) as tables:
        try:
            ended = refused_here(capsys, rabbitmq_address=NO_BROKER, **may(tables, own=EVERYTHING, counts=False))
        finally:
            drop(tables)

    assert ended.code == 2
    assert "USAGE on bin_manager.registrar_outbox_id_seq, bin_manager.registrar_stale_keys_id_seq" in ended.line


async def test_an_outage_costs_no_installation_its_one_transaction(mariadb: MariaDb) -> None:
    """Somebody changes a table of Asterisk's just now: that says nothing about rights."""
    with Tables.on(mariadb, stock=False) as tables:
        settings = load({**DOMAINS, **dict(zip(NAMES, tables.dsns(), strict=True)), "database_timeout": 0.5})
        with mariadb.connect(tables.asterisk.name) as connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLES ps_aors WRITE")
            with pytest.raises(DatabaseUnavailable):
                await connect(settings)
            cursor.execute("UNLOCK TABLES")
        found = await connect(settings)
        found.database.close()

    assert not isinstance(found.database, Pair)


async def test_a_second_database_that_is_away_ends_no_start(mariadb: MariaDb) -> None:
    with MariaDb.private() as other, other.database() as theirs, Tables.on(mariadb, stock=False) as tables:
        settings = load({**DOMAINS, NAMES[0]: tables.dsns()[0], NAMES[1]: theirs.dsn})
        await asyncio.to_thread(other.kill)
        found = await connect(settings)
        found.database.close()
        await asyncio.to_thread(other.start)

    assert isinstance(found.database, Pair)
