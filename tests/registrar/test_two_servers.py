"""Our database and Asterisk's on different servers: ours commits, the other one follows."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ringback.kit.db import ASTERISK, Database, Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.pair import REST, Pair
from ringback.kit.sqlite import SqliteDatabase
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.wire import NewExtension
from ringback.registrar.reconcile import Reconciler
from ringback.schema import ASTERISK_TABLES, OWN_TABLES
from ringback.settings import Settings
from tests.patience import ENOUGH
from tests.stacks import File, Row, Watch
from tests.world import World

SIP = ("ps_endpoints", "ps_auths", "ps_aors")
pytestmark = pytest.mark.sqlite


class TwoFiles(File):
    """Each database in a file of its own; the second one may be away, or fail when it is to commit."""

    def __init__(self, template: Path, home: Path) -> None:
        super().__init__(Path(shutil.copy(template, home / "ringback.db")))
        self.second = File(Path(shutil.copy(template, home / "asterisk.db")))
        self.is_away = False
        self.behind = 0

    def open(self, settings: Settings, watch: Watch) -> Database:
        def watched(statement: Statement) -> None:
            watch(statement)
            if self.is_away:
                raise DatabaseUnavailable

        first = SqliteDatabase(self.path, *OWN_TABLES, watch=watch)
        self.pair = Pair(first, SqliteDatabase(self.second.path, *ASTERISK_TABLES, watch=watched), self._fall_behind)
        return self.pair

    def _fall_behind(self) -> None:
        self.behind += 1

    def rest(self) -> None:
        super().rest()
        self.second.rest()

    @contextmanager
    def away(self) -> Iterator[None]:
        """The second one does not answer; afterwards it is not left alone any more."""
        self.is_away = True
        yield
        self.is_away = False
        self.pair.rests_until = 0.0

    def rows(self, table: str) -> list[Row]:
        """What the second one holds."""
        with self.second.talk() as sql:
            return sql(f"SELECT * FROM {table} ORDER BY id")


@pytest.fixture
async def two(template: Path, tmp_path: Path) -> Any:
    ground = TwoFiles(template, tmp_path)
    world = World(ground, tmp_path)
    yield world, ground
    await world.end()


Two = tuple[World, TwoFiles]


def ids(ground: TwoFiles) -> list[set[str]]:
    return [{row["id"] for row in ground.rows(table)} for table in SIP]


async def test_both_hold_what_is_theirs(two: Two) -> None:
    world, ground = two

    phone = await world.create("1001")

    assert ids(ground) == [{phone["endpoint_id"]}] * 3
    assert world.sql("SELECT count(*) AS rows FROM ps_endpoints") == [{"rows": 0}]
    assert len(world.sql("SELECT id FROM registrar_sip_auths")) == 1
    assert (await world.rpc("DELETE", f"/v1/extensions/{phone['id']}")).status_code == 200
    assert ids(ground) == [set()] * 3
    assert ground.behind == 0


@pytest.mark.contract("registrar R-62")
async def test_what_is_made_while_asterisk_is_away_follows_when_it_is_back(two: Two) -> None:
    world, ground = two
    kept, changed, gone = [await world.create(number) for number in ("1001", "1002", "1003")]
    before = {row["id"]: row for row in ground.rows("ps_auths")}

    with ground.away():
        new = await world.create("1004")
        put = await world.rpc("PUT", f"/v1/extensions/{changed['id']}", {"password": "Another-Pass-0002"})
        deleted = await world.rpc("DELETE", f"/v1/extensions/{gone['id']}")
        contacts = await world.rpc("GET", "/v1/contacts", {"customer_id": str(world.customer), "extension": "1001"})
        assert (await world.rpc("GET", f"/v1/extensions/{new['id']}")).data["extension"] == "1004"

    assert (put.status_code, deleted.status_code) == (200, 200)
    assert contacts.refusal == (503, "DATABASE_UNAVAILABLE")
    assert ids(ground) == [{kept["endpoint_id"], changed["endpoint_id"], gone["endpoint_id"]}] * 3
    assert ground.behind == 3
    assert {type for type, _ in world.events()} == {"extension_created", "extension_updated", "extension_deleted"}
    await world.ringback.reconciler.once(no_grace=True)
    assert ids(ground) == [{phone["endpoint_id"] for phone in (kept, changed, new)}] * 3
    after = {row["id"]: row for row in ground.rows("ps_auths")}
    assert after[kept["endpoint_id"]] == before[kept["endpoint_id"]]
    assert after[changed["endpoint_id"]]["md5_cred"] != before[changed["endpoint_id"]]["md5_cred"]
    assert (await world.ringback.reconciler.once()).due == []


@pytest.mark.contract("registrar R-62")
async def test_a_phone_that_is_deleted_while_asterisk_is_away_is_told_as_gone_for_that_reason(two: Two) -> None:
    world, ground = two
    phone = await world.create("1001")
    with ground.second.talk() as sql:
        sql(
            "INSERT INTO ps_contacts (id, uri, expiration_time, endpoint) VALUES (?, 'sip:a@b', ?, ?)",
            *(f"{phone['endpoint_id']};@1", int(world.now.timestamp()) + 600, phone["endpoint_id"]),
        )
    await world.ringback.feed.once()

    with ground.away():
        assert (await world.rpc("DELETE", f"/v1/extensions/{phone['id']}")).status_code == 200

    causes = [payload.get("cause") for type, payload in world.events() if type == "contact_unregistered"]
    assert causes == ["extension_deleted"]


async def test_contacts_are_not_removed_by_request_while_asterisk_is_away(two: Two) -> None:
    world, ground = two
    phone = await world.create("1001")

    async with await world.http() as client:
        with ground.away():
            answer = await client.delete(f"/v1.0/extensions/{phone['id']}/contacts")

    assert answer.status_code == 503


@pytest.mark.contract("registrar R-61")
@pytest.mark.parametrize("way", ["POST", "PUT", "DELETE"])
async def test_a_request_that_fails_on_our_side_leaves_nothing_on_the_other(two: Two, way: str) -> None:
    world, ground = two
    phone = await world.create("1001")
    uri = {"POST": "/v1/extensions"}.get(way, f"/v1/extensions/{phone['id']}")
    data = {"POST": world.asked("1002"), "PUT": {"password": "Another-Pass-0002"}, "DELETE": None}[way]
    before = [ground.rows(table) for table in SIP]

    def fail(statement: Statement) -> None:
        if "registrar_outbox" in repr(statement):  # the last one of all
            raise DatabaseUnavailable

    world.before_statement = fail
    assert (await world.rpc(way, uri, data)).refusal == (503, "DATABASE_UNAVAILABLE")

    world.heal()
    assert [ground.rows(table) for table in SIP] == before
    assert ground.behind == 0
    assert (await world.ringback.reconciler.once()).due == []


async def test_a_second_commit_that_fails_is_made_up_for(two: Two) -> None:
    world, ground = two

    def deny(action: int, word: str | None, *rest: str | None) -> int:
        denied = action == sqlite3.SQLITE_TRANSACTION and word == "COMMIT"
        return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK

    assert isinstance(ground.pair.second, SqliteDatabase)
    ground.pair.second.writer.set_authorizer(deny)
    await world.create("1001")
    ground.pair.second.writer.set_authorizer(None)

    assert (ids(ground), ground.behind) == ([set()] * 3, 1)
    with pytest.raises(DatabaseUnavailable):  # it is left alone for a moment
        await world.ringback.reconciler.once()
    ground.pair.rests_until = 0.0
    await world.ringback.reconciler.once()
    assert len(ids(ground)[0]) == 1


async def test_a_second_one_that_failed_is_left_alone_for_a_moment(two: Two) -> None:
    world, ground = two
    with ground.away():
        made = await world.create("1001")
    asked = len([statement for statement in world.statements if statement.place == ASTERISK])
    ground.pair.rests_until = asyncio.get_running_loop().time() + 10 * REST

    await world.create("1002")
    assert (await world.rpc("DELETE", f"/v1/extensions/{made['id']}")).status_code == 200

    assert len([statement for statement in world.statements if statement.place == ASTERISK]) == asked
    assert ground.behind == 3


async def test_a_change_that_waits_for_the_second_one_has_time_left_to_go_on_without_it(two: Two) -> None:
    world, ground = two
    asked = NewExtension(extension="1001")
    with closing(sqlite3.connect(ground.second.path, isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        made = await world.ringback.work.write(lambda uow: extensions.create(uow, world.customer, asked), patience=1)

    assert (await world.rpc("GET", f"/v1/extensions/{made.extension.id}")).status_code == 200
    assert ground.behind == 1


@pytest.mark.contract("registrar R-62")
async def test_the_reconciler_is_woken_by_what_falls_behind_and_not_by_its_timer(two: Two) -> None:
    world, ground = two
    behind, passed = asyncio.Event(), asyncio.Event()
    reconciler = Reconciler(world.ringback.work, world.ringback.memory.metrics, world.settings, behind)

    def saw(statement: Statement) -> None:
        if "registrar_strays" in repr(statement):
            passed.set()

    world.before_statement = saw
    running = asyncio.create_task(reconciler.run(timedelta(hours=1).total_seconds()))
    try:
        async with asyncio.timeout(ENOUGH):
            await passed.wait()
            passed.clear()
            behind.set()
            await passed.wait()
    finally:
        running.cancel()


async def test_a_diagnosis_says_that_the_second_is_away(two: Two) -> None:
    world, ground = two
    phone = await world.create("1001")
    async with await world.http() as http:
        with ground.away():
            found = (await http.get(f"/v1.0/extensions/{phone['id']}/diagnosis")).json()

    assert found["summary"] == "The database of Asterisk does not answer: see why with 'ringback doctor'."
    states = {check["name"]: check["state"] for check in found["checks"]}
    assert {states[name] for name in ("credentials", "algorithm", "room", "codecs", "contacts")} == {"unknown"}
