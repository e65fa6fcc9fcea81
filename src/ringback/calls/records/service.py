"""The rules of calls: made of what Asterisk tells, found, forgotten."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from ringback.calls.records import store
from ringback.calls.records.making import PATIENCE, Making, grouped, told
from ringback.calls.records.model import Call, CallNotFound, lost
from ringback.calls.records.wire import ListCalls
from ringback.kit.db import Conflict
from ringback.kit.pages import Page, cursor_of
from ringback.registrar.work import Uow
from ringback.sip import cel

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Between them all calls begin. What lies beyond means the same, and need not be a time in UTC."""


async def take(uow: Uow) -> int:
    """Make calls, and their news, of the oldest events, which go in the same transaction; how many it were.

    Those that wait for others hold up none behind them: where they are many, the oldest go.
    """
    found = [cel.event_of(row, uow.now) for row in await cel.waiting(uow.session)]
    taken: list[int] = []
    waiting: list[int] = []
    groups = grouped(found)
    making = await Making.of(uow, groups)
    for group in groups:
        rows = taken if await making.take(group) else waiting
        rows += [event.row for event in group.events]
    await making.write()
    taken += waiting[: max(0, len(waiting) - cel.BATCH // 2)]
    if taken and await cel.take(uow.session, taken) != len(taken):
        raise Conflict  # another instance has them
    return len(taken)


async def overdue(uow: Uow, late: timedelta) -> tuple[int, timedelta, bool]:
    """How many of the oldest events wait, how long the first does, and whether some are `late`: nobody takes them."""
    found = [cel.event_of(row, uow.now) for row in await cel.waiting(uow.session)]
    ends = [group.events[-1].at for group in grouped(found) if group.is_over]
    first = min((event.at for event in found), default=uow.now)
    return len(found), uow.now - first, min(*ends, first + PATIENCE, uow.now) <= uow.now - late


async def are_waiting(uow: Uow) -> bool:
    """Whether there is anything to take."""
    return await cel.are_waiting(uow.session)


async def get(uow: Uow, id: UUID, *, of: UUID) -> Call:
    """A call of that customer."""
    call = await store.one(uow.session, id)
    if call is None or call.customer_id != of:
        raise CallNotFound
    return call


async def page(uow: Uow, customer_id: UUID, asked: ListCalls) -> Page[Call]:
    """One page of the customer's, newest first."""
    wanted = {name: value for name in ("state", "direction", "trunk_id") if (value := getattr(asked, name)) is not None}
    return await store.page(
        uow.session,
        {"customer_id": customer_id, **wanted},
        cursor_of(asked.page_token),
        asked.page_size,
        asked.extension_id,
        min(max(asked.since, EARLIEST), LATEST) if asked.since else None,
    )


async def erase_some(uow: Uow, customer_id: UUID, after: UUID) -> UUID | None:
    """Forget some calls of a customer who is gone, behind `after`; the id of the last, `None` when there is none."""
    return await store.drop_some(uow.session, customer_id, after)


async def lose_some(uow: Uow, before: datetime) -> int:
    """End some calls that began before and have no end: Asterisk's row of it was lost, or Asterisk never came back."""
    found = await store.open_since(uow.session, before)
    for call in found:
        await store.change(uow.session, told(uow, call, lost(call)))
    return len(found)


async def forget_some(uow: Uow, before: datetime) -> int:
    """Forget some calls that began before; how many."""
    return await store.drop_old(uow.session, before)
