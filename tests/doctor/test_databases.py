"""`ringback doctor` on databases: each is broken in turn, and each check fails alone."""

import sqlite3
from datetime import timedelta
from uuid import uuid4

import pytest

from ringback.doctor import databases
from ringback.knobs import load
from ringback.migrations import commands
from ringback.sip.func_odbc import VIEWS
from tests.doctor.conftest import Installation
from tests.world import World


def sql(installation: Installation, text: str, *values: object) -> None:
    connection = sqlite3.connect(installation.file, isolation_level=None)
    connection.execute(text, values)
    connection.close()


async def test_a_schema_of_another_version_keeps_the_contents_from_being_looked_at(installation: Installation) -> None:
    sql(installation, "DROP TABLE registrar_strays")
    sql(installation, "UPDATE alembic_version_bin SET version_num = 'registrar_meta_create_table'")

    wrong = await installation.wrong()

    assert wrong["database"][0] == "problem"
    assert "'ringback db upgrade'" in wrong["database"][1]
    assert wrong.keys() == {"database", "contents"}


AGAIN = "'ringback db upgrade' makes it again"
FROM_BACKUP = "restore it from a backup"


@pytest.mark.parametrize(
    ("what", "do"),
    [
        ("VIEW ringback_addresses", AGAIN),
        ("TABLE ps_contacts", FROM_BACKUP),
        ("TABLE registrar_outbox", FROM_BACKUP),
    ],
)
async def test_what_somebody_has_taken_away_is_named_with_what_brings_it_back(
    installation: Installation, what: str, do: str
) -> None:
    sql(installation, f"DROP {what}")

    state, sentence = (await installation.wrong())["tables"]

    assert (state, f"and has no {what.split()[1]}: " in sentence, do in sentence) == ("problem", True, True), sentence


@pytest.mark.contract("registrar R-89")
async def test_an_upgrade_makes_the_views_again_that_somebody_has_taken_away(installation: Installation) -> None:
    whole = await installation.wrong()
    for view in VIEWS:
        sql(installation, f"DROP VIEW {view}")
    assert (await installation.wrong())["tables"][0] == "problem"

    for name in ("bin", "router"):
        commands.upgrade(name, load(installation.settings).databases[0])

    assert await installation.wrong() == whole == {}


async def test_a_file_that_is_no_database_keeps_nothing_else_from_being_looked_at(installation: Installation) -> None:
    installation.file.write_bytes(b"no database" * 1000)

    wrong = await installation.wrong()

    assert wrong.keys() == {"database", "contents"}
    assert wrong["database"][0] in ("problem", "unknown")


async def test_a_server_that_is_away(installation: Installation) -> None:
    away = "postgresql://ringback:Sample-Pass-0001@127.0.0.1:1/ringback"
    installation.settings |= {"database_dsn_bin": away, "database_dsn_asterisk": away}

    state, sentence = (wrong := await installation.wrong())["database"]

    assert (state, wrong["contents"][0]) == ("problem", "unknown")
    assert "is the server up" in sentence
    assert "Sample-Pass" not in str(wrong)


async def test_a_database_that_was_made_with_other_settings(installation: Installation) -> None:
    sql(installation, "INSERT INTO registrar_meta (key, value) VALUES ('secret_storage', 'plaintext')")

    assert "secret_storage: this database keeps passwords in plaintext" in (await installation.wrong())["recorded"][1]


async def test_rows_that_drift_and_events_that_were_given_up_and_customers_who_are_not_gone(
    installation: Installation,
) -> None:
    sql(installation, "INSERT INTO ps_aors (id) VALUES ('ghost@x.registrar.localhost')")
    moment, id = "2026-01-01 00:00:00.000000", uuid4().bytes
    sql(installation, "INSERT INTO registrar_dead_events VALUES (?, 'x', 'y', '{}', 'z', ?)", id, moment)
    sql(installation, "INSERT INTO registrar_customers (customer_id, status) VALUES (?, 'deleted')", id)

    wrong = await installation.wrong()

    assert {name: state for name, (state, _) in wrong.items()} == dict.fromkeys(
        ("drift", "dead", "left_over"), "warning"
    )
    assert wrong["drift"][1].startswith("1 SIP rows are not what they should be: ")


@pytest.mark.contract("registrar R-89")
async def test_a_table_that_cannot_be_read_keeps_no_other_check_from_its_answer(installation: Installation) -> None:
    sql(installation, "DROP TABLE registrar_dead_events")
    sql(installation, "DROP TABLE registrar_customers")

    wrong = await installation.wrong()

    assert wrong.keys() == {"tables", "dead", "left_over"}
    assert {state for state, _ in wrong.values()} == {"problem"}


async def test_phones_that_are_rung_wherever_they_say_they_are(world: World) -> None:
    await world.create()
    found = [await databases.believed(world.ringback)]
    world.sql("UPDATE ps_endpoints SET rewrite_contact = 'no'")
    found.append(await databases.believed(world.ringback))

    assert [check.state for check in found] == ["ok", "warning"]
    assert found[1].seen == "1 phones are rung where they say they are, which may be anywhere"


@pytest.mark.parametrize(("seconds", "state"), [(5, "ok"), (100, "warning"), (700, "problem")])
async def test_events_that_do_not_leave(world: World, seconds: int, state: str) -> None:
    await world.create()
    world.wait(seconds)

    assert (await databases.relay(world.ringback)).state == state


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("kinds", "seconds", "state"),
    [
        ("", 700, "ok"),
        ("CHAN_START", 90, "ok"),
        ("CHAN_START", 370, "warning"),
        ("CHAN_START HANGUP", 50, "ok"),
        ("CHAN_START HANGUP", 70, "warning"),
        ("CHAN_START HANGUP", 700, "problem"),
    ],
)
async def test_events_of_calls_that_nobody_takes(world: World, kinds: str, seconds: int, state: str) -> None:
    written = (world.now - timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.%f")
    for kind in kinds.split():
        world.sql(
            "INSERT INTO ringback_channel_events (eventtype, eventtime, channame, uniqueid, linkedid)"
            f" VALUES ('{kind}', '{written}', 'PJSIP/x-00000001', 'asterisk-1.2', 'asterisk-1.2')"
        )

    assert (await databases.calls(world.ringback)).state == state


async def test_a_clock_that_is_another(world: World) -> None:
    check = await databases.clock(world.ringback)

    assert (check.state, check.do) == ("problem", "set both by NTP")


@pytest.mark.sqlite
async def test_a_table_that_cannot_be_compared(world: World) -> None:
    await world.create()
    world.sql("UPDATE registrar_extensions SET tm_create = 'yesterday'")

    assert (await databases.drift(world.ringback)).state == "problem"


@pytest.mark.contract("router P-6")
async def test_policies_for_calls_that_nobody_runs_are_told(installation: Installation) -> None:
    sql(
        installation,
        "INSERT INTO router_policies (customer_id, policy_id, document, purpose, enabled) VALUES (?, ?, ?, ?, ?)",
        str(uuid4()), "support", "{}", "direct_call", True,
    )  # fmt: skip
    state, told = (await installation.wrong())["screened"]
    assert (state, told.startswith("1 customers have a policy for calls to their direct addresses, and nobody")) == (
        "warning", True,
    )  # fmt: skip

    installation.settings["screen_listen_address"] = "127.0.0.1:4574"

    assert await installation.wrong() == {}
