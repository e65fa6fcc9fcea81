"""When the database, a file, does not answer."""

import asyncio
import sqlite3
import time

import pytest

from ringback.kit.uow import PATIENCE
from tests.registrar.requests import good
from tests.world import World

pytestmark = pytest.mark.sqlite


@pytest.mark.contract("registrar R-13")
@pytest.mark.long
async def test_a_locked_database_is_a_503_within_3_s_for_all_that_writes(world: World) -> None:
    requests = await good(world)
    before = world.everything()

    with world.bulk():
        world.sql("BEGIN EXCLUSIVE")
        started = time.monotonic()
        replies = await asyncio.gather(*(world.rpc(*request) for request in requests))
        took = time.monotonic() - started

    for (method, uri, _), reply in zip(requests, replies, strict=True):
        if method == "GET":
            assert reply.status_code == 200, uri
        elif uri == "/v1/contacts" and reply.status_code == 200:
            pass  # RPC 2 may
        else:
            assert reply.refusal == (503, "DATABASE_UNAVAILABLE"), uri
    assert PATIENCE < 3
    assert took < PATIENCE + 2  # a machine that runs many tests at once is late
    assert world.everything() == before
    assert {(await world.rpc(*request)).status_code for request in requests} == {200}


@pytest.mark.contract("registrar R-13")
async def test_a_ruined_database_is_a_typed_503_on_every_endpoint(world: World) -> None:
    requests = await good(world)
    other = sqlite3.connect(world.settings.database_file)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    size = world.settings.database_file.stat().st_size
    with world.settings.database_file.open("r+b") as file:
        file.write(b"\xa5" * size)

    replies = [await world.rpc(*request) for request in requests]

    assert {reply.refusal for reply in replies} == {(503, "DATABASE_UNAVAILABLE")}
    assert {reply.data["message"] for reply in replies} == {"The database does not answer."}


@pytest.mark.contract("registrar R-13")
async def test_a_full_disk_is_a_503_that_writes_nothing_and_passes(world: World) -> None:
    writer = world.ringback.database.writer  # type: ignore[attr-defined]
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(1000, 1100):
        before = world.everything()
        reply = await world.rpc("POST", "/v1/extensions", world.asked(str(number), detail="d" * 255))
        if reply.status_code != 200:
            break

    assert reply.refusal == (503, "DATABASE_UNAVAILABLE")
    assert world.everything() == before
    writer.execute("PRAGMA max_page_count = 100000")
    assert (await world.rpc("POST", "/v1/extensions", world.asked("2000"))).status_code == 200
