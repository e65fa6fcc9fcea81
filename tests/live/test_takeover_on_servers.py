"""A database of VoIPbin's service on MariaDB, or what it would be on PostgreSQL, is taken over; its own may go on."""

import json
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from ringback import server
from ringback.app import assemble
from ringback.databases import opened
from ringback.kit.errors import CannotStart
from ringback.knobs import load
from ringback.migrations import commands
from ringback.settings import Settings
from tests.foreign import BASE, CREATED, NEVER, PASSWORD, TABLES, TRUNK_BASE, Filled, meta, refusal, upgrade
from tests.live.schemas import ENGINES, ForeignOnServer, shape_of
from tests.live.test_schema_on_servers import Killed, dying_at
from tests.servers.fixtures import MakeDatabase

pytestmark = pytest.mark.process

HASH = "a3f8b2c1d4e5"
OTHER = "0123456789ab"
DELETED = "2026-02-12 10:00:00.000001"
WITH_DIRECT = TABLES["registrar_extensions"].replace(
    "tm_create", "direct_id binary(16), direct_hash varchar(255), tm_create"
)
ENUMS = {
    "postgresql": (
        "CREATE TYPE yesno_values AS ENUM ('yes', 'no')",
        "CREATE TYPE pjsip_auth_type_values_v2 AS ENUM ('md5', 'userpass', 'google_oauth')",
    ),
    "mysql": (),
}
PS_TABLES = {
    "ps_aors": "id varchar(255) primary key, max_contacts int, remove_existing {yesno}, qualify_timeout float",
    "ps_auths": "id varchar(255) primary key, auth_type {auth}, nonce_lifetime int, md5_cred varchar(40), "
    "password varchar(80), realm varchar(255), username varchar(40), refresh_token varchar(255)",
    "ps_endpoints": "id varchar(255) primary key, aors varchar(2048), auth varchar(255), context varchar(40), "
    "allow varchar(200), direct_media {yesno}, disallow varchar(200)",
    "ps_contacts": "id varchar(255) primary key, uri varchar(511), expiration_time bigint, endpoint varchar(255), "
    "user_agent varchar(255), prune_on_boot {yesno}, reg_server varchar(255)",
}

MakeForeign = Callable[..., ForeignOnServer]


@pytest.fixture(params=ENGINES)
def make_foreign(make_database: MakeDatabase, request: pytest.FixtureRequest) -> MakeForeign:
    return lambda **tables: ForeignOnServer(make_database(request.param), **tables)


@pytest.fixture
def foreign(make_foreign: MakeForeign) -> ForeignOnServer:
    return make_foreign()


@pytest.fixture
def on_mariadb(make_database: MakeDatabase) -> ForeignOnServer:
    return ForeignOnServer(make_database("mariadb"))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def items(value: Any) -> Any:
    """A JSON document, which MariaDB gives as text."""
    return json.loads(value) if isinstance(value, str) else value


def hashes(foreign: Filled) -> dict[str, datetime | None]:
    return {row["hash"]: row["tm_revoke"] for row in foreign.sql("SELECT * FROM registrar_direct_hashes")}


def fill(foreign: Filled) -> dict[str, UUID]:
    """Rows as that service leaves them."""
    made = {
        "phone": foreign.extension("1001", tm_update=NEVER, tm_delete=NEVER),
        "odd": foreign.extension("1002", realm=None, domain_name=None, aor_id="1002", username="desk"),
        "gone": foreign.extension("1001", tm_delete=DELETED),
        "trunk": foreign.trunk("pbx", tm_delete=NEVER),
        "bare": foreign.trunk("carrier", auth_types="null", allowed_ips=None, username="", password=""),
    }
    foreign.credential(made["odd"], realm="as it was", username="desk", password="as it was", auth_types="null")
    made["direct"] = foreign.direct(made["phone"], f"direct.{HASH.upper()}", tm_delete=NEVER)
    made["revoked"] = foreign.direct(made["gone"], OTHER, tm_delete=DELETED)
    return made


def require_taken(foreign: ForeignOnServer, made: dict[str, UUID]) -> None:
    """What `fill` has left is as it should be."""
    realm = f"{foreign.customer}.{BASE}"
    assert meta(foreign) == {
        "secret_storage": "plaintext",
        "taken_over": "registrar_extensions,registrar_trunks,registrar_sip_auths,registrar_directs",
        "domain_name_extension": BASE,
        "domain_name_trunk": TRUNK_BASE,
    }
    phone, odd, gone = (foreign.one("registrar_extensions", made[name]) for name in ("phone", "odd", "gone"))
    assert (phone["tm_create"], phone["tm_update"], phone["tm_delete"]) == (moment(CREATED), None, None)
    assert (gone["tm_delete"], gone["password"]) == (moment(DELETED), PASSWORD)
    assert (odd["realm"], odd["domain_name"]) == (realm, str(foreign.customer))
    assert (odd["endpoint_id"], odd["aor_id"], odd["auth_id"]) == (f"1002@{realm}",) * 3
    trunk, bare = (foreign.one("registrar_trunks", made[name]) for name in ("trunk", "bare"))
    assert (trunk["tm_delete"], items(trunk["auth_types"])) == (None, ["basic", "ip"])
    assert (items(bare["auth_types"]), items(bare["allowed_ips"])) == ([], [])
    edge = {name: foreign.one("registrar_sip_auths", made[name]) for name in ("phone", "odd", "trunk", "bare")}
    assert [items(edge[name]["auth_types"]) for name in edge] == [["basic"], ["basic"], ["basic", "ip"], []]
    assert (edge["phone"]["realm"], edge["phone"]["username"], edge["phone"]["password"]) == (realm, "1001", PASSWORD)
    assert (edge["odd"]["realm"], edge["odd"]["password"]) == ("as it was", "as it was")
    assert len(foreign.sql("SELECT id FROM registrar_sip_auths")) == 4
    assert foreign.one("registrar_directs", made["direct"])["hash"] == HASH
    assert hashes(foreign) == {HASH: None, OTHER: moment(DELETED)}
    (domain,) = foreign.sql("SELECT * FROM registrar_customer_domains")
    assert (domain["domain_label"], domain["realm"]) == (str(foreign.customer), realm)


@pytest.mark.contract("registrar R-82", "registrar R-83")
def test_a_database_of_the_other_service_becomes_ours(foreign: ForeignOnServer) -> None:
    made = fill(foreign)
    upgrade(foreign)

    require_taken(foreign, made)
    before = foreign.dump()
    upgrade(foreign)
    assert foreign.dump() == before


def settings_of(foreign: ForeignOnServer, home: Path, **more: Any) -> Settings:
    """Those of a start on it, with its own base domains; Asterisk's tables are beside the others."""
    dsns = dict.fromkeys(("database_dsn_bin", "database_dsn_asterisk"), foreign.database.dsn)
    free = dict.fromkeys(("rest_listen_address", "prometheus_listen_address"), "127.0.0.1:0")
    bases = {"domain_name_extension": BASE, "domain_name_trunk": TRUNK_BASE}
    return load({"ringback_home": home, **bases, **dsns, **free, **more})


@pytest.mark.contract("registrar R-83")
async def test_a_start_on_it_serves_the_old_addresses_and_new_ones(foreign: ForeignOnServer, tmp_path: Path) -> None:
    made = fill(foreign)
    with pytest.raises(CannotStart, match="run 'ringback db upgrade'"):
        async with server.running(settings_of(foreign, tmp_path)):
            pytest.fail("it has started")
    upgrade(foreign)
    with pytest.raises(CannotStart, match=r"secret_storage=plaintext.*registrar-control secrets migrate"):
        async with server.running(settings_of(foreign, tmp_path)):
            pytest.fail("it has started")

    settings = settings_of(foreign, tmp_path, secret_storage="plaintext")
    async with opened(settings) as databases, aclosing(assemble(settings, databases)) as ringback:

        async def ask(method: str, uri: str, data: Any = None) -> tuple[int, Any]:
            sent = {"method": method, "uri": uri, "publisher": "test", "data_type": "application/json", "data": data}
            reply = json.loads(await ringback.rpc.serve(json.dumps(sent).encode()))
            return reply["status_code"], reply.get("data")

        for hash in (HASH, f"direct.{HASH.upper()}"):
            status, direct = await ask("GET", f"/v1/extension-directs?hash={hash}")
            assert (status, direct["extension_id"]) == (200, str(made["phone"]))
        assert (await ask("GET", f"/v1/extension-directs?hash={OTHER}"))[0] == 404
        for enabled in (False, True):
            status, phone = await ask("PUT", f"/v1/extensions/{made['phone']}", {"direct": enabled})
            assert (status, bool(phone["direct_hash"])) == (200, enabled)
        assert (await ask("GET", f"/v1/extension-directs?hash={HASH}"))[0] == 404
        taken = {"customer_id": str(foreign.customer), "extension": "1001", "password": "Sample-Pass-0002"}
        assert (await ask("POST", "/v1/extensions", taken))[0] == 409
        assert (await ask("POST", "/v1/extensions", taken | {"extension": "Lobby"}))[0] == 200
        assert (await ask("POST", "/v1/extensions", taken | {"extension": "lobby"}))[0] == 409
        await ringback.reconciler.once()

    realm = f"{foreign.customer}.{BASE}"
    rows = {row["id"]: row for row in foreign.sql("SELECT * FROM ps_auths")}
    assert rows.keys() == {f"{number}@{realm}" for number in ("1001", "1002", "Lobby")}
    assert (rows[f"1002@{realm}"]["username"], rows[f"1002@{realm}"]["password"]) == ("desk", PASSWORD)


@pytest.mark.contract("registrar R-82")
def test_a_take_over_that_is_killed_is_completed_by_the_next(make_database: MakeDatabase) -> None:
    first = ForeignOnServer(make_database("mariadb"))
    fill(first)
    with dying_at(0) as said:
        upgrade(first)
    whole = shape_of(first.url)
    begun = next(number for number, text in enumerate(said) if text.startswith("INSERT INTO registrar_meta"))
    for number in (begun - 1, begun + 1, (begun + len(said)) // 2):
        foreign = ForeignOnServer(make_database("mariadb"))
        made = fill(foreign)
        with dying_at(number), pytest.raises(Killed):
            upgrade(foreign)
        upgrade(foreign)
        require_taken(foreign, made)
        assert shape_of(foreign.url) == whole, f"killed at {number}: {said[number - 1]}"


@pytest.mark.contract("registrar R-82")
def test_the_other_service_writes_on_and_the_rules_hold_for_it(foreign: ForeignOnServer) -> None:
    fill(foreign)
    upgrade(foreign)

    phone = foreign.extension("Lobby")
    with pytest.raises(IntegrityError, match="ux_registrar_extensions_number"):
        foreign.extension("lobby", username="other")
    foreign.sql("UPDATE registrar_extensions SET tm_delete = ? WHERE id = ?", DELETED, foreign.key(phone))
    again = foreign.extension("lobby")
    first = foreign.direct(again, "feedfacecafe")
    with pytest.raises(IntegrityError, match="ux_registrar_directs_extension"):
        foreign.direct(again, "feedfacebeef")
    foreign.sql("UPDATE registrar_directs SET tm_delete = ? WHERE id = ?", DELETED, foreign.key(first))
    foreign.direct(again, "feedfacebeef")
    foreign.trunk("new")
    foreign.credential(again, realm="r", username="u", password=PASSWORD)


@pytest.mark.contract("registrar R-82")
def test_duplicates_are_named_and_nothing_is_changed(foreign: ForeignOnServer) -> None:
    numbers = [foreign.extension("Desk", username="a"), foreign.extension("desk", username="b", tm_delete=NEVER)]
    trunks = [foreign.trunk("pbx", username="a"), foreign.trunk("PBX", username="b", tm_delete=NEVER)]
    edge = [foreign.credential(uuid4(), realm="r", username="u") for _ in range(2)]
    directs = [foreign.direct(numbers[0], f"direct.{HASH}"), foreign.direct(uuid4(), HASH, tm_delete=DELETED)]
    foreign.extension("desk", username="c", tm_delete=DELETED)
    lines = refusal(foreign)

    assert lines[0] == "this database cannot be taken over, no row was changed:"
    for said, rows in {
        f"registrar_extensions: customer_id {foreign.customer}, extension Desk": numbers,
        "registrar_trunks: domain_name pbx": trunks,
        "registrar_sip_auths: realm r, username u": edge,
        f"registrar_directs: hash {HASH[:4]}…": directs,
    }.items():
        (line,) = [line for line in lines if line.lower().startswith(f"{said} in more".lower())]
        assert all(str(id) in line for id in rows)
    assert len(lines) == 5


def test_letters_that_the_database_takes_for_the_same_are_named_too(on_mariadb: ForeignOnServer) -> None:
    foreign = on_mariadb
    ids = [foreign.extension(number, username=number * 2) for number in ("cafe", "café")]
    fine = foreign.extension("tea", username="tea", tm_delete=NEVER)
    with pytest.raises(CannotStart) as refused:
        upgrade(foreign)
    lines = str(refused.value).splitlines()[1:]

    assert len(lines) == 3
    assert all(str(id) in line for id in ids for line in lines)
    assert foreign.one("registrar_extensions", fine)["tm_delete"].year == 9999
    assert meta(foreign) == {}


def test_what_cannot_be_read_is_named(on_mariadb: ForeignOnServer) -> None:
    foreign = on_mariadb
    foreign.sql("ALTER TABLE registrar_trunks MODIFY allowed_ips text")
    foreign.sql("ALTER TABLE registrar_extensions MODIFY password varbinary(255)")
    trunk = foreign.trunk("pbx", allowed_ips="203.0.113.7")
    other = foreign.trunk("pbx2", auth_types=json.dumps({"basic": True}))
    phone = foreign.extension("1001", password=b"M\xfcller-Pass")
    late = foreign.extension("1002", password=None)
    foreign.database.execute(
        "SET STATEMENT sql_mode = '' FOR UPDATE registrar_extensions SET tm_update = '0000-00-00' WHERE id = %s",
        late.bytes,
    )

    assert set(refusal(foreign)[1:]) == {
        f"registrar_trunks: row {trunk.hex}: allowed_ips is not JSON",
        f"registrar_trunks: row {other.hex}: auth_types is not a list",
        f"registrar_extensions: row {phone.hex}: password is not text",
        f"registrar_extensions: row {late.hex}: tm_update is not a time",
    }


def test_direct_columns_of_extensions_follow_the_live_direct(make_foreign: MakeForeign) -> None:
    foreign = make_foreign(registrar_extensions=WITH_DIRECT)
    phone, told = foreign.extension("1001", direct_hash=None), uuid4()
    other = foreign.extension("1002", direct_id=told, direct_hash=f"direct.{OTHER}")
    first = foreign.direct(phone, f"direct.{HASH}")
    upgrade(foreign)

    def says(id: UUID = phone) -> tuple[Any, str | None]:
        row = foreign.one("registrar_extensions", id)
        return row["direct_id"], row["direct_hash"]

    assert (says(), says(other)) == ((foreign.key(first), HASH), (foreign.key(told), OTHER))
    foreign.sql("UPDATE registrar_directs SET hash = 'feedfacecafe' WHERE id = ?", foreign.key(first))
    assert says() == (foreign.key(first), "feedfacecafe")
    foreign.sql("UPDATE registrar_directs SET tm_delete = ? WHERE id = ?", DELETED, foreign.key(first))
    assert says() == (None, None)
    second = foreign.direct(phone, "feedfacebeef")
    assert (says(), says(other)) == ((foreign.key(second), "feedfacebeef"), (foreign.key(told), OTHER))
    foreign.sql("DELETE FROM registrar_directs WHERE id = ?", foreign.key(second))
    assert says() == (None, None)


def test_there_is_no_way_down_from_what_was_or_may_yet_be_taken_over(foreign: ForeignOnServer) -> None:
    foreign.extension("1001")
    revisions = [revision for revision, _ in commands.history("bin", foreign.url)]
    for revision in (revisions[0], revisions[13], "head"):
        commands.upgrade("bin", foreign.url, revision)
        before = foreign.dump()
        for target in ("-1", "base"):
            with pytest.raises(CannotStart, match=r"made by another service.*docs/takeover\.md"):
                commands.downgrade("bin", foreign.url, target)
        assert foreign.dump() == before


def test_tables_that_asterisks_own_migrations_made_are_left_as_they_are(
    make_foreign: MakeForeign, make_database: MakeDatabase
) -> None:
    nothing = dict.fromkeys(TABLES)
    foreign = make_foreign(**nothing)
    engine = foreign.url.get_backend_name()
    spelt = {
        "postgresql": {"yesno": "yesno_values", "auth": "pjsip_auth_type_values_v2"},
        "mysql": {"yesno": "enum('yes','no')", "auth": "enum('md5','userpass','google_oauth')"},
    }[engine]
    for statement in ENUMS[engine]:
        foreign.sql(statement)
    for name, columns in PS_TABLES.items():
        foreign.sql(f"CREATE TABLE {name} ({columns.format(**spelt)})")
    foreign.sql("INSERT INTO ps_auths (id, auth_type, refresh_token) VALUES ('1001@r', 'userpass', 'x')")
    before = [line for line in foreign.dump() if not line.startswith("ps_auths: ")]
    commands.upgrade("asterisk", foreign.url)

    (row,) = foreign.sql("SELECT * FROM ps_auths")
    assert (row["auth_type"], row["refresh_token"], row["password_digest"]) == ("userpass", "x", None)
    assert set(before) <= set(foreign.dump())
    with pytest.raises(CannotStart, match=r"^ps_endpoints, .*: somebody else has made or changed these tables"):
        commands.downgrade("asterisk", foreign.url, "base")


def test_a_server_that_forbids_triggers_is_told_in_one_line(make_database: MakeDatabase) -> None:
    foreign = ForeignOnServer(make_database("mariadb"), registrar_extensions=WITH_DIRECT)
    foreign.extension("1001", direct_hash=None)
    user = f"u{uuid4().hex[:12]}"
    foreign.database.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 'Sample-Pass-0001'")
    foreign.database.execute(f"GRANT ALL ON {foreign.database.name}.* TO {user}@'%'")
    foreign.database.execute(f"REVOKE TRIGGER ON {foreign.database.name}.* FROM {user}@'%'")
    with pytest.raises(CannotStart, match="TRIGGER command denied") as refused:
        commands.upgrade("bin", foreign.url.set(username=user, password="Sample-Pass-0001"))
    assert "\n" not in str(refused.value)

    upgrade(foreign)
    assert len([row for row in foreign.sql("SHOW TRIGGERS") if row["Table"].startswith("registrar_")]) == 3


def test_no_value_of_a_row_is_in_what_is_said_of_a_failure(on_mariadb: ForeignOnServer) -> None:
    foreign = on_mariadb
    foreign.extension("1001")
    with pytest.raises(DBAPIError):
        foreign.sql("INSERT INTO registrar_extensions (id) SELECT id FROM registrar_extensions")
    foreign.sql("CREATE TABLE registrar_meta (`key` varchar(64) primary key, value varchar(3))")
    with pytest.raises(CannotStart) as refused:
        upgrade(foreign)

    assert BASE not in str(refused.value)
    assert "it said error 1406" in str(refused.value)
    assert str(foreign.url.password) not in str(refused.value)
