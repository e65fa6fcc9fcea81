"""Values that another service's tables may hold and ours may not: the row is named, the value is not."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from ringback import cli
from tests.foreign import BASE, CREATED, PASSWORD, Foreign, meta, refusal, upgrade
from tests.world import MakeWorld

pytestmark = pytest.mark.long

LATIN = f"{PASSWORD}é".encode("latin-1")
DELETED = "2026-02-12 10:00:00.000001"
ADDRESS = "is not an IP address or a CIDR of a prefix length above 0"


@pytest.fixture
def foreign(tmp_path: Path) -> Foreign:
    return Foreign(tmp_path / "foreign.db")


def as_text(foreign: Foreign, table: str, column: str, value: bytes, id: UUID) -> None:
    """Write bytes where text belongs, as text."""
    foreign.sql(f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE id = ?", value, id.bytes)


def test_text_that_is_not_utf_8_is_named_by_its_row_and_never_shown(
    foreign: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    phone, trunk, gone = foreign.extension("1001"), foreign.trunk("pbx"), foreign.extension("1002", tm_delete=DELETED)
    edge = foreign.credential(phone, realm="r", username="u")
    rows = [
        ("registrar_extensions", "password", phone),
        ("registrar_trunks", "detail", trunk),
        ("registrar_extensions", "password", gone),
        ("registrar_sip_auths", "password", edge),
    ]
    for table, column, id in rows:
        as_text(foreign, table, column, LATIN, id)
    before = foreign.dump()
    dsns = [word for name in ("bin", "asterisk") for word in (f"--database_dsn_{name}", f"sqlite:///{foreign.path}")]
    with pytest.raises(SystemExit) as ended:
        cli.main(["db", "upgrade", *dsns, "--ringback_home", str(foreign.path.parent)])

    said = capsys.readouterr()
    assert ended.value.code == 2
    assert {line.strip() for line in said.err.splitlines()[1:]} == {
        f"{table}: row {id.hex}: {column} is not UTF-8" for table, column, id in rows
    }
    assert PASSWORD not in said.err + said.out
    assert foreign.dump() == before


def test_text_in_columns_that_are_not_ours_may_be_anything(foreign: Foreign) -> None:
    foreign.sql("ALTER TABLE registrar_extensions ADD COLUMN colour text")
    phone = foreign.extension("1001")
    as_text(foreign, "registrar_extensions", "colour", LATIN, phone)
    upgrade(foreign)

    (row,) = foreign.sql("SELECT CAST(colour AS BLOB) AS colour FROM registrar_extensions")
    assert row["colour"] == LATIN


@pytest.mark.parametrize("value", [20260211, 1.5, b"2026-02-11 09:30:00", "0001-01-01T00:00:00+05:00", "0000-00-00"])
def test_what_is_no_time_is_named(foreign: Foreign, value: Any) -> None:
    phone = foreign.extension("1001", tm_create=value)
    direct = foreign.direct(foreign.extension("1002"), "a3f8b2c1d4e5", tm_update=value)

    assert refusal(foreign)[1:] == [
        f"registrar_extensions: row {phone.hex}: tm_create is not a time",
        f"registrar_directs: row {direct.hex}: tm_update is not a time",
    ]


def test_what_is_no_text_and_what_is_no_id_is_named(foreign: Foreign) -> None:
    phone = foreign.extension("1001", password=PASSWORD.encode())
    foreign.sql("INSERT INTO registrar_trunks (domain_name, tm_create) VALUES ('pbx', ?)", CREATED)

    assert refusal(foreign)[1:] == [
        f"registrar_extensions: row {phone.hex}: password is not text",
        "registrar_trunks: row None: id is not 16 bytes",
    ]


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("allowed_ips", 5, "allowed_ips is not a list"),
        ("allowed_ips", 0, "allowed_ips is not a list"),
        ("allowed_ips", "5", "allowed_ips is not a list"),
        ("allowed_ips", "[" * 100_000, "allowed_ips is not JSON"),
        ("allowed_ips", b'["\xff"]', "allowed_ips is not JSON"),
        ("allowed_ips", '[1, "203.0.113.7"]', f"allowed_ips[0] {ADDRESS}"),
        ("allowed_ips", '["203.0.113.7", {"a": 1}]', f"allowed_ips[1] {ADDRESS}"),
        ("allowed_ips", '["203.0.113.7", "198.51.100.0/28", "0.0.0.0/0"]', f"allowed_ips[2] {ADDRESS}"),
        ("auth_types", 5, "auth_types is not a list"),
        ("auth_types", '["ip", "x"]', "auth_types[1] is not basic or ip"),
        ("auth_types", '[["ip"]]', "auth_types[0] is not basic or ip"),
    ],
)
def test_lists_and_their_items_must_be_such_as_we_would_take(
    foreign: Foreign, column: str, value: Any, fault: str
) -> None:
    trunk = foreign.trunk("pbx", **{column: value})
    edge = foreign.credential(uuid4(), **{column: value})

    assert refusal(foreign)[1:] == [
        f"registrar_trunks: row {trunk.hex}: {fault}",
        f"registrar_sip_auths: row {edge.hex}: {fault}",
    ]


def test_all_that_is_wrong_with_a_row_is_told_at_once_with_what_stands_twice(foreign: Foreign) -> None:
    first = foreign.trunk("pbx")
    trunk = foreign.trunk("PBX", auth_types='["ip", "weird"]', allowed_ips='[1, "0.0.0.0/0"]')

    told = refusal(foreign)[1:]

    assert told[:3] == [
        f"registrar_trunks: row {trunk.hex}: auth_types[1] is not basic or ip",
        f"registrar_trunks: row {trunk.hex}: allowed_ips[0] {ADDRESS}",
        f"registrar_trunks: row {trunk.hex}: allowed_ips[1] {ADDRESS}",
    ]
    assert any(str(first) in line and str(trunk) in line for line in told[3:]), told


def test_items_of_deleted_trunks_and_of_credentials_that_are_not_ours_are_left_alone(foreign: Foreign) -> None:
    items = json.dumps([1, "0.0.0.0/0"])
    trunk = foreign.trunk("pbx", allowed_ips=items, auth_types=items, tm_delete=DELETED)
    edge = foreign.credential(uuid4(), allowed_ips=items, auth_types=items, reference_type="provider")
    upgrade(foreign)

    for table, id in (("registrar_trunks", trunk), ("registrar_sip_auths", edge)):
        row = foreign.one(table, id)
        assert json.loads(row["allowed_ips"]) == json.loads(row["auth_types"]) == [1, "0.0.0.0/0"]


@pytest.mark.parametrize("nothing", [None, ""])
async def test_a_missing_domain_name_is_the_label_of_the_realm(
    foreign: Foreign, make_world: MakeWorld, nothing: str | None
) -> None:
    phone, other = foreign.extension("1001", domain_name=nothing), foreign.extension("1002", domain_name="as it was")
    upgrade(foreign)
    world = make_world(database=foreign.path, secret_storage="plaintext", domain_name_extension=BASE)
    shown = [await world.rpc("GET", f"/v1/extensions/{id}") for id in (phone, other)]

    assert [reply.data["domain_name"] for reply in shown] == [str(foreign.customer), "as it was"]
    assert meta(foreign)["domain_name_extension"] == BASE


def test_a_number_that_asterisk_takes_for_something_else_is_named(foreign: Foreign) -> None:
    bad = [foreign.extension(number) for number in ("Anonymous", "direct.7c09e1b4d2f8")]
    for number in ("anonymous1", "direct", "1001"):
        foreign.extension(number)
    foreign.extension("anonymous", tm_delete=DELETED)

    lines = refusal(foreign)

    assert [line for line in lines if "may have the number" in line] == [
        f"registrar_extensions: row {id}: no extension may have the number {number}"
        for id, number in zip(bad, ("Anonymous", "direct.7c09e1b4d2f8"), strict=True)
    ]
