"""What the registry of a benchmark holds: records that are made and changed by the write protocol alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from ringback.app import Router
from ringback.kit.uow import Work
from ringback.router.extensions import service, wire
from ringback.router.extensions.loading import LOADING
from ringback.router.extensions.model import TYPES, RouterExtension, Type
from ringback.router.extensions.writing import Change, Standing, write
from ringback.router.work import Uow
from ringback.router.writing import begin

T = TypeVar("T")
Tell = Callable[[str], None]

BATCH: Final = 500
"""Records of one transaction."""
STRIDE: Final = 1_000_003
"""A prime: from one id to the next."""
ROOMS: Final[Mapping[Type, str]] = {
    "pre": "ext.pre",
    "validator": "ext.validate",
    "post": "ext.post",
    "provider": "provider",
}


async def fill(router: Router, count: int, tell: Tell) -> list[str]:
    """Make so many records; their ids."""
    numbers = range(count)
    for some in _batches(numbers):

        async def made(uow: Uow, some: Sequence[int] = some) -> None:
            await write(uow, await begin(uow), [Change("created", None, _record(uow, number)) for number in some])

        await router.work.write(made, patience=LOADING)
        tell(f"{some[-1] + 1} of {count} records made")
    return [_id(number) for number in numbers]


async def change_all(work: Work[Uow], records: Sequence[RouterExtension], timeout_ms: int) -> None:
    """Change each of these records, as another node would; of the records of `router` none follows."""
    for some in _batches(records):

        async def changed(uow: Uow, some: Sequence[RouterExtension] = some) -> None:
            changes = [
                Change("updated", Standing(one, one.revision, one.part), replace(one, timeout_ms=timeout_ms))
                for one in some
            ]
            await write(uow, await begin(uow), changes)

        await work.write(changed, patience=LOADING)


async def change_one(router: Router, ids: Sequence[str], number: int, mark: str) -> None:
    """The change with that number: in turn one of the ids is updated, and one more made, disabled and deleted.

    The names of those begin with the mark.
    """
    extra = f"{mark}_{number // 4}"
    turn = number % 4

    async def changed(uow: Uow) -> None:
        if turn == 0:
            asked = wire.ChangeRouterExtension(timeout_ms=100 + number % 900)
            await service.update(uow, ids[number * STRIDE % len(ids)], asked)
        elif turn == 1:
            await service.create(
                uow, wire.NewRouterExtension(id=extra, type="pre", subject=f"beamline.ext.pre.{extra}.v1")
            )
        elif turn == 2:
            await service.disable(uow, extra)
        else:
            await service.delete(uow, extra)

    await router.work.write(changed)


def mixed(ids: Sequence[str], count: int) -> Iterator[str]:
    """So many of the ids, all equally often, in an order that no cache foresees."""
    return (ids[number * STRIDE % len(ids)] for number in range(count))


def _record(uow: Uow, number: int) -> RouterExtension:
    id, type = _id(number), TYPES[number % len(TYPES)]
    return RouterExtension(
        id=id,
        type=type,
        subject=f"beamline.{ROOMS[type]}.{id}.v1",
        timeout_ms=250,
        retry=1,
        config={"number": number, "language": "en", "patterns": ["email", "phone"]},
        metadata={"owner": "bench", "tags": ["one", "two"]},
        created_at=uow.now,
        created_by=uow.by.name,
        updated_at=uow.now,
        updated_by=uow.by.name,
    )


def _id(number: int) -> str:
    return f"bench_{number}"


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
