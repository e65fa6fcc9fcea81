"""A registry over a database of its own, as one node of the router has it."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ringback.kit.audit import Actor
from ringback.kit.db import Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.router.extensions import service, wire
from ringback.router.extensions.loading import Loader
from ringback.router.extensions.model import RouterExtension
from ringback.router.extensions.registry import Registry
from ringback.router.work import Uow, router_work
from tests.router.grounds import File, Ground, OnServer

T = TypeVar("T")


class Node:
    """One process of the router, at a time of its own."""

    def __init__(self, ground: Ground, name: str) -> None:
        self.ground = ground
        self.now = datetime(2026, 1, 5, 10, tzinfo=UTC)
        self.before_statement: Callable[[Statement], None] = lambda statement: None
        self.database = ground.open(lambda statement: self.before_statement(statement))
        self.registry = Registry(name)
        self.work = router_work(self.database, self.registry, clock=self.clock)
        self.loader = Loader(self.work, self.registry)

    def clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def fail_from(self, number: int) -> None:
        """From the statement of that number on, the next one being 0, the database does not answer."""
        numbers = count()

        def before(statement: Statement) -> None:
            if next(numbers) >= number:
                raise DatabaseUnavailable

        self.before_statement = before

    async def do(self, verb: Callable[[Uow], Awaitable[T]], by: str = "key:ops") -> T:
        """Run a verb that may write, as the operator over REST."""

        return await self.work.acting(Actor(by, "rest", "req_1")).write(verb)

    async def create(self, id: str = "upper", type: str = "pre", **more: Any) -> RouterExtension:
        room = {"pre": "ext.pre", "validator": "ext.validate", "post": "ext.post", "provider": "provider"}[type]
        asked = {"id": id, "type": type, "subject": f"beamline.{room}.{id}.v1", **more}
        return await self.do(lambda uow: service.create(uow, wire.NewRouterExtension(**asked)))

    async def update(
        self, one: str, *, merge: bool = False, expected: Container[int] | None = None, **changes: Any
    ) -> Any:
        asked = wire.ChangeRouterExtension(**changes)
        return await self.do(lambda uow: service.update(uow, one, asked, merge=merge, expected=expected))

    def sql(self, text: str, *values: Any) -> list[dict[str, Any]]:
        """What somebody with a SQL client sees, or does."""
        return self.ground.sql(text, *values)


MakeGround = Callable[[Path], Ground]


@pytest.fixture(scope="session")
def make_ground(template: Path, request: pytest.FixtureRequest) -> Iterator[MakeGround]:
    """Where the nodes of a test stand: on a file in the folder, or with `--on` on a server."""
    engine = request.config.getoption("--on")
    with ExitStack() as stack:
        if not engine:
            yield lambda folder: File(Path(shutil.copy(template, folder / "router.db")))
            return
        ground = OnServer(stack.enter_context(request.getfixturevalue(engine).database()))
        stack.callback(ground.close)

        def refreshed(folder: Path) -> Ground:
            ground.refresh()
            return ground

        yield refreshed


@pytest.fixture
async def make_node(make_ground: MakeGround, tmp_path: Path) -> AsyncIterator[Callable[..., Node]]:
    """Nodes on one database, which have not loaded anything yet."""
    ground = make_ground(tmp_path)
    made: list[Node] = []

    def make() -> Node:
        made.append(Node(ground, f"node{len(made)}"))
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
