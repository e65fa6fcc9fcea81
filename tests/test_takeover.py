"""A database of VoIPbin's service is taken over: with all rows, or not at all and with the reasons."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from ringback import cli, server
from ringback.app import assemble
from ringback.databases import opened
from ringback.kit.errors import CannotStart
from ringback.migrations import commands
from ringback.migrations.ddl import RULES
from ringback.migrations.foreign import key_of
from ringback.registrar import secrets
from tests.foreign import (
    BASE,
    CREATED,
    NEVER,
    PASSWORD,
    TABLES,
    TRUNK_BASE,
    Foreign,
    meta,
    refusal,
    settings,
    upgrade,
)
from tests.house import ROOT
from tests.test_migrations import shape_of
from tests.world import MakeWorld

pytestmark = pytest.mark.long

HASH = "a3f8b2c1d4e5"
OTHER = "0123456789ab"
DELETED = "2026-02-12 10:00:00.000001"
COLUMNS = "direct_id binary(16), direct_hash varchar(255), tm_create"
WITH_DIRECT = TABLES["registrar_extensions"].replace("tm_create", COLUMNS)
DOMAINS = (
    "customer_id binary(16) primary key, domain_label varchar(64), realm varchar(255), tm_create datetime(6), "
    "tm_update datetime(6)"
)
PS_AUTHS = (
    "id varchar(40) NOT NULL primary key, auth_type check(auth_type in ('md5', 'userpass', 'google_oauth')), "
    "nonce_lifetime int(11), md5_cred varchar(40), password varchar(80), realm varchar(40), username varchar(40), "
    "refresh_token varchar(255)"
)

MakeForeign = Callable[..., Foreign]


@pytest.fixture
def make_foreign(tmp_path: Path) -> MakeForeign:
    return lambda **tables: Foreign(tmp_path / "foreign.db", **tables)


@pytest.fixture
def foreign(make_foreign: MakeForeign) -> Foreign:
    return make_foreign()


def hashes(foreign: Foreign) -> dict[str, str | None]:
    """Every hash ever issued, and when it was revoked."""
    return {row["hash"]: row["tm_revoke"] for row in foreign.sql("SELECT * FROM registrar_direct_hashes")}


@pytest.mark.contract("registrar R-83")
def test_the_schema_of_the_design_documents_becomes_ours_and_keeps_what_else_it_has(
    foreign: Foreign, template: Path
) -> None:
    foreign.sql("ALTER TABLE registrar_extensions ADD COLUMN colour text")
    before = shape_of(foreign.path)
    upgrade(foreign)
    after, ours = shape_of(foreign.path), shape_of(template)

    had, has, ours_are = (shape.pop("indexes") for shape in (before, after, ours))
    names = {index[0] for index in had} - {"idx_registrar_directs_extension_id"}
    assert {index[0] for index in has} == names | {index[0] for index in ours_are}
    assert {index for index in ours_are if str(index[0]).startswith("ux_")} <= set(has)
    for table, columns in before.items():
        assert set(columns) <= set(after[table]), table
    for table, columns in ours.items():
        assert {name for name, *_ in columns} <= {name for name, *_ in after[table]}, table


@pytest.mark.contract("registrar R-83")
def test_passwords_in_clear_are_kept_and_the_mode_is_written_down(foreign: Foreign) -> None:
    phone, gone, trunk = foreign.extension("1001"), foreign.extension("1002", tm_delete=DELETED), foreign.trunk("pbx")
    upgrade(foreign)

    assert meta(foreign) == {
        "secret_storage": "plaintext",
        "taken_over": "registrar_extensions,registrar_trunks,registrar_sip_auths,registrar_directs",
        "domain_name_extension": BASE,
        "domain_name_trunk": TRUNK_BASE,
    }
    for table, id in (("extensions", phone), ("extensions", gone), ("trunks", trunk)):
        row = foreign.one(f"registrar_{table}", id)
        assert (row["password"], row["ha1"], row["ha1_sha256"]) == (PASSWORD, None, None)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (NEVER, None),
        ("9999-01-01T00:00:00.000000Z", None),
        ("9999-01-01 00:00:00+00:00", None),
        (DELETED, DELETED),
        ("2026-02-12T10:00:00.000001Z", DELETED),
        ("2026-02-12 12:00:00.000001+02:00", DELETED),
        ("2026-02-12 10:00:00+00:00", "2026-02-12 10:00:00.000000"),
        (None, None),
    ],
)
def test_a_time_is_spelt_our_way_and_the_year_9999_is_none(foreign: Foreign, written: str, kept: str | None) -> None:
    phone = foreign.extension("1001", tm_delete=written, tm_update=written)
    direct = foreign.direct(phone, HASH, tm_delete=written)
    trunk = foreign.trunk("pbx", tm_delete=written)
    edge = foreign.credential(uuid4(), tm_update=written, realm="r", username="u")
    upgrade(foreign)

    for table, id in (("extensions", phone), ("trunks", trunk), ("directs", direct)):
        row = foreign.one(f"registrar_{table}", id)
        assert (row["tm_create"], row["tm_delete"]) == (CREATED, kept), table
    assert foreign.one("registrar_extensions", phone)["tm_update"] == kept
    assert foreign.one("registrar_sip_auths", edge)["tm_update"] == kept
    assert hashes(foreign) == {HASH: kept}


@pytest.mark.contract("registrar R-83")
def test_hashes_become_bare_and_every_one_counts_as_issued(foreign: Foreign) -> None:
    live = foreign.direct(foreign.extension("1001"), f"direct.{HASH.upper()}")
    dead = foreign.direct(foreign.extension("1002"), OTHER, tm_delete=DELETED)
    upgrade(foreign)

    assert [foreign.one("registrar_directs", id)["hash"] for id in (live, dead)] == [HASH, OTHER]
    assert hashes(foreign) == {HASH: None, OTHER: DELETED}


@pytest.mark.contract("registrar R-83")
def test_what_the_edge_did_not_know_is_told_to_it(foreign: Foreign) -> None:
    phone, trunk, known = foreign.extension("1001"), foreign.trunk("pbx"), foreign.extension("1002")
    foreign.extension("1003", tm_delete=DELETED)
    foreign.credential(known, realm="as it was", username="1002", password="as it was")
    upgrade(foreign)

    rows = {UUID(bytes=row.pop("id")): row for row in foreign.sql("SELECT * FROM registrar_sip_auths")}
    assert rows.keys() == {phone, trunk, known}
    assert rows[known]["realm"] == rows[known]["password"] == "as it was"
    assert rows[phone] == {
        "reference_type": "extension",
        "auth_types": '["basic"]',
        "realm": f"{foreign.customer}.{BASE}",
        "username": "1001",
        "password": PASSWORD,
        "allowed_ips": "[]",
        "tm_create": CREATED,
        **dict.fromkeys(("tm_update", "ha1", "ha1_sha256")),
    }
    assert rows[trunk] == rows[phone] | {
        "reference_type": "trunk",
        "auth_types": '["basic","ip"]',
        "realm": "pbx.trunk.example.com",
        "username": "pbx01",
        "allowed_ips": '["203.0.113.7"]',
    }


@pytest.mark.parametrize("nothing", [None, "null", "", b"null", "[]"])
def test_a_list_that_is_nothing_becomes_an_empty_one(foreign: Foreign, nothing: Any) -> None:
    trunk = foreign.trunk("pbx", auth_types=nothing, allowed_ips=nothing)
    phone = foreign.credential(foreign.extension("1001"), auth_types=nothing, allowed_ips=nothing)
    other = foreign.credential(trunk, auth_types=nothing, allowed_ips=nothing, reference_type="trunk")
    upgrade(foreign)

    def lists(table: str, id: UUID) -> tuple[str, str]:
        row = foreign.one(table, id)
        return row["auth_types"], row["allowed_ips"]

    assert lists("registrar_trunks", trunk) == ("[]", "[]")
    assert lists("registrar_sip_auths", phone) == ('["basic"]', "[]")
    assert lists("registrar_sip_auths", other) == ("[]", "[]")


@pytest.mark.contract("registrar R-83")
def test_duplicates_stop_it_and_every_one_is_named(foreign: Foreign) -> None:
    numbers = [foreign.extension("Desk", username="a"), foreign.extension("desk", username="b")]
    users = [foreign.extension("1001", username="same"), foreign.extension("1002", username="same")]
    trunks = [foreign.trunk("pbx", username="a", tm_delete=NEVER), foreign.trunk("PBX", username="b")]
    edge = [foreign.credential(uuid4(), realm="r", username="u") for _ in range(3)]
    directs = [foreign.direct(users[0], f"direct.{HASH}"), foreign.direct(users[1], HASH, tm_delete=DELETED)]
    foreign.extension("desk", username="c", tm_delete=DELETED)
    foreign.extension("desk", username="a", customer_id=uuid4())

    def ids(some: list[UUID]) -> str:
        return ", ".join(str(id) for id in some)

    realm = f"{foreign.customer}.{BASE}"
    first, *lines = refusal(foreign)
    assert first == "this database cannot be taken over, no row was changed:"
    assert {line.strip() for line in lines} == {
        f"registrar_extensions: customer_id {foreign.customer}, extension Desk in more than one row: {ids(numbers)}",
        f"registrar_extensions: customer_id {foreign.customer}, username same in more than one row: {ids(users)}",
        f"registrar_trunks: domain_name pbx in more than one row: {ids(trunks)}",
        f"registrar_sip_auths: realm r, username u in more than one row: {ids(edge)}",
        f"registrar_sip_auths: realm {realm}, username same in more than one row: {ids(users)}",
        f"registrar_directs: hash {HASH[:4]}… in more than one row: {ids(directs)}",
    }


def test_the_command_says_why_and_exits_2(foreign: Foreign, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [foreign.extension("1001", username=name) for name in ("a", "b")]
    dsns = [word for name in ("bin", "asterisk") for word in (f"--database_dsn_{name}", f"sqlite:///{foreign.path}")]
    before = foreign.dump()
    with pytest.raises(SystemExit) as ended:
        cli.main(["db", "upgrade", *dsns, "--ringback_home", str(foreign.path.parent)])

    said = capsys.readouterr().err
    assert foreign.dump() == before
    assert ended.value.code == 2
    assert said.startswith(
        "ringback: this database cannot be taken over, no row was changed:\n  registrar_extensions: "
    )
    assert all(str(id) in said for id in ids)


def test_rows_that_cannot_be_read_or_lack_something_stop_it(foreign: Foreign) -> None:
    bad = foreign.extension("1001", tm_delete="yesterday")
    trunk = foreign.trunk("pbx", allowed_ips="203.0.113.7")
    other = foreign.trunk("pbx2", auth_types=json.dumps({"basic": True}))
    bare = foreign.extension("1002", realm="", endpoint_id=None, username=None)
    direct = foreign.direct(bare, "", tm_create=None)
    foreign.extension("1003", realm=None, username=None, tm_delete=DELETED)
    foreign.sql("INSERT INTO registrar_directs (id, hash) VALUES ('not bytes', 'x')")

    assert {line.strip() for line in refusal(foreign)[1:]} == {
        f"registrar_extensions: row {bad.hex}: tm_delete is not a time",
        f"registrar_trunks: row {trunk.hex}: allowed_ips is not JSON",
        f"registrar_trunks: row {other.hex}: auth_types is not a list",
        f"registrar_extensions: row {bare} is live and has no username, realm",
        f"registrar_directs: row {direct} is live and has no hash, tm_create",
        "registrar_directs: row not bytes: id is not 16 bytes",
    }


def test_a_realm_that_only_the_endpoint_tells_is_written_down(foreign: Foreign) -> None:
    phone = foreign.extension("1001", realm=None)
    upgrade(foreign)

    realm = f"{foreign.customer}.{BASE}"
    assert foreign.one("registrar_extensions", phone)["realm"] == realm
    assert foreign.one("registrar_sip_auths", phone)["realm"] == realm


def test_a_rule_over_deleted_rows_is_dropped_or_if_that_cannot_be_said(make_foreign: MakeForeign) -> None:
    fixed = TABLES["registrar_directs"].replace("extension_id binary(16)", "extension_id binary(16) UNIQUE")
    foreign = make_foreign(registrar_directs=fixed)
    foreign.sql("CREATE UNIQUE INDEX whole ON registrar_extensions(customer_id, extension)")
    foreign.sql("CREATE UNIQUE INDEX live ON registrar_extensions(customer_id, extension) WHERE tm_delete IS NULL")

    (line,) = refusal(foreign)[1:]
    assert "registrar_directs: the table's own UNIQUE (extension_id) holds for deleted rows too" in line

    foreign.sql("DROP TABLE registrar_directs")
    upgrade(foreign)

    names = {row["name"] for row in foreign.sql("SELECT name FROM sqlite_master")}
    assert names & {"whole", "live"} == {"live"}


async def test_an_empty_schema_of_theirs_serves_in_the_default_mode(foreign: Foreign, make_world: MakeWorld) -> None:
    upgrade(foreign)
    assert "secret_storage" not in meta(foreign)

    world = make_world(database=foreign.path)
    made = await world.create(direct=True)
    for direct in (False, True):
        changed = await world.rpc("PUT", f"/v1/extensions/{made['id']}", {"direct": direct})
        assert changed.status_code == 200
    found = await world.rpc("GET", f"/v1/extension-directs?hash={changed.data['direct_hash']}")

    assert found.data["extension_id"] == made["id"]
    assert foreign.one("registrar_extensions", UUID(made["id"]))["password"] is None


def test_where_no_password_is_in_clear_a_blank_one_becomes_null(foreign: Foreign) -> None:
    trunk = foreign.trunk("pbx", password="", username="", auth_types='["ip"]')
    upgrade(foreign)

    assert foreign.one("registrar_trunks", trunk)["password"] is None
    assert foreign.one("registrar_sip_auths", trunk)["password"] is None
    assert "secret_storage" not in meta(foreign)


def test_direct_columns_of_extensions_follow_the_live_direct(make_foreign: MakeForeign) -> None:
    foreign = make_foreign(registrar_extensions=WITH_DIRECT)
    phone, other = (foreign.extension(number, direct_hash=None) for number in ("1001", "1002"))
    first = foreign.direct(phone, f"direct.{HASH}")
    upgrade(foreign)

    def told(id: UUID = phone) -> tuple[UUID | None, str | None]:
        row = foreign.one("registrar_extensions", id)
        return row["direct_id"] and UUID(bytes=row["direct_id"]), row["direct_hash"]

    assert (told(), told(other)) == ((first, HASH), (None, None))
    foreign.sql("UPDATE registrar_directs SET hash = ?", OTHER)
    assert told() == (first, OTHER)
    foreign.sql("UPDATE registrar_directs SET tm_delete = ?", DELETED)
    assert told() == (None, None)
    second = foreign.direct(phone, HASH)
    assert (told(), told(other)) == ((second, HASH), (None, None))
    foreign.sql("DELETE FROM registrar_directs WHERE id = ?", second.bytes)
    assert told() == (None, None)


def test_directs_that_only_the_extensions_tell_of_are_written_down(make_foreign: MakeForeign) -> None:
    foreign = make_foreign(registrar_extensions=WITH_DIRECT, registrar_directs=None)
    id = uuid4()
    phone = foreign.extension("1001", direct_id=id, direct_hash=f"direct.{HASH}")
    foreign.extension("1002", direct_id=UUID(int=0), direct_hash="")
    foreign.extension("1003", direct_id=UUID(int=0), direct_hash=OTHER, tm_delete=DELETED)
    foreign.extension("1004", direct_id=None, direct_hash="feedfacecafe")
    upgrade(foreign)

    row = foreign.one("registrar_directs", id)
    assert (row["extension_id"], row["customer_id"], row["hash"]) == (phone.bytes, foreign.customer.bytes, HASH)
    assert hashes(foreign) == {HASH: None, OTHER: DELETED, "feedfacecafe": None}
    assert UUID(int=0).bytes not in [row["id"] for row in foreign.sql("SELECT id FROM registrar_directs")]
    assert foreign.one("registrar_extensions", phone)["direct_hash"] == HASH


def test_domains_of_customers_are_kept(make_foreign: MakeForeign) -> None:
    foreign = make_foreign(registrar_customer_domains=DOMAINS)
    foreign.sql(
        "INSERT INTO registrar_customer_domains VALUES (?, 'ab12', 'ab12.reg.example.com', ?, ?)",
        *(foreign.customer.bytes, CREATED, NEVER),
    )
    upgrade(foreign)

    assert foreign.sql("SELECT * FROM registrar_customer_domains") == [
        {
            "customer_id": foreign.customer.bytes,
            "domain_label": "ab12",
            "realm": "ab12.reg.example.com",
            "tm_create": CREATED,
            "tm_update": None,
        }
    ]


def test_tables_of_asterisk_get_the_columns_that_they_lack(make_foreign: MakeForeign) -> None:
    foreign = make_foreign(ps_auths=PS_AUTHS)
    foreign.sql("INSERT INTO ps_auths (id, auth_type, refresh_token) VALUES ('1001@r', 'userpass', 'x')")
    upgrade(foreign)

    (row,) = foreign.sql("SELECT * FROM ps_auths")
    assert (row["refresh_token"], row["password_digest"]) == ("x", None)
    before = foreign.dump()
    told = "^tables of this database were made by another service, so there is no way down; "
    with pytest.raises(CannotStart, match=told):
        commands.downgrade("asterisk", foreign.url, "base")
    assert foreign.dump() == before


def test_what_was_taken_over_is_not_taken_down(foreign: Foreign) -> None:
    foreign.extension("1001")
    upgrade(foreign)
    before = foreign.dump()

    for revision in ("-1", "base"):
        with pytest.raises(CannotStart, match=r"made by another service.*docs/takeover\.md"):
            commands.downgrade("bin", foreign.url, revision)
        assert foreign.dump() == before


def test_their_own_version_table_is_left_alone(foreign: Foreign) -> None:
    foreign.sql("CREATE TABLE alembic_version (version_num varchar(32) primary key)")
    foreign.sql("INSERT INTO alembic_version VALUES ('e1f2a3b4c5d6')")
    upgrade(foreign)

    assert foreign.sql("SELECT * FROM alembic_version") == [{"version_num": "e1f2a3b4c5d6"}]
    assert commands.is_current("bin", foreign.url)


def test_our_rules_hold_for_whoever_writes(foreign: Foreign) -> None:
    phone = foreign.extension("Desk")
    upgrade(foreign)

    with pytest.raises(sqlite3.IntegrityError, match="ux_registrar_extensions_number"):
        foreign.extension("desk", username="other")
    foreign.sql("UPDATE registrar_extensions SET tm_delete = ? WHERE id = ?", DELETED, phone.bytes)
    assert foreign.extension("desk")


@pytest.mark.contract("registrar R-83")
async def test_old_hashes_resolve_and_a_direct_can_be_enabled_again(foreign: Foreign, make_world: MakeWorld) -> None:
    listed, silent = foreign.extension("1001"), foreign.extension("1002")
    foreign.direct(listed, f"direct.{HASH}", tm_delete=NEVER)
    foreign.direct(silent, OTHER, tm_delete=DELETED)
    upgrade(foreign)
    world = make_world(database=foreign.path, secret_storage="plaintext", domain_name_extension=BASE)

    async def found(hash: str) -> list[Any]:
        """What both lookups say: the extension's id, or the code."""
        direct = await world.rpc("GET", f"/v1/extension-directs?hash={hash}")
        extension = await world.rpc("GET", f"/v1/extensions/by-direct-hash/{hash}")
        return [
            reply.data[name] if reply.status_code == 200 else reply.status_code
            for reply, name in ((direct, "extension_id"), (extension, "id"))
        ]

    for spelling in (HASH, f"direct.{HASH}", HASH.upper()):
        assert await found(spelling) == [str(listed), str(listed)]
    assert await found(OTHER) == [404, 404]

    world.hashes = [OTHER, HASH, "feedfacecafe", "feedfacebeef"]
    for direct, hash in ((True, "feedfacecafe"), (False, ""), (True, "feedfacebeef")):
        reply = await world.rpc("PUT", f"/v1/extensions/{silent}", {"direct": direct})
        assert (reply.status_code, reply.data["direct_hash"]) == (200, hash)
    assert await found("feedfacebeef") == [str(silent), str(silent)]
    assert [await found(hash) for hash in (OTHER, "feedfacecafe")] == [[404, 404]] * 2
    assert len(foreign.sql("SELECT 1 FROM registrar_directs WHERE extension_id = ?", silent.bytes)) == 3


@pytest.mark.contract("registrar R-83")
async def test_a_start_in_the_default_mode_ends_with_one_line_that_names_both_ways_out(foreign: Foreign) -> None:
    foreign.extension("1001")

    with pytest.raises(CannotStart) as refused:
        async with server.running(settings(foreign)):
            pytest.fail("it has started")

    line = str(refused.value)
    assert "\n" not in line
    assert "secret_storage=plaintext" in line
    assert "registrar-control secrets migrate" in line


async def test_phones_that_were_taken_over_are_told_to_asterisk(foreign: Foreign, make_world: MakeWorld) -> None:
    foreign.extension("1001", username="desk")
    foreign.extension("1002", tm_delete=DELETED)
    upgrade(foreign)
    world = make_world(database=foreign.path, secret_storage="plaintext", domain_name_extension=BASE)
    await world.ringback.reconciler.once()

    (auth,) = foreign.sql("SELECT * FROM ps_auths")
    name = f"1001@{foreign.customer}.{BASE}"
    assert (auth["id"], auth["username"], auth["password"]) == (name, "desk", PASSWORD)
    assert (auth["auth_type"], auth["md5_cred"]) == ("userpass", None)
    assert [row["id"] for row in foreign.sql("SELECT id FROM ps_endpoints")] == [name]
    assert (await world.ringback.reconciler.once()).due == []


async def test_after_secrets_migrate_it_serves_in_the_default_mode(foreign: Foreign) -> None:
    phone, trunk = foreign.extension("1001"), foreign.trunk("pbx")
    foreign.extension("1002", tm_delete=DELETED)
    upgrade(foreign)
    plaintext = settings(foreign, secret_storage="plaintext")
    async with opened(plaintext) as found:
        await secrets.migrate(assemble(plaintext, found).work)

    async with server.running(settings(foreign)):
        pass
    assert meta(foreign)["secret_storage"] == "digest"
    assert PASSWORD not in str(foreign.dump())
    assert PASSWORD.encode() not in foreign.path.read_bytes()
    for table, id in (("registrar_extensions", phone), ("registrar_trunks", trunk), ("registrar_sip_auths", phone)):
        assert foreign.one(table, id)["ha1"]


def test_the_page_names_the_columns_without_which_a_table_is_another_one() -> None:
    page = " ".join((ROOT / "docs/takeover.md").read_text().split())
    told: dict[str, list[str]] = {}
    for rule in RULES:
        told[rule.table] = list(dict.fromkeys([*told.get(rule.table, [key_of(rule.table)]), *rule.columns]))

    for name, columns in told.items():
        assert f"of `{name}` {', '.join(f'`{column}`' for column in columns)}" in page
