"""Policies in the registry: one snapshot and one checksum with the router extensions that they name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ringback.kit.db import Statement
from ringback.kit.errors import DatabaseUnavailable, ValidationFailed
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Status
from ringback.router.audit import service as audit
from ringback.router.canonical import checksum_of
from ringback.router.extensions import service as extensions
from ringback.router.extensions.following import Follower
from ringback.router.extensions.keeping import Keeper, read
from ringback.router.extensions.registry import Snapshot
from ringback.router.policies import service, store, wire
from ringback.router.policies.adopting import adopt
from ringback.router.policies.ending import Ending
from ringback.router.policies.model import InUse, Policy, PolicyNotFound
from ringback.router_node import access_keys
from tests.router.conftest import Node

ACME, OTHER = UUID("3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"), UUID("b1d7c2aa-0f35-4c0e-8a66-5d0c9b7e4f21")
CALM: dict[str, Any] = {"pre": [{"id": "normalize_text", "mode": "optional"}]}


async def create(node: Node, id: str = "calm", customer: UUID = ACME, **more: Any) -> Policy:
    asked = wire.NewRouterPolicy(policy_id=id, document={**CALM, "deadline_ms": 50}, **more)
    return (await node.do(lambda uow: service.create(uow, customer, asked), by="key:app")).policy


async def update(node: Node, id: str = "calm", **changes: Any) -> Policy:
    asked = wire.ChangeRouterPolicy(**changes)
    return (await node.do(lambda uow: service.update(uow, ACME, id, asked))).policy


async def entries(node: Node, count: int) -> list[tuple[str, str, str]]:
    """Of the audit log, newest first: what, done to which policy, by whom."""
    found = await node.work.read(lambda uow: audit.latest(uow, None, 1 << 62, count))
    assert {one.entity for one in found} == {"policy"}
    return [(one.action, one.extension_id.rpartition("/")[2], one.changed_by) for one in found]


async def agrees(node: Node, made: Callable[[], Node]) -> None:
    """A node that starts now, and finds nothing strange, serves the same."""
    fresh = made()
    assert (await fresh.loader.reload()).ok
    assert fresh.registry.snapshot == node.registry.snapshot
    assert (await fresh.work.read(audit.verify)).ok


@pytest.mark.contract("router R-2a, R-1a")
async def test_another_node_takes_over_what_changed_without_reading_all(
    node: Node, make_node: Callable[[], Node]
) -> None:
    other = make_node()
    await other.loader.reload()
    asked: list[Statement] = []
    other.before_statement = asked.append

    made = await create(node)
    changed = await update(node, enabled=False)
    assert await other.loader.catch_up()

    assert other.registry.snapshot.policy(ACME, "calm") == changed == replace(made, enabled=False, revision=2,
        updated_at=changed.updated_at, updated_by="key:ops")  # fmt: skip
    assert other.registry.snapshot == node.registry.snapshot
    assert store.BEHIND not in asked
    with pytest.raises(PolicyNotFound):
        other.registry.snapshot.policy(OTHER, "calm")

    await node.do(lambda uow: service.delete(uow, ACME, "calm"))
    assert await other.loader.catch_up()
    assert other.registry.snapshot.policies == {} == node.registry.snapshot.policies
    await agrees(node, make_node)


@pytest.mark.contract("router T-3")
async def test_a_policy_is_found_in_memory(node: Node) -> None:
    await create(node)
    node.fail_from(0)
    assert node.registry.snapshot.policy(ACME, "calm").document["deadline_ms"] == 50


async def test_a_snapshot_that_followed_changes_is_as_one_that_is_made_of_all(node: Node) -> None:
    await create(node)
    await create(node, "calm", OTHER)
    await create(node, "brief")
    await update(node, document={**CALM, "deadline_ms": 60, "sticky": "context.x"})
    await node.do(lambda uow: service.delete(uow, OTHER, "calm"))

    now = node.registry.snapshot
    assert Snapshot.of(now.revision, now.by_id.values(), now.policies.values()) == now


async def test_what_another_node_has_done_to_an_extension_counts_before_this_one_has_heard_of_it(
    node: Node, make_node: Callable[[], Node]
) -> None:
    other = make_node()
    await other.loader.reload()
    await node.do(lambda uow: extensions.delete(uow, "normalize_text"))
    with pytest.raises(Exception, match="names no router extension"):
        await create(other)
    await other.loader.catch_up()

    await node.do(lambda uow: extensions.restore(uow, "normalize_text"))
    await create(node)
    with pytest.raises(InUse):
        await other.do(lambda uow: extensions.delete(uow, "normalize_text"))


async def test_a_customer_who_is_gone_keeps_no_policies(node: Node, make_node: Callable[[], Node]) -> None:
    for number in range(3):
        await create(node, f"p{number}")
    await create(node, "theirs", OTHER)
    ending = Ending(node.work, node.registry)
    await ending.once()
    assert len(node.registry.snapshot.policies) == 4

    await node.do(lambda uow: realms.set_status(uow, ACME, Status.DELETED))  # type: ignore[arg-type]
    await ending.once()

    assert list(node.registry.snapshot.policies) == [(OTHER, "theirs")]
    assert {by for _, _, by in await entries(node, 3)} == {"system:customer_deleted"}
    await agrees(node, make_node)


async def test_policies_end_some_at_a_time(node: Node) -> None:
    for number in range(3):
        await create(node, f"p{number}")
    ended = [await node.do(lambda uow: service.end_all(uow, ACME, most=2)) for _ in range(3)]
    assert ended == [2, 1, 0]


@pytest.mark.contract("router R-2b")
async def test_rows_changed_by_sql_are_adopted_by_the_next_reload(node: Node, make_node: Callable[[], Node]) -> None:
    for id in ("changed", "ended", "gone"):
        await create(node, id)
    node.sql("UPDATE router_policies SET purpose = 'direct_call' WHERE policy_id = 'changed'")
    node.sql("UPDATE router_policies SET deleted_at = updated_at WHERE policy_id = 'ended'")
    node.sql("DELETE FROM router_policies WHERE policy_id = 'gone'")
    node.sql("INSERT INTO router_policies (customer_id, policy_id, document) VALUES (?, 'new', '{}')", str(ACME))

    assert (await node.loader.reload()).ok

    assert {id for _, id in node.registry.snapshot.policies} == {"changed", "new"}
    changed = node.registry.snapshot.policy(ACME, "changed")
    assert (changed.purpose, changed.revision, changed.updated_by) == ("direct_call", 2, "external:sql")
    (row,) = node.sql("SELECT fails, deadline_ms FROM router_policies WHERE policy_id = 'changed'")
    assert row == {"fails": "open", "deadline_ms": 50}
    assert sorted(await entries(node, 4)) == [
        ("created", "new", "external:sql"), ("deleted", "ended", "external:sql"), ("deleted", "gone", "external:sql"),
        ("updated", "changed", "external:sql"),
    ]  # fmt: skip
    revision = node.registry.snapshot.revision
    keys = [f"{ACME}/{id}" for id in ("changed", "ended", "gone", "new")]
    await node.do(lambda uow: adopt(uow, ids=keys))  # another node, which has seen them at the same time
    assert (await node.loader.reload()).ok
    assert node.registry.snapshot.revision == revision
    await agrees(node, make_node)

    again = await create(node, "gone")
    assert again.revision == 3


@pytest.mark.contract("router F-17, R-1c, R-3")
@pytest.mark.parametrize(
    "harm",
    [
        'document = \'{"pre": [{"id": "normalize_text", "mode": "requird"}]}\'',
        "document = '[]'",
        "purpose = 'calls'",
    ],
)
async def test_a_broken_row_keeps_its_last_good_version_and_hinders_no_other(
    node: Node, make_node: Callable[[], Node], harm: str
) -> None:
    good = await create(node)
    await create(node, "other")
    node.sql(f"UPDATE router_policies SET {harm} WHERE policy_id = 'calm'")

    for one in (node, make_node()):
        done = await one.loader.reload()
        assert (done.ok, [bad.id for bad in done.rejected]) == (True, [f"{ACME}/calm"])
        assert one.registry.snapshot.policy(ACME, "calm") == good
        assert one.registry.snapshot.checksum == node.registry.snapshot.checksum

    mended = await update(node, document=CALM)
    assert mended.revision == 2
    assert (await node.loader.reload()).rejected == []
    await agrees(node, make_node)


async def test_a_row_of_no_customer_is_told_and_served_to_nobody(node: Node) -> None:
    insert = "INSERT INTO router_policies (customer_id, policy_id, document) VALUES (?, ?, '{}')"
    for customer, id in (("acme", "a"), (str(ACME), "no/good"), (str(UUID(int=0)), "c")):
        node.sql(insert, customer, id)
    done = await node.loader.reload()
    assert {bad.id for bad in done.rejected} == {"acme/a", f"{ACME}/no/good", f"{UUID(int=0)}/c"}
    assert node.registry.snapshot.policies == {}


@pytest.mark.contract("router R-1d, R-1e")
async def test_the_file_keeps_policies(node: Node, make_node: Callable[[], Node], tmp_path: Path) -> None:
    await create(node)
    file = tmp_path / "registry.json"
    await Keeper(node.work, node.loader, file, access_keys).keep()

    late = make_node()
    late.fail_from(0)
    keeper = Keeper(late.work, late.loader, file, access_keys)
    await Follower(late.loader, interval=60, poll=1, otherwise=keeper.restore).once()
    assert late.registry.snapshot == node.registry.snapshot
    with pytest.raises(DatabaseUnavailable):
        await create(late, "other")


async def test_a_file_from_before_there_were_policies_is_read(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "registry.json"
    await Keeper(node.work, node.loader, file, access_keys).keep()
    body = file.read_text().partition("\n")[2].replace(',"policies":[]', "")
    file.write_text(f'{{"format":1,"sha256":"{checksum_of(body)}"}}\n{body}')
    kept = read(file)
    assert kept
    assert kept[1] == node.registry.snapshot


async def test_a_change_that_fails_anywhere_changes_nothing(node: Node, make_node: Callable[[], Node]) -> None:
    await create(node)
    before = node.registry.snapshot
    number = 0
    while True:
        node.fail_from(number)
        try:
            await update(node, enabled=False)
        except DatabaseUnavailable:
            assert node.registry.snapshot is before
            number += 1
            continue
        break
    assert number > 5
    node.before_statement = lambda statement: None
    await agrees(node, make_node)


@pytest.mark.contract("router R-6c")
async def test_a_policy_is_switched_off_whatever_has_become_of_what_it_names(node: Node) -> None:
    await node.create("upper")
    await create(node, "calls", purpose="direct_call")
    await update(node, "calls", document={"pre": [{"id": "upper"}]})
    await node.do(lambda uow: extensions.delete(uow, "upper", force=True))

    off = await node.do(
        lambda uow: service.update(uow, ACME, "calls", wire.ChangeRouterPolicy(enabled=False), merge=True)
    )

    assert (off.policy.enabled, off.warnings) == (False, ["unknown_extension"])
    with pytest.raises(ValidationFailed):
        await update(node, "calls", enabled=True)
