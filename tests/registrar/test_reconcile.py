"""SIP rows follow our own truth."""

import re
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest

from ringback.kit.db import Statement
from ringback.registrar.drift.model import Drift
from ringback.sip import edge
from ringback.sip.tables import MANAGED
from tests.registrar.test_list import insert
from tests.world import Broken, World

SIP = ("ps_aors", "ps_auths", "ps_endpoints", "registrar_sip_auths")
WRONG = {"max_contacts": 70}
GHOST = "ghost@xx.registrar.localhost"


def rows(world: World) -> dict[str, Any]:
    """The SIP rows, without the times at which they were written."""
    tables = world.everything()
    return {
        name: [{key: value for key, value in row.items() if not key.startswith("tm_")} for row in tables[name]]
        for name in (*SIP, "ps_contacts")
    }


async def passes(world: World, **more: Any) -> list[Drift]:
    return (await world.ringback.reconciler.once(**more)).due


@pytest.mark.contract("registrar R-64")
@pytest.mark.parametrize("table", SIP)
async def test_a_missing_row_comes_back_as_it_was_and_the_phone_stays_where_it_is(world: World, table: str) -> None:
    made = await world.create()
    world.register(made["endpoint_id"])
    await world.create("1002")
    before = rows(world)
    id: Any = UUID(made["id"]) if table == "registrar_sip_auths" else made["endpoint_id"]
    world.sql(f"DELETE FROM {table} WHERE id = ?", id.bytes if isinstance(id, UUID) else id)
    missing = world.everything()

    assert await passes(world, dry_run=True) == [Drift(table, id, "add")]
    assert world.everything() == missing
    assert await passes(world) == [Drift(table, id, "add")]

    assert rows(world) == before
    assert await passes(world) == []
    world.wait(100)
    assert await passes(world) == []
    assert rows(world) == before
    assert f'reconcile_actions_total{{action="add",table="{table}"}} 1.0' in world.metrics()


@pytest.mark.long
@pytest.mark.contract("registrar R-64")
@pytest.mark.parametrize(("table", "columns"), [*MANAGED.items(), ("registrar_sip_auths", edge.MANAGED)])
async def test_an_altered_managed_column_is_corrected_and_no_other_is_touched(
    world: World, table: str, columns: tuple[str, ...]
) -> None:
    await world.create()
    world.sql("UPDATE ps_endpoints SET allow = 'opus', direct_media = 'yes'")
    world.sql("UPDATE ps_aors SET qualify_frequency = 30")
    before = rows(world)
    assert await passes(world) == []

    for column in columns:
        for wrong in (
            ("7", "", None)
            if table.startswith("ps_auth") or column in ("ha1", "realm")
            else (WRONG.get(column, "[7]"),)
        ):
            if before[table][0][column] == wrong:
                continue
            try:
                world.sql(f"UPDATE {table} SET {column} = ?", wrong)
            except Exception:  # of whichever driver: there must be a value
                assert wrong is None
                continue
            altered = world.everything()
            assert [drift.action for drift in await passes(world, dry_run=True)] == ["correct"], column
            assert world.everything() == altered

            (drift,) = await passes(world)

            assert (drift.table, drift.action) == (table, "correct"), column
            assert rows(world) == before, column
    assert await passes(world) == []


@pytest.mark.contract("registrar R-64")
async def test_an_owned_row_without_extension_goes_after_its_grace_and_a_foreign_one_stays(world: World) -> None:
    world.frozen = True
    await world.create()
    before = rows(world)
    foreign = (
        "trunk-1",
        "x@pbx.example.com",
        "x@registrar.localhost",
        "x@yregistrar.localhost",
        f"{GHOST}.example.com",
    )
    strangers = {of: uuid4() for of in ("extension", "trunk", "somebody else's")}
    with world.bulk():
        for id in (GHOST, *foreign):
            for table in MANAGED:
                world.sql(f"INSERT INTO {table} (id) VALUES (?)", id)
        for of, stranger in strangers.items():
            world.sql(
                "INSERT INTO registrar_sip_auths (id, reference_type, realm, username) VALUES (?, ?, 'x', ?)",
                *(stranger.bytes, of, of),
            )
        for endpoint in (GHOST, "lost@xx.registrar.localhost", *foreign, "pbx@unknown.example.com"):
            row = (f"{endpoint};@1", "sip:x", 2_000_000_000, endpoint)
            world.sql("INSERT INTO ps_contacts (id, uri, expiration_time, endpoint) VALUES (?, ?, ?, ?)", *row)
    strewn = rows(world)

    assert await passes(world) == await passes(world, dry_run=True) == []
    world.wait(50)
    assert await passes(world) == []
    assert rows(world) == strewn
    world.wait(20)
    ghosts: set[tuple[str, str | UUID]] = {(table, GHOST) for table in MANAGED}
    ghosts |= {("registrar_sip_auths", strangers[of]) for of in ("extension", "trunk")}
    ghosts |= {("ps_contacts", "lost@xx.registrar.localhost")}
    due = await passes(world, dry_run=True)
    assert {(drift.table, drift.id) for drift in due} == ghosts
    assert {drift.action for drift in due} == {"remove"}
    assert rows(world) == strewn

    assert await passes(world) == due

    left = rows(world)
    for table in MANAGED:
        assert {row["id"] for row in left[table]} == {*foreign, before[table][0]["id"]}
    assert {row["reference_type"] for row in left["registrar_sip_auths"]} == {"extension", "somebody else's"}
    assert len(left["registrar_sip_auths"]) == 2
    assert {row["endpoint"] for row in left["ps_contacts"]} == {*foreign, "pbx@unknown.example.com"}
    assert await passes(world) == []
    assert world.everything()["registrar_strays"] == []


@pytest.mark.contract("registrar R-64")
async def test_the_grace_goes_on_over_a_restart_and_is_left_out_when_told_so(world: World) -> None:
    world.frozen = True
    world.sql("INSERT INTO ps_aors (id) VALUES (?)", GHOST)
    noted = await world.ringback.reconciler.once()
    assert (noted.due, noted.waiting) == ([], [Drift("ps_aors", GHOST, "remove")])
    world.wait(61)
    world.ringback.database.close()
    world.ringback = world.start()
    assert await passes(world, dry_run=True) == [Drift("ps_aors", GHOST, "remove")]
    world.sql("DELETE FROM registrar_strays")
    assert await passes(world, dry_run=True) == []

    assert await passes(world, no_grace=True) == [Drift("ps_aors", GHOST, "remove")]

    assert rows(world)["ps_aors"] == []


@pytest.mark.contract("registrar R-64")
async def test_a_row_that_gets_its_extension_within_the_grace_stays(world: World) -> None:
    world.frozen = True
    await world.label("xx")
    for table in MANAGED:
        world.sql(f"INSERT INTO {table} (id) VALUES (?)", GHOST)
    assert await passes(world) == []

    made = await world.create("ghost")

    world.wait(100)
    assert made["endpoint_id"] == GHOST
    assert await passes(world) == []
    assert [row["md5_cred"] is not None for row in rows(world)["ps_auths"]] == [True]


@pytest.mark.contract("registrar R-64")
async def test_a_row_that_was_gone_in_between_gets_a_new_grace(world: World) -> None:
    world.frozen = True

    def strew() -> None:
        world.sql("INSERT INTO ps_aors (id) VALUES (?)", GHOST)

    strew()
    await passes(world)
    world.sql("DELETE FROM ps_aors")
    world.wait(100)
    await passes(world)
    strew()
    await passes(world)
    world.wait(50)

    assert await passes(world) == []
    world.wait(20)
    assert [drift.id for drift in await passes(world)] == [GHOST]


@pytest.mark.contract("registrar R-64")
@pytest.mark.long
async def test_a_pass_sees_every_row_however_many_there_are(world: World) -> None:
    world.frozen = True
    with world.bulk():
        ids = {UUID(insert(world, number, number)) for number in range(501)}
        for number in range(1, 502):
            world.sql("INSERT INTO ps_aors (id) VALUES (?)", f"{number}@r.registrar.localhost")
    names = {f"{number}@r.registrar.localhost" for number in range(501)}

    told: list[str] = []
    world.statements.clear()
    first = await world.ringback.reconciler.once(dry_run=True, tell=told.append)
    found = [*first.due, *first.waiting]
    assert len(world.statements) < 30  # some for each five hundred of ours, none for one alone
    assert told == [
        "500 extensions compared",
        "501 extensions compared",
        "ps_aors: 500 rows looked through",
        "ps_aors: 501 rows looked through",
    ]

    def seen(table: str, action: str) -> set[object]:
        return {drift.id for drift in found if (drift.table, drift.action) == (table, action)}

    last = {"0@r.registrar.localhost"}
    assert (seen("ps_aors", "add"), seen("ps_aors", "correct")) == (last, names - last)
    assert seen("ps_auths", "add") == seen("ps_endpoints", "add") == names
    assert seen("registrar_sip_auths", "add") == ids
    assert len(first.due) == 4 * 501
    assert seen("ps_aors", "remove") == {"501@r.registrar.localhost"}


@pytest.mark.contract("registrar R-64")
async def test_a_stale_credential_does_not_keep_the_right_one_out(world: World) -> None:
    made = await world.create()
    before = rows(world)
    world.sql("UPDATE registrar_sip_auths SET id = ?", uuid4().bytes)

    await passes(world)

    assert rows(world) == before
    assert (await world.rpc("GET", f"/v1/extensions/{made['id']}")).status_code == 200
    world.wait(100)
    assert await passes(world) == []


@pytest.mark.contract("registrar R-64")
async def test_deleted_extensions_are_no_truth(world: World) -> None:
    made = await world.create()
    await world.rpc("DELETE", f"/v1/extensions/{made['id']}")

    assert await passes(world) == []
    assert rows(world) == {table: [] for table in (*SIP, "ps_contacts")}


def gauges(world: World) -> dict[str, float]:
    found = re.findall(r"^registrar_manager_reconcile_(\w+) (\S+)$", world.metrics(), re.MULTILINE)
    return {name: float(value) for name, value in found}


@pytest.mark.contract("registrar R-64")
async def test_a_row_that_cannot_be_repaired_keeps_no_other_from_it_and_is_no_success(
    world: World, logged: Callable[[], str]
) -> None:
    one, two = await world.create("1001"), await world.create("1002")
    world.sql("DELETE FROM ps_auths")
    failing = ("ps_auths", "registrar_strays")
    left = count()

    def fail_once(statement: Statement) -> None:
        if statement.core.is_delete and statement.core.table.name in failing and next(left) == 0:  # type: ignore[attr-defined]
            raise Broken("no")

    world.before_statement = fail_once
    done = await world.ringback.reconciler.once()

    (failed,), (mended,) = done.failed, done.due
    assert {failed.id, mended.id} == {one["endpoint_id"], two["endpoint_id"]}
    assert not done.is_whole
    assert gauges(world) == {"pending": 1.0, "last_success_timestamp_seconds": 0.0}
    assert "a row cannot be repaired" in logged()
    assert [row["id"] for row in world.everything()["ps_auths"]] == [mended.id]
    again = await world.ringback.reconciler.once()
    assert (again.due, again.is_whole) == ([failed], True)
    last = int(world.now.timestamp())
    assert gauges(world) == {"pending": 0.0, "last_success_timestamp_seconds": pytest.approx(last, abs=2)}
    assert 'reconcile_actions_total{action="add",table="ps_auths"} 2.0' in world.metrics()


@pytest.mark.contract("registrar R-64")
async def test_a_phone_whose_endpoint_row_is_missing_keeps_its_contacts(world: World) -> None:
    made = await world.create()
    world.register(made["endpoint_id"])
    world.sql("DELETE FROM ps_endpoints")

    assert await passes(world, no_grace=True) == [Drift("ps_endpoints", made["endpoint_id"], "add")]

    assert [row["endpoint"] for row in rows(world)["ps_contacts"]] == [made["endpoint_id"]]


@pytest.mark.sqlite
@pytest.mark.contract("registrar R-64")
async def test_a_time_that_somebody_spoilt_keeps_no_row_from_being_compared(world: World) -> None:
    await world.create()
    before = rows(world)
    world.sql("UPDATE registrar_sip_auths SET tm_create = 'once', tm_update = x'00', ha1 = NULL")

    (drift,) = await passes(world)

    assert (drift.table, drift.action) == ("registrar_sip_auths", "correct")
    assert rows(world) == before
