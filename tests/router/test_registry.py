"""The registry in memory: what is found in it, how it is loaded, and what it survives."""

import inspect
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from ringback.kit.db import Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.router import store as heads
from ringback.router.canonical import moved_checksum, text_of
from ringback.router.extensions import service, store
from ringback.router.extensions.model import ExtensionDisabled, ExtensionNotFound
from ringback.router.extensions.registry import Registry, Snapshot
from ringback.router.nodes.presence import Presence
from ringback.router.work import Uow
from tests.router.conftest import Node

INITIAL = ["anthropic_claude", "mask_sensitive_data", "mock_provider", "normalize_text", "openai_gpt4", "pii_guard"]


@pytest.mark.contract("router X-3, X-7, X-13")
async def test_the_initial_six_are_served_after_the_start(node: Node) -> None:
    assert sorted(node.registry.snapshot.by_id) == INITIAL
    assert node.registry.lookup("pii_guard").config["block_on_match"] is True
    assert {one.created_by for one in node.registry.snapshot.by_id.values()} == {"system:initial"}
    with pytest.raises(ExtensionNotFound):
        node.registry.lookup("nobody")
    assert node.registry.snapshot.checksum == node.sql("SELECT checksum FROM registry_revision")[0]["checksum"]


@pytest.mark.contract("router X-8, X-15, D-3")
async def test_what_is_disabled_is_found_by_nobody_until_it_is_enabled(node: Node) -> None:
    await node.create("shout", "post")
    await node.do(lambda uow: service.disable(uow, "shout"))

    with pytest.raises(ExtensionDisabled):
        node.registry.lookup("shout")
    assert [one.id for one in node.registry.lookup_by_type("post")] == ["mask_sensitive_data"]
    assert node.registry.get_cached("shout") is not None

    async def posts(uow: Uow) -> list[str]:
        return [one.id for one in service.list_by_type(uow, "post")]

    assert await node.work.read(posts) == ["mask_sensitive_data", "shout"], "whoever administers it sees it"

    await node.do(lambda uow: service.enable(uow, "shout"))
    assert node.registry.lookup("shout").enabled
    assert [one.id for one in node.registry.lookup_by_type("post")] == ["mask_sensitive_data", "shout"]


@pytest.mark.contract("router X-6, T-1")
def test_a_lookup_is_one_access_and_waits_for_nothing() -> None:
    for verb in (Registry.lookup, Registry.lookup_by_type, Registry.get_cached):
        source = inspect.getsource(verb)
        assert not inspect.iscoroutinefunction(verb)
        assert not {"await", "lock", "log.", "session"} & set(source.split('"""')[2].replace("(", " ").split())
        assert source.count(".get(") + source.count("by_type[") == 1


@pytest.mark.contract("router X-17")
async def test_hits_and_misses_are_counted(node: Node) -> None:
    for id in ("pii_guard", "pii_guard", "nobody"):
        try:
            node.registry.lookup(id)
        except ExtensionNotFound:
            continue

    assert (node.loader.stats().hits, node.loader.stats().misses) == (2, 1)


@pytest.mark.contract("router X-9, X-11, R-2b")
async def test_rows_changed_by_sql_are_adopted_by_the_next_reload(node: Node) -> None:
    node.sql(
        "INSERT INTO extensions (id, type, subject, timeout_ms, retry, config) "
        "VALUES ('by_hand', 'post', 'beamline.ext.post.by_hand.v1', 100, 0, '{}')"
    )
    node.sql("UPDATE extensions SET enabled = false WHERE id = 'pii_guard'")
    node.sql("DELETE FROM extensions WHERE id = 'openai_gpt4'")

    done = await node.loader.reload()

    assert (done.ok, done.changed, done.rejected) == (True, 3, [])
    assert node.registry.lookup("by_hand").revision == 1
    assert node.registry.get_cached("openai_gpt4") is None
    said = node.sql(
        "SELECT extension_id, action, changed_by, source FROM extension_audit_log "
        "WHERE source = 'sql' ORDER BY extension_id"
    )
    assert [(row["extension_id"], row["action"]) for row in said] == [
        ("by_hand", "created"),
        ("openai_gpt4", "deleted"),
        ("pii_guard", "disabled"),
    ]
    assert {row["changed_by"] for row in said} == {"external:sql"}
    stats = node.loader.stats()
    assert (stats.load_count, stats.error_count, stats.total_extensions, stats.enabled_extensions) == (2, 0, 6, 5)
    assert stats.last_reload == round(node.now.timestamp() * 1000)
    assert (await node.loader.reload()).changed == 0
    assert len(node.sql("SELECT id FROM extension_audit_log WHERE source = 'sql'")) == 3


@pytest.mark.contract("router R-1c, F-1")
async def test_a_broken_row_keeps_its_last_good_version_and_hinders_no_other(node: Node) -> None:
    node.sql("UPDATE extensions SET subject = 'beamline.>' WHERE id = 'normalize_text'")
    node.sql("UPDATE extensions SET timeout_ms = 300 WHERE id = 'pii_guard'")

    done = await node.loader.reload()

    assert [one.id for one in done.rejected] == ["normalize_text"]
    assert "subject must be" in done.rejected[0].description
    assert node.registry.lookup("normalize_text").subject == "beamline.ext.pre.normalize_text.v1"
    assert node.registry.lookup("pii_guard").timeout_ms == 300

    await node.update("normalize_text", timeout_ms=200)
    assert (await node.loader.reload()).rejected == []
    assert node.registry.lookup("normalize_text").timeout_ms == 200


@pytest.mark.contract("router X-10, R-1b, F-6")
async def test_a_reload_that_fails_is_told_and_changes_nothing(node: Node) -> None:
    before = node.registry.snapshot

    def fail(statement: Statement) -> None:
        raise DatabaseUnavailable

    node.before_statement = fail
    done = await node.loader.reload()

    assert (done.ok, done.error, done.revision) == (False, "The database does not answer.", before.revision)
    assert node.registry.snapshot is before
    assert (node.loader.stats().load_count, node.loader.stats().error_count) == (1, 1)


@pytest.mark.contract("router R-1b, T-2")
async def test_a_load_that_ends_at_any_statement_leaves_the_registry_whole(node: Node) -> None:
    node.sql("UPDATE extensions SET timeout_ms = 90 WHERE id = 'normalize_text'")
    for number in count():
        node.fail_from(number)
        done = await node.loader.reload()
        if done.ok:
            break
        assert sorted(node.registry.snapshot.by_id) == INITIAL
        assert node.registry.lookup("normalize_text").timeout_ms in (100, 90)

    assert number > 10
    assert node.registry.lookup("normalize_text").timeout_ms == 90


@pytest.mark.contract("router X-14, R-2a")
async def test_another_node_takes_over_what_changed_without_reading_all(make_node: Callable[[], Node]) -> None:
    one, other = make_node(), make_node()
    await one.loader.reload()
    await other.loader.reload()
    asked: list[str] = []
    other.before_statement = lambda statement: asked.append(repr(statement))

    await one.create("upper")
    await one.update("upper", timeout_ms=70)
    await other.loader.catch_up()

    assert other.registry.lookup("upper").timeout_ms == 70
    assert other.registry.snapshot.checksum == one.registry.snapshot.checksum
    assert len(asked) == 3
    assert other.loader.stats().load_count == 1


@pytest.mark.contract("router R-2a")
async def test_a_sum_that_is_wrong_causes_a_whole_load(make_node: Callable[[], Node]) -> None:
    one, other = make_node(), make_node()
    await one.loader.reload()
    await other.loader.reload()
    other.registry.snapshot = Snapshot.of(other.registry.snapshot.revision, [other.registry.lookup("pii_guard")])

    await one.create("upper")
    await other.loader.catch_up()

    assert sorted(other.registry.snapshot.by_id) == sorted([*INITIAL, "upper"])
    assert other.loader.stats().load_count == 2


@pytest.mark.contract("router R-1a")
async def test_a_reader_keeps_what_it_has_got_and_nobody_can_change_it(node: Node) -> None:
    made = await node.create("upper", config={"a": 1})
    held = node.registry.snapshot
    before = (held.revision, held.checksum, dict(held.by_id), dict(held.by_type))

    await node.update("upper", timeout_ms=70)
    await node.do(lambda uow: service.delete(uow, "pii_guard"))
    assert (await node.loader.reload()).ok

    assert before == (held.revision, held.checksum, dict(held.by_id), dict(held.by_type))
    assert (held.by_id["upper"], node.registry.lookup("upper").timeout_ms) == (made, 70)
    for one in (held, node.registry.snapshot):
        for change in ("one.by_id['upper'] = None", "one.by_type['pre'] = ()", "one.revision = 0", "made.retry = 9"):
            with pytest.raises((TypeError, AttributeError)):
                exec(change, {"one": one, "made": made})


@pytest.mark.contract("router R-1a")
async def test_a_load_builds_the_next_snapshot_whole_and_puts_it_there_in_one_step(node: Node) -> None:
    seen: list[Snapshot] = []
    node.registry.watchers.append(lambda: seen.append(node.registry.snapshot))
    before = node.registry.snapshot
    node.sql("UPDATE extensions SET timeout_ms = 90 WHERE id = 'normalize_text'")
    during: set[int] = set()
    node.before_statement = lambda statement: during.add(id(node.registry.snapshot))

    await node.loader.reload()

    assert len(during - {id(before)} - {id(one) for one in seen}) == 0
    assert [len(one.by_id) for one in seen] == [6] * len(seen)
    assert seen[-1] is node.registry.snapshot is not before


async def write_what_breaks_our_rules(node: Node, id: str) -> None:
    """What a node of another version, with other rules, would write: row, revision and head agree."""

    async def write(uow: Uow) -> None:
        head = await heads.read(uow.session, lock=True)
        before = node.registry.lookup(id)
        after = replace(before, subject="beamline.ext.loud.upper.v1", revision=before.revision + 1)
        await store.put(uow.session, after, new=False)
        await uow.session.run(
            store.ADD_REVISION,
            extension_id=id,
            revision=after.revision,
            registry_revision=head.revision + 1,
            action="updated",
            document=text_of(after.document()),
            checksum=after.checksum,
            comment=None,
            created_at=uow.now,
            created_by="key:ops",
        )
        checksum = moved_checksum(head.checksum, (before.part, after.part))
        await heads.move(uow.session, replace(head, revision=head.revision + 1, checksum=checksum), uow.now)

    await node.work.write(write)


@pytest.mark.contract("router R-3, R-1c")
async def test_a_node_that_cannot_build_a_revision_keeps_the_old_one_and_says_so(
    make_node: Callable[[], Node],
) -> None:
    one, other = make_node(), make_node()
    for node in (one, other):
        await node.loader.reload()
    made = await one.create("upper")
    await other.loader.catch_up()

    await write_what_breaks_our_rules(one, "upper")
    await one.create("lower")
    for _ in range(3):
        assert await other.loader.catch_up()
    late = make_node()
    await late.loader.reload()
    assert late.registry.snapshot.by_id == other.registry.snapshot.by_id, "a start knows no other old one"

    assert other.registry.lookup("upper") == made
    assert other.registry.lookup("lower").revision == 1
    assert [rejected.id for rejected in other.loader.rejected] == ["upper"]
    assert other.loader.stats().load_count == 2
    presence = Presence(other.work, other.loader)
    await presence.once()
    assert [nack["id"] for nack in (await presence.nodes())[0].served.nack] == ["upper"]
    await one.update("lower", timeout_ms=70)
    assert await other.loader.catch_up()
    assert (other.registry.lookup("lower").timeout_ms, other.loader.is_degraded) == (70, False)


@pytest.mark.contract("router T-2, X-18")
@pytest.mark.long
async def test_four_readers_miss_nothing_while_the_registry_is_swapped(node: Node) -> None:
    for number in range(100):
        await node.create(f"upper{number}")
    ids = [f"upper{number}" for number in range(100)]
    records = list(node.registry.snapshot.by_id.values())
    missed: list[str] = []
    looked = [0] * 4
    swaps = 0

    def read(place: int) -> None:
        while looked[place] < 250_000 or swaps < 200:
            for id in ids:
                try:
                    node.registry.lookup(id)
                except ExtensionNotFound:
                    missed.append(id)
            looked[place] += len(ids)

    readers = [threading.Thread(target=read, args=(place,)) for place in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for reader in readers:
            reader.start()
        while any(reader.is_alive() for reader in readers):
            node.registry.swap(Snapshot.of(node.registry.snapshot.revision + 1, records))
            swaps += 1
    finally:
        sys.setswitchinterval(interval)

    assert (missed, sum(looked) >= 1_000_000, swaps >= 200) == ([], True, True)


@pytest.mark.contract("router X-8, R-2a")
async def test_a_snapshot_that_followed_changes_is_as_one_that_is_made_of_all(node: Node) -> None:
    before = node.registry.snapshot
    guard, upper = before.by_id["pii_guard"], replace(before.by_id["normalize_text"], id="a_upper")
    changed = [
        upper,
        replace(upper, enabled=False, revision=2),
        replace(upper, id="z_lower", type="post"),
        replace(guard, type="pre", revision=2),
        replace(before.by_id["openai_gpt4"], deleted_at=guard.created_at, revision=2),
    ]

    after = before.with_changes(before.revision + 1, changed)

    whole = Snapshot.of(after.revision, after.by_id.values())
    assert (after.checksum, after.by_type) == (whole.checksum, whole.by_type)
    assert [one.id for one in after.by_type["pre"]] == ["normalize_text", "pii_guard"]
    assert [one.id for one in after.by_type["post"]] == ["mask_sensitive_data", "z_lower"]
    assert (after.by_type["validator"], before.by_id["pii_guard"]) == ((), guard)


@pytest.mark.contract("router R-2b, X-23")
async def test_true_is_not_1_and_1_is_1_point_0(node: Node) -> None:
    for said in ('{"a": true}', '{"a": 1}', '{"a": 1.0}', '{"a": true}'):
        node.sql("UPDATE extensions SET config = ? WHERE id = 'pii_guard'", said)
        await node.loader.reload()
    entries = node.sql("SELECT action FROM extension_audit_log WHERE source = 'sql' AND extension_id = 'pii_guard'")
    assert len(entries) == 3
    assert node.registry.lookup("pii_guard").config["a"] is True

    await node.update("pii_guard", config={"a": 1})
    assert node.registry.lookup("pii_guard").config["a"] is not True
    now = node.registry.lookup("pii_guard")
    await node.update("pii_guard", config={"a": 1.0})
    assert node.registry.lookup("pii_guard") is now
