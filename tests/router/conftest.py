"""A registry over a database of its own, as one node of the router has it."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ringback.kit.db import Statement
from ringback.kit.sqlite import SqliteDatabase
from ringback.router.audit.model import Actor
from ringback.router.extensions import service, wire
from ringback.router.extensions.loading import Loader
from ringback.router.extensions.model import RouterExtension
from ringback.router.extensions.registry import Registry
from ringback.router.work import Uow, router_work
from ringback.schema import OWN_TABLES, ROUTER_TABLES

T = TypeVar("T")


class Node:
    """One process of the router, at a time of its own."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.now = datetime(2026, 1, 5, 10, tzinfo=UTC)
        self.before_statement: Callable[[Statement], None] = lambda statement: None
        self.database = SqliteDatabase(
            path, *OWN_TABLES, *ROUTER_TABLES, watch=lambda statement: self.before_statement(statement)
        )
        self.registry = Registry(name)
        self.work = router_work(self.database, self.registry, clock=self.clock)
        self.loader = Loader(self.work, self.registry)

    def clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    async def do(self, verb: Callable[[Uow], Awaitable[T]], by: str = "key:ops") -> T:
        """Run a verb that may write, as the operator over REST."""

        async def done(uow: Uow) -> T:
            uow.by = Actor(by, "rest", "req_1")
            return await verb(uow)

        return await self.work.write(done)

    async def create(self, id: str = "upper", type: str = "pre", **more: Any) -> RouterExtension:
        room = {"pre": "ext.pre", "validator": "ext.validate", "post": "ext.post", "provider": "provider"}[type]
        asked = {"id": id, "type": type, "subject": f"beamline.{room}.{id}.v1", **more}
        return await self.do(lambda uow: service.create(uow, wire.NewExtension(**asked)))

    async def update(self, one: str, *, merge: bool = False, expected: int | None = None, **changes: Any) -> Any:
        asked = wire.ChangeExtension(**changes)
        return await self.do(lambda uow: service.update(uow, one, asked, merge=merge, expected=expected))

    def sql(self, text: str, *values: Any) -> list[dict[str, Any]]:
        """What somebody with a SQL client sees, or does."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.row_factory = sqlite3.Row
            return [dict(row) for row in other.execute(text, values)]


@pytest.fixture
async def make_node(template: Path, tmp_path: Path) -> AsyncIterator[Callable[..., Node]]:
    """Nodes on one database, which have not loaded anything yet."""
    path = tmp_path / "router.db"
    shutil.copy(template, path)
    made: list[Node] = []

    def make() -> Node:
        made.append(Node(path, f"node{len(made)}"))
        return made[-1]

    yield make
    for node in made:
        node.database.close()


@pytest.fixture
async def node(make_node: Callable[[], Node]) -> Node:
    """One that serves the six initial extensions."""
    node = make_node()
    assert (await node.loader.reload()).ok
    return node
