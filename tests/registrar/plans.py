"""Plans in tests: files as texts, planned, applied and undone in one world."""

from pathlib import Path
from typing import Any, Final
from uuid import UUID

from ringback.kit import marked
from ringback.kit.audit import Actor
from ringback.kit.errors import ValidationFailed
from ringback.registrar.plans import service, wire
from ringback.registrar.plans.model import Done, Plan, fields_of
from ringback.registrar.plans.wire import Wanted
from tests.world import World

BY: Final = Actor("cli:test", "cli")


def file(text: str, folder: Path = Path(), **environment: str) -> Wanted:
    found = marked.read(text.encode())
    return wire.wanted(found.value, found.faults, folder, environment)


def faults(text: str, **environment: str) -> list[tuple[int, str]]:
    """(line, field) of all that is wrong with a file."""
    found = marked.read(text.encode())
    try:
        wire.wanted(found.value, found.faults, Path(), environment)
    except ValidationFailed as failure:
        return sorted((found.line_of(fault.field), fault.field) for fault in failure.faults)
    return []


async def plan(world: World, wanted: Wanted, *, prune: bool = False, of: UUID | None = None) -> Plan:
    return await world.ringback.work.read(
        lambda uow: service.plan(uow, of or world.customer, wanted, prune=prune or wanted.prune)
    )


async def apply(world: World, wanted: Wanted, planned: Plan | None = None, of: UUID | None = None) -> Done:
    """What was planned, or what a plan of now says."""
    chosen = planned or await plan(world, wanted, of=of)
    work = world.ringback.work.acting(BY)
    return await work.write(lambda uow: service.apply(uow, wanted, chosen), patience=60)


async def undo(world: World, number: int | None = None, *, force: bool = False, of: UUID | None = None) -> Done:
    """The newest apply, or the one of that number."""
    customer = of or world.customer
    chosen = number or (await world.ringback.work.read(lambda uow: service.last(uow, customer))).number
    return await world.ringback.work.write(lambda uow: service.undo(uow, customer, chosen, force=force), patience=60)


async def there(world: World, of: UUID | None = None) -> dict[str, Any]:
    """What the customer has, by what a file may say of it."""
    state = await world.ringback.work.read(lambda uow: service.look(uow, of or world.customer))
    phones = {key: fields_of(one) for key, one in sorted(state.extensions.items())}
    return {**phones, **{key: fields_of(one) for key, one in sorted(state.trunks.items())}}


def said(planned: Plan | Done) -> list[str]:
    """`action key field…` of each change."""
    return [" ".join([one.action, one.key, *(item.field for item in one.fields)]) for one in planned.changes]
