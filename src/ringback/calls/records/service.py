"""The rules of calls: made of what Asterisk tells, found, forgotten."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from ringback.calls.records import events, store
from ringback.calls.records.model import Call, CallNotFound, Group, after, begun, by, cut_off, is_direct, lost, rings
from ringback.calls.records.wire import ListCalls
from ringback.kit.db import Conflict
from ringback.kit.pages import Page, cursor_of
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.model import Extension
from ringback.registrar.trunks import service as trunks
from ringback.registrar.trunks.model import Trunk
from ringback.registrar.work import Uow
from ringback.sip import cel
from ringback.sip.cel import ChannelEvent

PATIENCE: Final = timedelta(minutes=5)
"""How long events of a call wait for the one that says whose it is; it comes within milliseconds, or never."""
SOON: Final = timedelta(seconds=5)
"""Until then it is known whether a phone's call goes out by a trunk: its dialplan has asked who rings."""
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
    for group in _groups(found):
        rows = taken if await _take(uow, group) else waiting
        rows += [event.row for event in group.events]
    taken += waiting[: max(0, len(waiting) - cel.BATCH // 2)]
    if taken and await cel.take(uow.session, taken) != len(taken):
        raise Conflict  # another instance has them
    return len(taken)


async def overdue(uow: Uow, late: timedelta) -> tuple[int, timedelta, bool]:
    """How many of the oldest events wait, how long the first does, and whether some are `late`: nobody takes them."""
    found = [cel.event_of(row, uow.now) for row in await cel.waiting(uow.session)]
    ends = [group.events[-1].at for group in _groups(found) if group.is_over]
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
        await store.change(uow.session, _told(uow, call, lost(call)))
    return len(found)


async def forget_some(uow: Uow, before: datetime) -> int:
    """Forget some calls that began before; how many."""
    return await store.drop_old(uow.session, before)


def _groups(found: Iterable[ChannelEvent]) -> Iterator[Group]:
    """By call, in the order in which they began."""
    groups: dict[str, list[ChannelEvent]] = {}
    for event in found:
        groups.setdefault(event.call, []).append(event)
    return (Group(tuple(group)) for group in groups.values())


async def _take(uow: Uow, group: Group) -> bool:
    """Whether these events say all that they ever will."""
    if (start := group.first) and start.is_start_of_server:
        await _cut_off(uow, start)
    call = before = await store.linked(uow.session, group.events[0].call)
    trunk = await trunks.at_realm(uow, group.trunk) if group.trunk else None
    if call is None and (call := await _begun(uow, group, trunk)) is None:
        return group.is_over or group.events[-1].at < uow.now - PATIENCE
    if trunk:
        call = by(call, trunk)
    for event in group.rung:
        call = rings(call, await _extension(uow, event.endpoint))
    if before is None:
        uow.emit(events.started(call))
    for event in group.events:
        call = _told(uow, call, after(call, event))
    if before is None:
        await store.add(uow.session, call)
    elif call != before:
        await store.change(uow.session, call)
    return True


def _told(uow: Uow, before: Call, call: Call) -> Call:
    """What has become of a call, and its news."""
    if call.state == before.state:
        return call
    if call.state == "up":
        uow.emit(events.answered(call))
    else:
        uow.emit(events.ended(call))
        uow.after(uow.memory.metrics.calls_ended.labels(call.direction, call.reason).inc)
    return call


async def _begun(uow: Uow, group: Group, trunk: Trunk | None) -> Call | None:
    """Who called is the endpoint that has proved its password; whom, is the phone that rings, or that should."""
    first = group.first
    caller = await _extension(uow, group.caller)
    called: Extension | None = None
    if caller and first and not is_direct(first.called):
        called = await _extension(uow, f"{first.called}@{caller.realm}")
        is_known = called or trunk or group.rung or group.is_over
        if not is_known and first.at > uow.now - SOON:
            return None  # it may be about to go out by a trunk
    elif trunk and first and not is_direct(first.called):
        called = await extensions.at_number(uow, trunk.customer_id, first.called)
    else:
        for endpoint in group.wanted:
            called = called or await _extension(uow, endpoint)
        if called is None and not group.is_over:
            return None
    return begun(uow.new_id(), group, caller, called, trunk)


async def _extension(uow: Uow, endpoint_id: str) -> Extension | None:
    return await extensions.at_endpoint(uow, endpoint_id) if endpoint_id else None


async def _cut_off(uow: Uow, start: ChannelEvent) -> None:
    """End the calls that this Asterisk had when it ended without a word of them."""
    for before in await store.open_before(uow.session, start.server, start.at):
        await store.change(uow.session, _told(uow, before, cut_off(before, start.at)))
