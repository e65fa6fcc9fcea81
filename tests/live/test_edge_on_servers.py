"""A real edge that reads MariaDB and PostgreSQL: what holds on the SQLite file holds there."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ringback.demo.asterisk import Asterisk
from ringback.demo.install import CACHE
from ringback.demo.kamailio import Kamailio
from ringback.demo.ports import Ports, free_ports
from ringback.demo.programs import KAMAILIO, AsteriskProgram
from ringback.demo.server import Server
from ringback.kamailio_checks import checks
from ringback.kit.dsn import parse_dsn
from ringback.kit.rights import WRITES
from ringback.knobs import load
from ringback.sip.kamailio import KamailioOptions, new_secret
from tests.house import ROOT as HOUSE

from .conftest import EDGE, ROOT, Edge, World
from .digest import register
from .tables import Tables
from .test_calls_by_a_trunk import (
    test_a_phone_calls_out_by_its_customers_trunk_and_both_hear_each_other as test_a_phone_calls_out,
)
from .test_calls_of_phones_at_the_edge import (
    test_a_phone_at_the_edge_and_one_at_asterisk_call_each_other as test_a_phone_at_the_edge_and_one_at_asterisk,
)
from .test_calls_of_phones_at_the_edge import (
    test_a_phone_calls_in_no_other_name_and_not_while_its_customer_is_frozen as test_a_phone_calls_in_no_other_name,
)
from .test_calls_of_phones_at_the_edge import (
    test_a_phone_that_is_unregistered_by_rest_rings_no_more as test_a_phone_that_is_unregistered,
)
from .test_phones_at_the_edge import (
    test_a_phone_that_registers_at_the_edge_is_seen_until_it_leaves as test_a_phone_that_registers,
)
from .test_phones_at_the_edge import (
    test_a_phone_too_many_takes_the_place_of_the_one_that_ends_first_or_finds_none as test_a_phone_too_many,
)
from .test_phones_at_the_edge import (
    test_several_contacts_come_and_go_by_name_or_all_at_once as test_several_contacts,
)
from .test_phones_at_the_edge import (
    test_the_edge_and_asterisk_have_one_list_of_where_a_phone_is as test_one_list,
)
from .test_phones_at_the_edge import (
    test_who_is_not_the_phone_is_refused_and_nobody_can_tell_which_numbers_there_are as test_who_is_not_the_phone,
)
from .test_trunk_calls import (
    test_a_trunk_rings_a_number_of_its_customer_by_digest_and_by_address as test_a_trunk_rings_a_number,
)
from .test_trunk_calls import (
    test_what_a_trunk_cannot_ring_is_refused_by_the_right_code as test_what_a_trunk_cannot_ring,
)
from .test_trunk_records import (
    test_a_call_out_names_the_extension_and_the_trunk as test_a_call_out_is_recorded,
)
from .test_trunks import (
    test_a_carrier_with_its_own_address_in_from_names_the_trunk_in_the_requests_uri as test_a_carriers_own_from,
)
from .test_trunks import (
    test_a_new_password_counts_at_once_and_the_old_one_no_more as test_a_new_password,
)
from .test_trunks import (
    test_a_trunk_known_by_its_address_is_let_in_without_a_challenge as test_a_trunk_known_by_its_address,
)
from .test_trunks import (
    test_a_trunk_of_both_kinds_needs_its_password_only_where_its_address_is_not_known as test_both_kinds,
)
from .test_trunks import (
    test_a_trunk_that_proves_its_password_registers_and_rings_a_phone as test_a_trunk_that_proves_its_password,
)
from .test_trunks import (
    test_a_wrong_password_or_name_is_refused_like_a_trunk_that_is_not_there as test_a_wrong_password,
)
from .test_trunks import (
    test_after_delete_the_very_next_register_and_call_are_refused_and_a_call_that_is_up_goes_on as test_after_delete,
)
from .test_trunks import (
    test_nobody_proves_a_password_that_a_trunk_does_not_have_and_the_edge_stays_up as test_nobody_proves,
)
from .test_trunks import (
    test_what_is_kept_for_a_way_that_is_not_allowed_has_no_effect as test_what_is_not_allowed_has_no_effect,
)

pytestmark = [pytest.mark.sip, pytest.mark.process, pytest.mark.asyncio(loop_scope="session")]

__all__ = [
    "test_a_call_out_is_recorded",
    "test_a_carriers_own_from",
    "test_a_new_password",
    "test_a_phone_at_the_edge_and_one_at_asterisk",
    "test_a_phone_calls_in_no_other_name",
    "test_a_phone_calls_out",
    "test_a_phone_that_is_unregistered",
    "test_a_phone_that_registers",
    "test_a_phone_too_many",
    "test_a_trunk_known_by_its_address",
    "test_a_trunk_rings_a_number",
    "test_a_trunk_that_proves_its_password",
    "test_a_wrong_password",
    "test_after_delete",
    "test_both_kinds",
    "test_nobody_proves",
    "test_one_list",
    "test_several_contacts",
    "test_what_a_trunk_cannot_ring",
    "test_what_is_not_allowed_has_no_effect",
    "test_who_is_not_the_phone",
]
PAGE = (HOUSE / "docs/edge.md").read_text()
USER, PASSWORD = "edge", "p@ss/w:rd?#'`;%41&{}"


@dataclass(frozen=True, slots=True)
class ServersWorld(World):
    """The same on a server."""

    tables: Tables = field(kw_only=True)

    def settings(self) -> dict[str, str]:
        return dict(zip(("database_dsn_bin", "database_dsn_asterisk"), self.tables.dsns(), strict=True))

    def sql(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        return self.tables.sql(text, *values)


def grant(tables: Tables) -> list[str]:
    """Runs the page's SQL for the edge's user; the DSNs for it, of Ringback's own tables and of Asterisk's."""
    kind = "MariaDB" if tables.is_mariadb else "PostgreSQL"
    found = re.search(rf"^-- {kind}\n(.*?)(?:^--|^```$)", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    text = found[1].replace("…", PASSWORD.replace("'", "''"))
    if tables.is_mariadb:
        text = text.replace("bin_manager", tables.own.name).replace("asterisk.", f"{tables.asterisk.name}.")
    for statement in filter(None, map(str.strip, re.split(r";\n", text))):
        tables.own.execute(statement.replace(" kamailio", f" {USER}"))
    return list(tables.dsns(USER, PASSWORD))


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["mariadb", "postgresql"])
async def world(
    request: pytest.FixtureRequest, program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServersWorld]:
    with Tables.on(request.getfixturevalue(request.param), stock=False) as tables:
        folder, ports = tmp_path_factory.mktemp("live"), Ports.find()
        own, asterisk = map(parse_dsn, tables.for_asterisk())
        options = replace(ports.options(asterisk, own), edge=f"{EDGE}:{free_ports(1)[0]}")
        settings = dict(zip(("database_dsn_bin", "database_dsn_asterisk"), tables.dsns(), strict=True))
        async with (
            await Asterisk.start(program, options, folder / "asterisk", {}) as asterisk_itself,
            await Server.start(folder / "home", contact_poll_interval="0.1", **settings) as server,
        ):
            yield ServersWorld(server, asterisk_itself, ports, tables=tables)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def edge(world: ServersWorld, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    program = KAMAILIO.obtain(ROOT / CACHE)
    port = int(world.asterisk.options.edge.rpartition(":")[2])
    own, asterisk = map(parse_dsn, grant(world.tables))
    try:
        options = KamailioOptions(own, EDGE, (world.ports.public_at,), new_secret(), port, workers=2, tables=asterisk)
        folder = tmp_path_factory.mktemp("edge") / "kamailio"
        async with await Kamailio.start(program, options, folder) as kamailio:
            yield Edge(world, kamailio)
            assert [
                line for line in kamailio.problems() if not re.search("db_mysql|db_postgres|db_query|sqlops", line)
            ] == []
            assert PASSWORD not in (folder / "log").read_text()
    finally:
        drop(world.tables)


def drop(tables: Tables) -> None:
    for statement in [] if tables.is_mariadb else [f"DROP OWNED BY {USER}"]:
        tables.own.execute(statement)
    tables.own.execute(f"DROP USER {USER}")


async def test_connections_that_end_are_replaced(edge: Edge, world: ServersWorld) -> None:
    trunk = await edge.create("cut-off", "basic", username="pbx01")
    assert await edge.register(trunk) == (200, ["MD5"])

    if world.tables.is_mariadb:
        world.tables.own.execute(f"KILL USER {USER}")
    else:
        world.tables.own.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{USER}'")

    assert [await edge.register(trunk) for _ in range(4)] == [(200, ["MD5"])] * 4


async def test_what_a_register_reads_does_not_grow_with_the_customers_phones(edge: Edge, world: ServersWorld) -> None:
    if not world.tables.is_mariadb:
        pytest.skip("MariaDB counts the rows that each user reads")
    own = world.tables.own
    phone = await world.create("2991")
    columns = "reference_type, auth_types, realm, allowed_ips, ha1, ha1_sha256, tm_create"

    async def read() -> int:
        own.execute("FLUSH USER_STATISTICS")
        assert await register(edge.kamailio.at, phone) == (200, ["MD5"])
        ((rows,),) = own.execute("SELECT rows_read FROM information_schema.user_statistics WHERE user = %s", USER)
        return int(rows)

    own.execute("SET GLOBAL userstat = 1")
    try:
        assert 0 < await read() < 100
        own.execute(
            f"INSERT INTO registrar_sip_auths (id, username, {columns})"
            f" SELECT UNHEX(MD5(CONCAT('more', seq))), CONCAT('more', seq), {columns}"
            f" FROM registrar_sip_auths, seq_1_to_2000 WHERE realm = '{phone['realm']}' AND username = '2991'"
        )
        assert 0 < await read() < 100
    finally:
        own.execute("SET GLOBAL userstat = 0")
        own.execute("DELETE FROM registrar_sip_auths WHERE username LIKE 'more%'")
        await world.delete(phone)


async def test_names_that_no_database_knows_as_text_are_refused_like_others(edge: Edge) -> None:
    trunk = await edge.create("odd-names", "basic", username="pbx01")

    for name in ("\x01", "é", "a b", "%00", "' OR 1=1 -- "):
        assert await edge.register(trunk, username=name) == (401, ["MD5"]), name


async def test_a_check_tells_what_the_edges_user_may_not_do(edge: Edge, world: ServersWorld, tmp_path: Path) -> None:
    trunk = await edge.create("not-granted", "basic", username="pbx01")

    async def seen() -> list[str]:
        found = await checks(tmp_path, edge.kamailio.options, load({"ringback_home": tmp_path}))
        return [f"{check.state}: {check.seen}" for check in found if check.name == "database"]

    own = world.tables.own.name if world.tables.is_mariadb else "bin_manager"
    world.tables.own.execute(f"GRANT SELECT ON {own}.ringback_addresses TO {USER}")
    assert await seen() == ["ok: Kamailio's user may do what it must"]
    world.tables.own.execute(f"REVOKE SELECT ON {own}.registrar_sip_auths FROM {USER}")
    try:
        (lack,) = await seen()
        refused = await edge.register(trunk)
    finally:
        world.tables.own.execute(f"GRANT SELECT ON {own}.registrar_sip_auths TO {USER}")

    assert refused == (500, [])
    assert lack.startswith("problem: ringback: its user lacks SELECT on registrar_sip_auths (the server says: ")
    assert PASSWORD not in lack


async def test_a_phone_is_not_told_that_it_is_registered_where_that_could_not_be_written(
    edge: Edge, world: ServersWorld, tmp_path: Path
) -> None:
    extension = await world.create("4829")
    phones = f"{world.tables.asterisk.name if world.tables.is_mariadb else 'asterisk'}.ps_contacts"
    rights = ", ".join(WRITES) if world.tables.is_mariadb else "INSERT"
    world.tables.own.execute(f"REVOKE {rights} ON {phones} FROM {USER}")
    try:
        found = await checks(tmp_path, edge.kamailio.options, load({"ringback_home": tmp_path}))
        refused = await register(edge.kamailio.at, extension)
    finally:
        world.tables.own.execute(f"GRANT {rights} ON {phones} TO {USER}")

    (lack,) = [check.seen for check in found if check.name == "database"]
    assert re.match("asterisk: its user lacks .*INSERT.* on ps_contacts", lack), lack
    assert refused == (500, ["MD5"])
    assert await register(edge.kamailio.at, extension) == (200, ["MD5"])
