"""A registry of ten thousand: how it is read, and who waits for it meanwhile."""

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from ringback.kit.db import Statement
from ringback.router import store as heads
from ringback.router.canonical import text_of
from ringback.router.extensions import store
from ringback.router.extensions.loading import SLICE, Read, differences
from ringback.router.extensions.registry import Snapshot
from ringback.router.reading import Shelf
from ringback.router.store import Head
from ringback.router.work import Uow
from tests.router.conftest import Node

MANY = 10_000


class Seen(ThreadPoolExecutor):
    """Threads, and what they were asked to do."""

    def __init__(self) -> None:
        super().__init__(1)
        self.asked: list[Any] = []

    def submit(self, call: Any, /, *args: Any, **more: Any) -> Future[Any]:
        self.asked += call.args
        return super().submit(call, *args, **more)


async def fill(node: Node) -> Snapshot:
    """Many records as if they had been made one by one, in a second."""
    first = await node.create("number_0")
    before = node.registry.snapshot
    some = [replace(first, id=f"number_{number}", subject=f"beamline.ext.pre.number_{number}.v1", config={"a": number})
            for number in range(1, MANY)]  # fmt: skip
    after = before.with_changes(before.revision + 1, some)

    async def written(uow: Uow) -> None:
        for record in some:
            await uow.session.run(store.ADD, **store.to_row(record))
            await uow.session.run(
                store.ADD_REVISION,
                extension_id=record.id,
                revision=1,
                registry_revision=after.revision,
                action="created",
                document=text_of(record.document()),
                checksum=record.checksum,
                comment=None,
                created_at=uow.now,
                created_by="test",
            )
        head = await heads.read(uow.session)
        await heads.move(uow.session, Head(after.revision, after.checksum, head.audit_id, head.audit_hash), uow.now)

    await node.work.write(written, patience=120)
    return after


@pytest.mark.contract("router T-9")
@pytest.mark.long
async def test_ten_thousand_are_read_in_pages_and_made_beside_the_loop(make_node: Callable[[], Node]) -> None:
    one, node = make_node(), make_node()
    await one.loader.reload()
    filled = await fill(one)
    asked: Counter[Statement] = Counter()
    collecting: set[bool] = set()

    def watch(statement: Statement) -> None:
        asked.update([statement])
        collecting.add(gc.isenabled())

    node.before_statement = watch
    threads = Seen()
    asyncio.get_running_loop().set_default_executor(threads)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    meanwhile = asyncio.create_task(others())
    before = gc.get_freeze_count()
    done = await node.loader.reload()
    meanwhile.cancel()
    frozen = gc.get_freeze_count() - before
    gc.unfreeze()

    assert (done.ok, done.changed, node.registry.snapshot.checksum) == (True, MANY + 6, filled.checksum)
    assert store.PAGE <= 200
    assert asked[store.BEHIND] == (MANY + 6) // store.PAGE + 2
    assert turns > MANY // store.PAGE
    assert frozen > MANY
    assert (collecting, gc.isenabled(), sys.getswitchinterval()) == ({False}, True, SLICE)
    beside = Counter(call.__name__ for call in threads.asked if callable(call))
    assert beside == {
        Read.over.__name__: 1, Shelf.add.__name__: asked[store.BEHIND] - 1, Read.end.__name__: 1,
        differences.__name__: 1,
    }  # fmt: skip
