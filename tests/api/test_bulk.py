"""Imports and exports over REST."""

import codecs
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from ringback.kit.db import Statement
from ringback.kit.rows import Row
from ringback.migrations import commands
from ringback.registrar.extensions.model import NumberTaken
from ringback.registrar.imports import service as imports
from ringback.registrar.imports.judge import ImportQuery
from ringback.registrar.imports.tables import imports as table
from ringback.registrar.realms.model import Status
from tests.world import PASSWORD, World

pytestmark = pytest.mark.long

PHONES = "/v1.0/extensions:import"
TRUNKS = "/v1.0/trunks:import"


async def sent(http: httpx.AsyncClient, file: Any, place: str = PHONES, **query: Any) -> httpx.Response:
    """The answer to a CSV."""
    return await http.post(place, content=file, params=query, headers={"content-type": "text/csv"})


def numbered(rows: int, *wrong: int) -> str:
    """A CSV of that many phones, of which those are wrong."""
    lines = (f"{10000 + row},{PASSWORD}" if row not in wrong else f"no number,{PASSWORD}" for row in range(rows))
    return "\r\n".join(["extension,password", *lines, ""])


def live(world: World) -> int:
    return int(world.sql("SELECT count(*) AS n FROM registrar_extensions WHERE tm_delete IS NULL")[0]["n"])


def counts(answer: httpx.Response) -> tuple[int, ...]:
    assert answer.status_code == 200, answer.text
    return tuple(answer.json()[name] for name in ("created", "updated", "unchanged", "skipped", "failed"))


def faults(answer: httpx.Response) -> list[tuple[int, str]]:
    """(line, field) of each fault, whether nothing was done or all else was."""
    said = answer.json()
    found = said["faults"] if answer.status_code == 200 else said["error"]["details"]
    return [(one["line"], one["field"]) for one in found]


def more_than_together(world: World) -> int:
    """Rows that one transaction and a half make."""
    return world.ringback.database.together * 3 // 2


def rows_of(file: bytes, media: str) -> list[str]:
    return [str(row) for row in (file.decode().splitlines() if media == "text/csv" else msgspec.json.decode(file))]


def settled(world: World) -> None:
    """Nothing of an import is left to be done."""
    assert world.sql("SELECT * FROM registrar_imports") == []
    assert world.sql("SELECT * FROM registrar_import_parts") == []


async def test_a_file_of_a_spreadsheet_makes_phones_that_can_register(http: httpx.AsyncClient, world: World) -> None:
    file = (
        codecs.BOM_UTF8
        + 'Name;Extension ;"Direct";PASSWORD\r\n"O""Brien; Zoë";2001;yes;\r\n\r\n洗手間;2002;;Pass-Word-1\r\n'.encode()
    )

    answer = await sent(http, file)

    assert counts(answer) == (2, 0, 0, 0, 0)
    (made,) = answer.json()["passwords"]
    assert (made["line"], made["name"], len(made["password"])) == (2, "2001", 24)
    shown = {one["extension"]: one for one in (await http.get("/v1.0/extensions")).json()["result"]}
    assert {number: one["name"] for number, one in shown.items()} == {"2001": 'O"Brien; Zoë', "2002": "洗手間"}
    assert shown["2001"]["id"] == made["id"]
    assert [bool(shown[number]["direct_hash"]) for number in ("2001", "2002")] == [True, False]
    assert len(world.sql("SELECT id FROM ps_auths")) == 2
    assert [type for type, _ in world.events()].count("extension_created") == 2
    settled(world)


async def test_an_imported_phone_is_what_a_single_create_makes(http: httpx.AsyncClient, world: World) -> None:
    await http.post("/v1.0/extensions", json={"extension": "1001", "password": PASSWORD, "name": "one"})
    before = world.everything()
    await http.delete(f"/v1.0/extensions/{(await http.get('/v1.0/extensions')).json()['result'][0]['id']}")

    assert counts(await sent(http, f"extension,password,name\n1001,{PASSWORD},one\n")) == (1, 0, 0, 0, 0)

    after = world.everything()
    for name in ("ps_endpoints", "ps_aors", "ps_auths"):
        assert after[name] == before[name], name
    (was,), (is_now,) = before["registrar_sip_auths"], after["registrar_sip_auths"]
    assert (was["username"], was["realm"], was["ha1"]) == (is_now["username"], is_now["realm"], is_now["ha1"])


@pytest.mark.parametrize("mode", ["all_or_nothing", "row_by_row"])
async def test_of_a_row_whose_password_was_made_nothing_else_is_held(world: World, mode: Any) -> None:
    async def rows() -> AsyncIterator[Row]:
        for number in range(1, 151):
            yield Row(number, {"extension": f"10{number}", "name": "Bartholomew"})

    outcome = await imports.take(world.ringback.work, world.customer, "extension", rows(), ImportQuery(mode=mode))

    assert len(outcome.passwords) == live(world) == 150
    assert "Bartholomew" not in repr(outcome)


@pytest.mark.parametrize("query", [{}, {"dry_run": "true"}, {"dry_run": "true", "mode": "row_by_row"}])
async def test_ten_thousand_rows_of_which_three_are_wrong_name_those_three(
    http: httpx.AsyncClient, world: World, query: dict[str, str]
) -> None:
    file = codecs.BOM_UTF8 + numbered(10_000, 0, 4321, 9999).encode()

    answer = await sent(http, file, **query)

    assert answer.status_code == (200 if query else 400)
    assert faults(answer) == [(2, "extension"), (4323, "extension"), (10001, "extension")]
    assert live(world) == 0
    assert world.events() == []
    settled(world)


@pytest.mark.long
@pytest.mark.sqlite
async def test_ten_thousand_phones_come_in_at_once(http: httpx.AsyncClient, world: World) -> None:
    together: list[int] = [0]

    def said(sql: str) -> None:
        together[-1] += sql.startswith("INSERT")
        if sql == "COMMIT":
            together.append(0)

    world.ringback.database.writer.set_trace_callback(said)  # type: ignore[attr-defined]

    answer = await sent(http, numbered(10_000))

    assert counts(answer) == (10_000, 0, 0, 0, 0)
    assert 100 < max(together) < 1000, "one transaction does too much"
    assert live(world) == 10_000
    assert counts(await sent(http, numbered(10_000))) == (0, 0, 10_000, 0, 0)
    settled(world)


@pytest.mark.parametrize("mode", ["all_or_nothing", "row_by_row"])
async def test_a_hundred_rows_are_as_many_inserts_as_one(http: httpx.AsyncClient, world: World, mode: str) -> None:
    seen: list[str] = []
    world.before_statement = lambda statement: seen.append(repr(statement))
    said: list[list[str]] = []
    for first, count in ((1000, 1), (2000, 1), (3000, 100)):
        seen.clear()
        rows = [f"{number}" for number in range(first, first + count)]
        assert counts(await sent(http, "\n".join(["extension", *rows]), mode=mode))[0] == count
        writes = [text for text in seen if not text.startswith(("SELECT", "UPDATE"))]  # others look around as well
        said.append([text for text in writes if "registrar_stale_keys" not in text])  # 500 names fill a note of these

    assert said[1] == said[2]


@pytest.mark.parametrize("mode", ["all_or_nothing", "row_by_row"])
async def test_a_transaction_makes_as_many_rows_as_the_database_takes_at_once(
    http: httpx.AsyncClient, world: World, mode: str
) -> None:
    together = world.ringback.database.together
    seen: list[str] = []
    world.before_statement = lambda statement: seen.append(repr(statement))

    rows = [f"{number}" for number in range(10_000, 10_000 + together + 1)]
    assert counts(await sent(http, "\n".join(["extension", *rows]), mode=mode))[0] == together + 1

    assert sum(text.startswith("INSERT") and "registrar_extensions" in text for text in seen) == 2


async def test_a_dry_run_writes_nothing_and_says_all_that_is_wrong(http: httpx.AsyncClient, world: World) -> None:
    await world.create("1001")
    file = "extension,username,password,direct\n1001,,other-pass-1,\n!,_/,short,maybe\n2001,,,\n2001,,,\n3001,2001,,\n"
    before = world.everything()

    answer = await sent(http, file, dry_run="true")

    assert faults(answer) == [
        (2, "extension"), (3, "extension"), (3, "username"), (3, "password"), (3, "direct"), (5, "extension"),
        (6, "username"),
    ]  # fmt: skip
    assert answer.json()["passwords"] == []
    assert world.everything() == before


async def test_row_by_row_each_good_row_is_done(http: httpx.AsyncClient, world: World) -> None:
    answer = await sent(http, numbered(60, 7, 31), mode="row_by_row")

    assert counts(answer) == (58, 0, 0, 0, 2)
    assert faults(answer) == [(9, "extension"), (33, "extension")]
    assert live(world) == 58


@pytest.mark.parametrize("mode", ["all_or_nothing", "row_by_row"])
async def test_a_file_that_is_sent_again_changes_nothing(http: httpx.AsyncClient, world: World, mode: str) -> None:
    file = "extension,name,password,direct\n1001,Ann,,true\n1002,Bob,Sample-Pass-0002,false\n"
    await sent(http, file, mode=mode)
    before = world.everything()

    again = await sent(http, file, mode=mode)

    assert counts(again) == (0, 0, 2, 0, 0)
    assert again.json()["passwords"] == []
    assert {**world.everything(), "registrar_customers": []} == {**before, "registrar_customers": []}


@pytest.mark.parametrize("mode", ["all_or_nothing", "row_by_row"])
async def test_what_is_there_and_not_the_same_is_refused_left_or_changed(
    http: httpx.AsyncClient, world: World, mode: str
) -> None:
    made = await world.create("1001", name="Ann")
    file = "extension,name,password\n1001,Bob,Sample-Pass-0009\n1002,Eve,\n"

    refused = await sent(http, file, mode=mode, dry_run="true")
    left = await sent(http, file, mode=mode, on_conflict="skip")
    changed = await sent(http, file, mode=mode, on_conflict="update")
    again = await sent(http, file, mode=mode, on_conflict="update")

    assert faults(refused) == [(2, "extension")]
    assert "name, password" in refused.text
    assert (counts(left), counts(changed), counts(again)) == ((1, 0, 0, 1, 0), (0, 1, 1, 0, 0), (0, 0, 2, 0, 0))
    shown = (await http.get(f"/v1.0/extensions/{made['id']}")).json()
    assert shown["name"] == "Bob"
    assert [type for type, _ in world.events()] == ["extension_created", "extension_created", "extension_updated"]


async def test_a_limit_is_a_fault_of_the_rows_beyond_it(http: httpx.AsyncClient, make_world: Any) -> None:
    world: World = make_world(limit_extension_default="3")
    await world.create("1001")
    async with await world.http() as client:
        answer = await sent(client, numbered(4))
        rows = await sent(client, numbered(4), mode="row_by_row")

    assert faults(answer) == [(4, "limit_extension"), (5, "limit_extension")] == faults(rows)
    assert live(world) == 3


async def test_who_may_have_nothing_new_may_not_import(
    http: httpx.AsyncClient, operator: httpx.AsyncClient, world: World
) -> None:
    await world.set_status(Status.FROZEN)
    answer = await sent(operator, numbered(1), customer_id=str(world.customer), dry_run="true")

    assert (answer.status_code, answer.json()["error"]["reason"]) == (409, "CUSTOMER_FROZEN")


async def test_what_is_ended_or_changed_after_its_row_was_judged_is_told_as_a_fault(
    http: httpx.AsyncClient, world: World
) -> None:
    gone, many = (await world.create("10000"))["id"], more_than_together(world)
    await world.create("10001")

    async def meanwhile() -> Any:
        yield b"extension,name\n" + b"".join(b"%d,Bob\n" % number for number in range(10000, 10000 + many))
        await http.delete(f"/v1.0/extensions/{gone}")
        yield b"20000,Eve\n"

    answer = await sent(http, meanwhile(), on_conflict="update")

    assert counts(answer) == (many - 1, 1, 0, 0, 1)
    assert faults(answer) == [(2, "")]
    assert "No such extension" in answer.json()["faults"][0]["description"]
    assert live(world) == many
    settled(world)


async def test_a_password_that_was_made_for_what_fits_no_more_is_not_told(
    http: httpx.AsyncClient, world: World
) -> None:
    row = {"domain_name": "carrier-a", "auth_types": ["ip"], "allowed_ips": ["203.0.113.7"]}
    trunk = (await http.post("/v1.0/trunks", json=row)).json()["id"]
    together = world.ringback.database.together

    async def meanwhile() -> Any:
        for number in range(together + 1):
            name = f"carrier-b{number}" if number else "carrier-a"
            yield msgspec.json.encode({"domain_name": name, "auth_types": ["basic"], "username": "pbx"}) + b"\n"
        await http.delete(f"/v1.0/trunks/{trunk}")

    answer = await http.post(
        TRUNKS, content=meanwhile(), params={"on_conflict": "update"}, headers={"content-type": "application/x-ndjson"}
    )

    assert (counts(answer), faults(answer)) == ((together, 0, 0, 0, 1), [(1, "")])
    assert sorted(one["line"] for one in answer.json()["passwords"]) == list(range(2, together + 2))


@pytest.mark.parametrize(
    ("file", "line", "words"),
    [
        (b"", 1, "is empty"),
        (b"extension,secret\n", 1, "there are extension, username, password"),
        (b"name,password\n", 1, "is required in the header"),
        (b"extension,Extension\n", 1, "twice"),
        ("extension,name\n1001,Zoë\n".encode("latin-1"), 2, "UTF-8"),
        ("extension\n1001\n".encode("utf-16"), 1, "UTF-8"),
        (b'extension,name\n1001,a\n1002,"b\n1003,c\n', 3, "a quote is not closed"),
        (b'extension,name\n1001,"a"b\n', 2, "no row of CSV"),
        (b"extension,name\n1001\n", 2, "1 cells where the header has 2"),
        (b'extension,name\n1001,"a\nb"\n!,\n', 2, "no control characters"),
        (b"extension\n" + b"1" * 70_000, 2, "longer than"),
        (b"extension" + b"\n" * 300_001, 300_001, "more than 300000 lines"),
    ],
)
async def test_a_file_that_is_no_table_says_where_and_why(
    http: httpx.AsyncClient, world: World, file: bytes, line: int, words: str
) -> None:
    answer = await sent(http, file)

    error = answer.json()["error"]
    assert (answer.status_code, error["reason"]) == (400, "IMPORT_REFUSED")
    assert error["details"][0]["line"] == line
    assert words in error["details"][0]["description"]
    assert live(world) == 0
    settled(world)


async def test_json_comes_as_an_array_or_line_by_line(http: httpx.AsyncClient, world: World) -> None:
    rows = [{"extension": str(number), "name": 'a "[b]" \\ é', "password": PASSWORD} for number in range(1000, 1400)]
    array = msgspec.json.encode(rows)
    lines = b"\n".join(msgspec.json.encode(row) for row in rows)

    async def bit_by_bit(content: bytes) -> Any:
        for start in range(0, len(content), 777):
            yield content[start : start + 777]

    made = await http.post(PHONES, content=bit_by_bit(array), headers={"content-type": "application/json"})
    again = await http.post(PHONES, content=bit_by_bit(lines), headers={"content-type": "application/x-ndjson"})

    assert (counts(made), counts(again)) == ((400, 0, 0, 0, 0), (0, 0, 400, 0, 0))


@pytest.mark.parametrize(
    ("media", "file", "told"),
    [
        ("application/json", "{}", [(1, "")]),
        ("application/json", '[{"extension": "1001"}', [(2, "")]),
        (
            "application/json",
            '[{"extension": "1001"}, 7, {"extension": 1002, "x": 1}]',
            [(2, ""), (3, "extension"), (3, "x")],
        ),
        ("application/json", '[{"extension": "1001"},]', [(2, "")]),
        ("application/json", '[{"extension": NaN}]', [(1, "")]),
        ("application/json", "[] []", [(1, "")]),
        ("application/json", "[" * 70_000, [(1, "")]),
        ("application/x-ndjson", '{"extension": "1001"}\n\n{\n{"extension": ""}\n', [(3, ""), (4, "extension")]),
    ],
)
async def test_json_that_is_wrong_says_in_which_item_or_line(
    http: httpx.AsyncClient, world: World, media: str, file: str, told: list[tuple[int, str]]
) -> None:
    answer = await http.post(PHONES, content=file, headers={"content-type": media})

    assert faults(answer) == told
    assert live(world) == 0


async def test_a_body_of_another_type_or_beyond_64_mib_is_refused(http: httpx.AsyncClient, world: World) -> None:
    async def endless() -> Any:
        yield b"extension\n"
        for _ in range(65):
            yield (b"x" * 60_000 + b"\n") * 18

    other = await http.post(PHONES, content=b"x", headers={"content-type": "application/pdf"})
    large = await http.post(PHONES, content=endless(), headers={"content-type": "text/csv"})

    assert (other.status_code, large.status_code) == (415, 413)
    settled(world)


@pytest.mark.sqlite
async def test_the_row_behind_the_hundred_thousandth_is_a_fault(http: httpx.AsyncClient, world: World) -> None:
    file = "extension,password\n" + "".join(f"{row},{PASSWORD}\n" for row in range(100_001))

    answer = await sent(http, file, dry_run="true")

    assert (counts(answer), faults(answer)) == ((100_000, 0, 0, 0, 1), [(100_002, "")])


async def test_trunks_come_in_as_well(http: httpx.AsyncClient, world: World) -> None:
    lines = (
        "domain_name\tauth_types\tusername\tallowed_ips",
        "Carrier-A\tbasic ip\tpbx01\t203.0.113.7, 198.51.100.0/28",
        "carrier-b\tip\t\t203.0.113.8",
    )
    file = "\n".join(lines)

    answer = await sent(http, file, TRUNKS)
    again = await sent(http, file, TRUNKS)
    changed = await sent(http, file.replace("basic ip", "basic"), TRUNKS, on_conflict="update")

    assert (counts(answer), counts(again), counts(changed)) == ((2, 0, 0, 0, 0), (0, 0, 2, 0, 0), (0, 1, 1, 0, 0))
    assert [one["name"] for one in answer.json()["passwords"]] == ["Carrier-A"]
    (trunk,) = [one for one in (await http.get("/v1.0/trunks")).json()["result"] if one["username"]]
    assert (trunk["auth_types"], trunk["allowed_ips"]) == (["basic"], ["203.0.113.7", "198.51.100.0/28"])
    assert len(world.sql("SELECT * FROM registrar_sip_auths")) == 2


async def test_a_domain_of_another_customer_is_taken(http: httpx.AsyncClient, world: World) -> None:
    await world.create_trunk("carrier-a", customer_id=str(uuid4()))

    answer = await sent(
        http, "domain_name,auth_types,allowed_ips\ncarrier-a,ip,203.0.113.7\n", TRUNKS, on_conflict="update"
    )

    assert faults(answer) == [(2, "domain_name")]


async def test_what_was_exported_can_be_imported_by_another_customer(http: httpx.AsyncClient, world: World) -> None:
    file = 'extension,username,name,detail,direct\n1001,ann," Ann; ""A"", x",,true\n1002,,-,d,false\n'
    await sent(http, file)
    other = await world.key(uuid4())

    for form, media in (("csv", "text/csv"), ("json", "application/json")):
        given = await http.get("/v1.0/extensions:export", params={"format": form})
        assert "password" not in given.text
        async with await world.http(other) as client:
            made = await client.post(PHONES, content=given.content, headers={"content-type": media})
            assert counts(made) == ((2, 0, 0, 0, 0) if form == "csv" else (0, 0, 2, 0, 0))
            theirs = await client.get("/v1.0/extensions:export", params={"format": form})
            assert sorted(rows_of(theirs.content, media)) == sorted(rows_of(given.content, media))


async def test_an_export_has_all_pages(http: httpx.AsyncClient, world: World) -> None:
    await sent(http, numbered(1203))

    given = await http.get("/v1.0/extensions:export", params={"format": "csv"})
    rows = (await http.get("/v1.0/extensions:export")).json()

    assert given.headers["content-type"].startswith("text/csv")
    assert "extensions.csv" in given.headers["content-disposition"]
    assert given.text.count("\r\n") == 1204
    assert {row["extension"] for row in rows} == {str(10000 + row) for row in range(1203)}


async def test_passwords_are_never_clear_among_the_rows_that_wait(http: httpx.AsyncClient, world: World) -> None:
    seen: list[str] = []

    def before(statement: Statement) -> None:
        if table in statement.tables:
            seen.extend(row["data"] for row in world.sql("SELECT data FROM registrar_import_parts"))

    world.before_statement = before
    answer = await sent(http, f"extension,password\n1001,{PASSWORD}\n1002,\n")

    assert any("1002" in data for data in seen)
    assert not any(secret in data for data in seen for secret in (PASSWORD, answer.json()["passwords"][0]["password"]))


async def test_who_comes_between_judging_and_creating_has_the_number_and_nothing_of_the_file_stays(
    http: httpx.AsyncClient, world: World
) -> None:
    made = 0

    def before(statement: Statement) -> None:
        nonlocal made
        if "INSERT INTO own.registrar_extensions" not in repr(statement):
            return
        made += 1
        if made == 42:
            world.heal()
        if made in (1, 42):  # among all of them; then alone, as the 41st
            raise NumberTaken(extension="is taken")

    world.before_statement = before
    answer = await sent(http, numbered(60))

    assert (answer.status_code, faults(answer)) == (400, [(42, "extension")])
    assert live(world) == 0
    assert world.sql("SELECT * FROM ps_auths") == []
    told = [type for type, _ in world.events()]
    assert told.count("extension_created") == told.count("extension_deleted") > 0
    settled(world)


async def test_a_second_import_waits_for_the_first_to_end_which_anybody_brings_about(
    http: httpx.AsyncClient, world: World
) -> None:
    world.frozen = True
    many = await stopped(http, world)

    refused = await sent(http, numbered(1))
    single = await sent(http, numbered(1), mode="row_by_row")
    world.wait(11)
    again = await sent(http, numbered(many))

    assert {(one.status_code, one.json()["error"]["reason"]) for one in (refused, single)} == {(409, "IMPORT_RUNNING")}
    assert counts(again) == (0, 0, many, 0, 0)
    settled(world)


async def stopped(http: httpx.AsyncClient, world: World) -> int:
    """Import so many rows, and die when some are done."""
    many, made = more_than_together(world), 0

    def before(statement: Statement) -> None:
        nonlocal made
        made += "INSERT INTO own.registrar_extensions" in repr(statement)
        if made > 1:
            world.heal()
            raise SystemExit

    world.before_statement = before
    with pytest.raises(SystemExit):
        await sent(http, numbered(many))
    assert 0 < live(world) < many
    return many


async def test_an_import_that_was_cut_off_is_finished_or_forgotten(http: httpx.AsyncClient, world: World) -> None:
    world.frozen = True
    many = await stopped(http, world)
    assert not await imports.resume(world.ringback.work)
    world.wait(11)

    assert await imports.resume(world.ringback.work)

    assert live(world) == many
    settled(world)


async def test_rows_that_wait_are_done_after_the_tables_have_changed(http: httpx.AsyncClient, world: World) -> None:
    many = await stopped(http, world)
    own, _ = world.settings.databases

    parts = world.sql("SELECT * FROM registrar_import_parts")
    commands.downgrade("bin", own, "ringback_direct_owners_create_view")
    rows = world.sql("SELECT * FROM registrar_import_rows")
    commands.upgrade("bin", own)
    world.wait(11)

    assert (len(parts), len(rows), len({row["object_id"] for row in rows})) == (2, many, many)
    assert await imports.resume(world.ringback.work)
    assert live(world) == many
    settled(world)
