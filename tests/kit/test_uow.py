"""One request, one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from ringback.kit.audit import Actor
from ringback.kit.db import Conflict, Row, Statement
from ringback.kit.errors import DatabaseUnavailable, PeerUnavailable
from ringback.kit.events import Event
from ringback.kit.uow import UnitOfWork, Work

NOW = datetime(2026, 2, 11, tzinfo=UTC)


class Said(msgspec.Struct):
    text: str


class Sessions:
    """A database that notes what is asked of it, and whose commits may fail."""

    is_begun = False
    is_behind = False
    together = 1

    def __init__(self) -> None:
        self.log: list[str] = []
        self.at_commit: list[Exception] = []

    def session(self, *, writes: bool, deadline: float) -> "Sessions":
        self.log.append("write" if writes else "read")
        return self

    async def run(self, statement: Statement, **values: Any) -> int:
        self.log.append(values["event_type"])
        return 1

    async def run_each(self, statement: Statement, rows: Sequence[Row]) -> int:
        self.log += [row["event_type"] for row in rows]
        return len(rows)

    async def insert_if_all_new(self, statement: Statement, rows: Sequence[Row]) -> bool:
        raise NotImplementedError

    async def insert_if_new(self, statement: Statement, **values: Any) -> bool:
        raise NotImplementedError

    async def one(self, statement: Statement, **values: Any) -> Row | None:
        raise NotImplementedError

    async def all(self, statement: Statement, **values: Any) -> list[Row]:
        raise NotImplementedError

    async def commit(self) -> None:
        if self.at_commit:
            raise self.at_commit.pop(0)
        self.log.append("commit")

    async def notify(self, channel: str, text: str) -> None: ...

    async def rollback(self) -> None:
        self.log.append("rollback")

    def turn(self, name: str) -> AbstractAsyncContextManager[bool]:
        return nullcontext(True)

    async def compact(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()


def works(sessions: Sessions) -> Work[UnitOfWork]:
    return Work(sessions, UnitOfWork, lambda: NOW, lambda: sessions.log.append("published"))


def says(log: Callable[[str], None]) -> Any:
    async def verb(uow: UnitOfWork) -> str:
        log("verb")
        uow.emit(Event("test", "said", UUID(int=1), UUID(int=1), Said("x")))
        uow.after(lambda: log("after"))

        async def step() -> None:
            log("step")
            await asyncio.sleep(0)
            log("stepped")

        uow.then(step)
        return "done"

    return verb


async def test_the_events_are_in_the_transaction_and_callbacks_behind_it(sessions: Sessions) -> None:
    assert await works(sessions).write(says(sessions.log.append)) == "done"

    assert sessions.log == ["write", "verb", "said", "commit", "after", "published", "step", "stepped"]


async def test_a_commit_that_fails_calls_nobody_back(sessions: Sessions) -> None:
    sessions.at_commit = [RuntimeError("no")]

    with pytest.raises(RuntimeError):
        await works(sessions).write(says(sessions.log.append))

    assert sessions.log == ["write", "verb", "said", "rollback"]


async def test_a_conflict_runs_the_verb_again_with_nothing_kept(sessions: Sessions) -> None:
    sessions.at_commit = [Conflict(), Conflict()]

    assert await works(sessions).write(says(sessions.log.append)) == "done"

    once = ["write", "verb", "said"]
    end = ["commit", "after", "published", "step", "stepped"]
    assert sessions.log == [*once, "rollback", *once, "rollback", *once, *end]


async def test_the_fourth_conflict_is_the_last(sessions: Sessions) -> None:
    sessions.at_commit = [Conflict() for _ in range(5)]

    with pytest.raises(DatabaseUnavailable):
        await works(sessions).write(says(sessions.log.append))

    assert sessions.log.count("verb") == 4
    assert "after" not in sessions.log


async def test_a_read_without_events_publishes_nothing(sessions: Sessions) -> None:
    async def verb(uow: UnitOfWork) -> datetime:
        assert uow.new_id().version == 4
        return uow.now

    assert await works(sessions).read(verb) == NOW
    assert sessions.log == ["read", "commit"]


async def test_what_follows_the_commit_is_waited_for_beyond_the_deadline(sessions: Sessions) -> None:
    loop, late = asyncio.get_running_loop(), asyncio.Event()

    async def verb(uow: UnitOfWork) -> str:
        loop.call_later(0.6, late.set)
        uow.then(late.wait)
        return "done"

    assert await works(sessions).write(verb, patience=0.5) == "done"


async def test_a_verb_gets_as_long_as_it_is_given_and_no_longer(sessions: Sessions) -> None:
    async def slow(uow: UnitOfWork) -> None:
        await asyncio.Event().wait()

    with pytest.raises(DatabaseUnavailable):
        await works(sessions).write(slow, patience=0.01)

    assert "commit" not in sessions.log


# ---- what others must be asked ----------------------------------------------------------------------------------


def asks(log: Callable[[str], None], answer: Callable[[], str], *questions: str) -> Any:
    async def ask() -> str:
        log("asked")
        await asyncio.sleep(0)
        return answer()

    async def verb(uow: UnitOfWork) -> list[str]:
        log("verb")
        uow.emit(Event("test", "said", UUID(int=1), UUID(int=1), Said("x")))
        return [uow.outside(question, ask) for question in questions]

    return verb


async def test_others_are_asked_while_there_is_no_transaction(sessions: Sessions) -> None:
    answers = ["yes", "no"]

    given = await works(sessions).write(asks(sessions.log.append, lambda: answers.pop(0), "a", "b", "a"))

    assert given == ["yes", "no", "yes"]
    begun = ["write", "verb", "rollback", "asked"]
    assert sessions.log == [*begun, *begun, "write", "verb", "said", "commit", "published"]


async def test_others_are_asked_once_however_often_a_transaction_is_tried(sessions: Sessions) -> None:
    sessions.at_commit = [Conflict(), Conflict()]

    await works(sessions).write(asks(sessions.log.append, lambda: "yes", "a"))

    assert (sessions.log.count("asked"), sessions.log.count("verb")) == (1, 4)
    sessions.at_commit = [Conflict() for _ in range(4)]
    with pytest.raises(DatabaseUnavailable):
        await works(sessions).write(asks(sessions.log.append, lambda: "yes", "a"))
    assert sessions.log.count("asked") == 2


async def test_a_question_that_fails_is_not_asked_again_and_leaves_nothing(sessions: Sessions) -> None:
    def fail() -> str:
        raise PeerUnavailable

    with pytest.raises(PeerUnavailable) as failed:
        await works(sessions).write(asks(sessions.log.append, fail, "a"))

    assert sessions.log == ["write", "verb", "rollback", "asked"]
    assert failed.value.__context__ is None


async def test_the_next_request_asks_for_itself(sessions: Sessions) -> None:
    work, answers = works(sessions), ["yes", "no"]

    given = [await work.read(asks(sessions.log.append, lambda: answers.pop(0), "a")) for _ in range(2)]

    assert given == [["yes"], ["no"]]


# ---- what goes together -----------------------------------------------------------------------------------------


class Doubling:
    """Doubles numbers, all of a transaction at once; `begun` is whether something was said before in that of each."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.begun = False
        self.open = asyncio.Event()
        self.open.set()

    async def all(self, uow: UnitOfWork, whose: str, numbers: Sequence[int]) -> list[int]:
        await self.open.wait()
        self.sessions.log.append(f"{whose} {numbers} {uow.by.name}")
        uow.emit(Event("test", "doubled", UUID(int=1), UUID(int=1), Said("x")))
        return [2 * one for one in numbers]

    def __call__(self, number: int) -> Callable[[UnitOfWork], Awaitable[int]]:
        async def verb(uow: UnitOfWork) -> int:
            self.sessions.is_begun = self.begun
            return await uow.together(self.all, "a", number)

        return verb


@pytest.fixture
def doubles(sessions: Sessions) -> Doubling:
    return Doubling(sessions)


async def all_at_once(work: Work[UnitOfWork], *verbs: Any) -> list[Any]:
    each = (work.acting(Actor(f"number {place}", "rpc")).write(verb) for place, verb in enumerate(verbs))
    return await asyncio.gather(*each, return_exceptions=True)


async def test_several_go_in_one_transaction_and_each_is_answered_behind_its_commit(
    sessions: Sessions, doubles: Doubling
) -> None:
    assert await all_at_once(works(sessions), doubles(1), doubles(2)) == [2, 4]

    assert [one for one in sessions.log if one != "write"] == [
        "a [1, 2] number 1",
        *("doubled", "commit", "published"),
        *("commit", "commit"),  # of those who have said nothing
    ]


async def test_who_has_begun_already_goes_alone_with_all_they_have_said(sessions: Sessions, doubles: Doubling) -> None:
    doubles.begun = True

    assert await works(sessions).write(doubles(1)) == 2

    assert sessions.log == ["write", "a [1] system", "doubled", "commit", "published"]


async def test_a_conflict_is_tried_again_together(sessions: Sessions, doubles: Doubling) -> None:
    sessions.at_commit = [Conflict()]

    assert await all_at_once(works(sessions), doubles(1), doubles(2)) == [2, 4]

    assert sessions.log.count("a [1, 2] number 1") == 2


async def test_a_commit_that_fails_is_told_to_all_and_not_tried_again(sessions: Sessions, doubles: Doubling) -> None:
    sessions.at_commit = [RuntimeError("no")]

    failed = await all_at_once(works(sessions), doubles(1), doubles(2))

    assert [str(one) for one in failed] == ["no", "no"]
    assert sessions.log.count("a [1, 2] number 1") == 1


async def test_what_was_done_with_others_is_over(sessions: Sessions, doubles: Doubling) -> None:
    async def verb(uow: UnitOfWork) -> None:
        await doubles(1)(uow)
        uow.emit(Event("test", "said", UUID(int=1), UUID(int=1), Said("x")))

    with pytest.raises(AssertionError):
        await works(sessions).write(verb)

    assert "said" not in sessions.log


async def test_a_group_ends_when_its_time_is_up_and_the_next_is_served(sessions: Sessions, doubles: Doubling) -> None:
    work = works(sessions)
    doubles.open.clear()
    with pytest.raises(DatabaseUnavailable):
        await work.write(doubles(1), patience=0.01)

    doubles.open.set()

    assert await work.write(doubles(2)) == 4
    assert "a [1] system" not in sessions.log
