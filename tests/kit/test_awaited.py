"""A database that is not there yet."""

import asyncio

import pytest
from structlog.testing import capture_logs

from ringback.kit.awaited import Awaited
from ringback.kit.db import Database
from ringback.kit.errors import CannotStart, DatabaseAway, DatabaseUnavailable
from ringback.kit.outbox import pending
from ringback.kit.uow import UnitOfWork, Work
from tests.world import World

pytestmark = pytest.mark.sqlite


class Door:
    """What opens the database, once it can; it counts the tries."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.answer: Exception | None = DatabaseAway("database_dsn_bin: nobody answers")
        self.tries = 0
        self.awaited = Awaited(self.open)
        self.work = Work(self.awaited, UnitOfWork)

    async def open(self) -> Database:
        self.tries += 1
        await asyncio.sleep(0)
        if self.answer:
            raise self.answer
        return self.world.open()

    async def look(self) -> int:
        waiting, _ = await self.work.read(lambda uow: pending(uow.session))
        return waiting


@pytest.fixture
def door(world: World) -> Door:
    return Door(world)


async def test_whoever_needs_it_tries_to_open_it_and_all_who_wait_share_a_try(door: Door) -> None:
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            await door.look()
    assert door.tries == 2

    door.answer = None
    assert await asyncio.gather(*(door.look() for _ in range(5))) == [0] * 5
    assert (door.tries, await door.look()) == (3, 0)


async def test_a_verb_that_says_nothing_to_it_needs_none(door: Door) -> None:
    async def nothing(uow: UnitOfWork) -> str:
        return "done"

    assert (await door.work.write(nothing), door.tries) == ("done", 0)


async def test_what_only_its_operator_can_mend_is_told_to_him_and_logged_once(door: Door) -> None:
    door.answer = CannotStart("database_dsn_bin: run 'ringback db upgrade'")
    with pytest.raises(CannotStart):
        await door.awaited.there()
    with capture_logs() as logged:
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                await door.look()
    assert [line["error"] for line in logged] == [str(door.answer)]
