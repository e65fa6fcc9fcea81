"""What VoIPbin's Go service remembers of ours: each change notes its keys, and they are erased until they are gone."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import pytest

from ringback.kit.stale import KEEP, NAMES, Eraser
from ringback.registrar import relabel, secrets
from ringback.registrar.work import Uow
from tests.changes import KEYS, UNSEEN, story
from tests.world import Broken, MakeWorld, World

NOWHERE: Final = "127.0.0.1:1"
"""Where no Redis is: notes stay."""


class Keys:
    """Another's cache, in the test's hands."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.this_run: str | None = "1"
        self.asked: list[list[str]] = []
        self.on_delete: Callable[[], None] = lambda: None

    async def delete(self, names: Any) -> bool:
        self.on_delete()
        if self.this_run is None:
            return False
        self.asked.append(list(names))
        self.held -= set(names)
        return True

    async def run(self) -> str | None:
        return self.this_run


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(redis_address=NOWHERE)


ERASED = ("registrar_extensions", "registrar_trunks")
"""Tables of which a deleted customer's rows are emptied, long after nobody remembers them."""


def watch(world: World) -> None:
    """Let the database itself note whose rows change, as they were and as they are."""
    world.sql("CREATE TABLE seen (source TEXT, parts TEXT)")
    for table, (columns, _) in KEYS.items():
        known = [row["name"] for row in world.sql(f"SELECT name FROM pragma_table_info('{table}')")]
        of = ", ".join(name for name in known if name != UNSEEN)
        for action, sides in (("INSERT", "NEW"), (f"UPDATE OF {of}", "OLD NEW"), ("DELETE", "OLD")):
            arrays = [f"json_array({', '.join(_text(side, name) for name in columns)})" for side in sides.split()]
            notes = " ".join(f"INSERT INTO seen VALUES ('{table}', {array});" for array in arrays)
            seen = "WHEN NEW.realm <> '' OR NEW.tm_delete IS NULL" if table in ERASED and "UPDATE" in action else ""
            world.sql(f"CREATE TRIGGER {table}_{action[:6]} AFTER {action} ON {table} {seen} BEGIN {notes} END")


def _text(side: str, column: str) -> str:
    return f"CASE typeof({side}.{column}) WHEN 'blob' THEN hex({side}.{column}) ELSE {side}.{column} END"


def changed(world: World) -> set[str]:
    """The Go service's keys of all rows that have changed."""
    found = set()
    for row in world.sql("SELECT DISTINCT source, parts FROM seen"):
        _, keys = KEYS[row["source"]]
        values = json.loads(row["parts"])
        texts = [str(UUID(hex=value)) if re.fullmatch("[0-9A-F]{32}", value) else value for value in values]
        found |= {key.format(*texts) for key in keys}
    return found


def noted(world: World) -> set[str]:
    return {name for row in world.sql("SELECT names FROM registrar_stale_keys") for name in json.loads(row["names"])}


@pytest.mark.sqlite
@pytest.mark.contract("registrar R-69")
async def test_whatever_changes_is_noted_in_the_words_of_the_go_service(world: World) -> None:
    steps = await story(world, lambda: world.sql("DELETE FROM seen"))
    watch(world)
    for name, step in steps:
        world.sql("DELETE FROM registrar_stale_keys")
        await step()
        assert changed(world), name
        assert changed(world) - noted(world) == set(), name


@pytest.mark.contract("registrar R-69")
async def test_rpc_2_and_news_of_contacts_note_the_contacts(world: World) -> None:
    made = await world.create()
    for step in (world.rpc("PUT", "/v1/contacts", {"customer_id": str(world.customer), "extension": "1001"}), None):
        world.sql("DELETE FROM registrar_stale_keys")
        world.register(made["endpoint_id"])
        await (step or world.ringback.feed.once())
        assert f"ast_contacts:{made['endpoint_id']}" in noted(world)


@pytest.mark.sqlite
@pytest.mark.contract("registrar R-69")
async def test_what_is_turned_into_digests_is_noted(make_world: MakeWorld) -> None:
    world = make_world(redis_address=NOWHERE, secret_storage="plaintext")
    await world.create()
    gone = await world.create("1002")
    await world.create_trunk()
    await world.rpc("DELETE", f"/v1/extensions/{gone['id']}")
    world.sql("INSERT INTO ps_auths (id, password) VALUES ('ghost@x.registrar.localhost', 'clear')")
    watch(world)
    world.sql("DELETE FROM registrar_stale_keys")

    await secrets.migrate(world.ringback.work)

    assert len(changed(world)) == 3 + 3 + 2 + 3 + 1
    assert changed(world) - noted(world) == set()


async def test_a_change_that_is_none_and_one_that_fails_note_nothing(world: World) -> None:
    made = await world.create(name="x")
    before = noted(world)
    uri = f"/v1/extensions/{made['id']}"
    await world.rpc("PUT", uri, {"name": "x"})
    await world.rpc("GET", uri)
    world.before_statement = lambda statement: _break() if "registrar_outbox" in repr(statement) else None
    assert (await world.rpc("DELETE", uri)).status_code == 500
    world.heal()

    assert noted(world) == before


def _break() -> None:
    raise Broken


async def test_without_redis_nothing_is_noted(make_world: MakeWorld) -> None:
    world = make_world(redis_address="", redis_password="")
    await world.create()

    assert noted(world) == set()
    assert world.ringback.eraser is None


@pytest.mark.contract("registrar R-69")
async def test_notes_are_erased_when_they_have_settled_and_wait_while_the_cache_is_away(world: World) -> None:
    keys = Keys()
    eraser = Eraser(world.ringback.work, keys)
    world.frozen = True
    made = await world.create()
    keys.held = {f"registrar:extension:{made['id']}", "registrar:extension:other"}

    world.wait(4.9)
    assert await eraser.once() == 0
    world.wait(60)
    keys.this_run = None
    assert await eraser.once() == 0
    keys.this_run = "1"
    assert await eraser.once() == 1
    assert keys.held == {"registrar:extension:other"}
    assert await eraser.once() == 0
    assert len(keys.asked) == 1


async def test_a_note_is_as_old_as_its_commit_and_not_as_its_transaction(world: World) -> None:
    world.frozen = True
    extension = await world.create()
    world.wait(60)
    keys = Keys()
    late = asyncio.get_running_loop().time() + 0.05

    async def long(uow: Uow) -> None:
        uow.endpoint_changed(extension["endpoint_id"])
        while asyncio.get_running_loop().time() < late:
            pass

    await world.ringback.work.write(long)
    world.wait(5.02)

    assert await Eraser(world.ringback.work, keys).once() == 1
    assert len(world.sql("SELECT * FROM registrar_stale_keys WHERE run = ''")) == 1


async def test_a_cache_that_goes_in_between_is_asked_again_for_what_is_left(world: World) -> None:
    keys = Keys()
    eraser = Eraser(world.ringback.work, keys)
    for number in range(3):
        await world.create(str(number))
    world.wait(5)

    def go() -> None:
        if len(keys.asked) == 1:
            keys.this_run = None

    keys.on_delete = go
    assert await eraser.once() == 1
    keys.on_delete, keys.this_run = (lambda: None), "1"
    assert await eraser.once() == 2
    assert len(keys.asked) == 3


@pytest.mark.contract("registrar R-69")
async def test_a_cache_that_comes_up_with_older_data_is_erased_again(world: World) -> None:
    keys = Keys()
    made = await world.create()
    world.wait(5)
    assert await Eraser(world.ringback.work, keys).once() == 1
    keys.held = {f"registrar:extension:{made['id']}"}
    again = Eraser(world.ringback.work, keys)
    assert await again.once() == 0
    assert keys.held

    keys.this_run = "2"

    assert await again.once() == 1
    assert not keys.held
    assert await again.once() == 0


async def test_notes_are_forgotten_when_no_older_data_are_left_anywhere(world: World) -> None:
    keys = Keys()
    eraser = Eraser(world.ringback.work, keys)
    world.frozen = True
    await world.create()
    world.wait(6)
    await eraser.once()
    await world.create("1002")
    world.wait(KEEP.total_seconds() - 10)
    await eraser.prune()
    assert len(world.sql("SELECT * FROM registrar_stale_keys")) == 2
    world.wait(20)
    await eraser.prune()
    assert len(world.sql("SELECT * FROM registrar_stale_keys")) == 1
    await eraser.once()
    await eraser.prune()
    assert world.sql("SELECT * FROM registrar_stale_keys") == []


async def test_many_names_are_noted_in_pieces(world: World) -> None:
    for number in range(50):
        await world.create(str(number))
    world.sql("DELETE FROM registrar_stale_keys")

    await relabel_all(world)

    sizes = [len(json.loads(row["names"])) for row in world.sql("SELECT names FROM registrar_stale_keys ORDER BY id")]
    assert sizes[0] == NAMES
    assert sum(sizes) == 50 * (1 + 2 + 1 + 4 + 4)


async def relabel_all(world: World) -> None:
    await world.ringback.work.write(lambda uow: relabel.set_label(uow, world.customer, "acme", reissue=True))
