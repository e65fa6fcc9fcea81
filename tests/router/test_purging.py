"""What was deleted long ago goes for good, and nothing else does."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest

from ringback.kit.errors import Failure
from ringback.router.audit import service as audit
from ringback.router.extensions import service
from ringback.router.extensions.model import ExtensionNotFound, RouterExtension
from ringback.router.extensions.purging import purge, purgeable
from tests.router.conftest import Node
from tests.router.test_writing import everything


async def delete(node: Node, id: str) -> None:
    await node.do(lambda uow: service.delete(uow, id))


async def purged(node: Node, days: int = 30) -> list[RouterExtension]:
    """Purge what was deleted so many days ago."""
    before = node.now - timedelta(days=days)
    ids = await node.work.read(lambda uow: purgeable(uow, before))
    return await node.do(lambda uow: purge(uow, ids, before))


@pytest.fixture
async def old(node: Node) -> Node:
    """A node of which one extension was deleted a month ago, one is live, and one was deleted today."""
    await node.create("upper", config={"a": 1})
    await node.update("upper", timeout_ms=70)
    node.sql("INSERT INTO extension_health (extension_id, node_id, success_count) VALUES ('upper', 'node0', 7)")
    await delete(node, "upper")
    node.now += timedelta(days=30, seconds=1)
    for id in ("lower", "plain"):
        await node.create(id)
    await delete(node, "plain")
    return node


@pytest.mark.contract("router R-6c, F-4")
async def test_what_was_deleted_a_month_ago_goes_and_its_audit_stays(old: Node) -> None:
    revision = old.registry.snapshot.revision
    events = len(old.sql("SELECT id FROM registrar_outbox"))

    (gone,) = await purged(old)

    assert (gone.id, gone.revision) == ("upper", 4)
    assert old.sql("SELECT id FROM extensions WHERE id IN ('upper', 'lower', 'plain') ORDER BY id") == [
        {"id": "lower"}, {"id": "plain"},
    ]  # fmt: skip
    assert old.sql("SELECT * FROM extension_health") == []
    kept = old.sql("SELECT revision, action, registry_revision FROM extension_revisions WHERE extension_id = 'upper'")
    assert kept == [{"revision": 4, "action": "purged", "registry_revision": revision + 1}]
    entries = await old.do(lambda uow: audit.latest(uow, "upper", 1 << 62, 10))
    assert [entry.action for entry in entries] == ["purged", "deleted", "updated", "created"]
    assert (entries[0].changed_by, entries[0].changes()["config"]) == ("key:ops", {"old": {"a": 1}, "new": {}})
    assert (await old.do(audit.verify)).ok
    told = old.sql("SELECT event_type FROM registrar_outbox ORDER BY id")[events:]
    assert [row["event_type"] for row in told] == ["registry_revision"]


@pytest.mark.contract("router R-6c, R-2a")
async def test_no_node_takes_a_purge_for_anything_else(old: Node, make_node: Callable[[], Node]) -> None:
    other = make_node()
    await other.loader.reload()
    entries = len(old.sql("SELECT id FROM extension_audit_log"))
    await purged(old)

    await other.loader.catch_up()
    assert (other.loader.stats().load_count, other.registry.snapshot == old.registry.snapshot) == (1, True)
    for node in (old, other):
        assert (await node.loader.reload()).ok
        assert node.loader.rejected == []
    assert len(old.sql("SELECT id FROM extension_audit_log")) == entries + 1
    assert await purged(old) == []


@pytest.mark.contract("router R-6c, D-4")
async def test_a_purged_id_is_not_restored_and_made_anew_its_numbers_go_on(old: Node) -> None:
    await purged(old)
    with pytest.raises(ExtensionNotFound):
        await old.do(lambda uow: service.restore(uow, "upper"))

    again = await old.create("upper")

    assert (again.revision, again.timeout_ms, again.config) == (5, 5000, {})
    assert (await old.loader.reload()).changed == 0
    await delete(old, "upper")
    assert (await old.do(lambda uow: service.restore(uow, "upper"))).revision == 7


@pytest.mark.contract("router R-6c")
async def test_what_came_with_the_schema_stays(old: Node) -> None:
    await old.update("pii_guard", timeout_ms=70)
    for id in ("pii_guard", "mock_provider"):
        await delete(old, id)
    await old.create("pii_guard", "validator")
    await delete(old, "pii_guard")
    old.now += timedelta(days=31)
    before = old.now - timedelta(days=30)

    assert sorted(one.id for one in await purged(old)) == ["plain", "upper"]
    assert await old.do(lambda uow: purge(uow, ["pii_guard"], before)) == []
    assert (await old.do(lambda uow: service.restore(uow, "mock_provider"))).is_live


@pytest.mark.contract("router R-6c")
async def test_what_was_restored_meanwhile_is_not_purged(old: Node) -> None:
    before = old.now - timedelta(days=30)
    await old.do(lambda uow: service.restore(uow, "upper"))
    state = everything(old)

    assert await old.do(lambda uow: purge(uow, ["upper", "lower", "plain", "nobody"], before)) == []
    assert everything(old) == state


@pytest.mark.contract("router F-4")
async def test_a_failure_before_any_statement_of_a_purge_leaves_everything_as_before(old: Node) -> None:
    state = everything(old)
    before = old.now - timedelta(days=30)
    for number in count():
        old.fail_from(number)
        try:
            await old.do(lambda uow: purge(uow, ["upper"], before))
            break
        except Failure:
            assert everything(old) == state

    assert number > 8
