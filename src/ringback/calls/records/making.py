"""Calls made of what Asterisk tells: what is known of all that waits is read at once, and new ones are written so."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from ringback.calls.records import events, store
from ringback.calls.records.model import Call, Group, after, begun, by, cut_off, is_direct, rings
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.model import Extension
from ringback.registrar.trunks import service as trunks
from ringback.registrar.trunks.model import Trunk
from ringback.registrar.work import Uow
from ringback.sip.cel import ChannelEvent

PATIENCE: Final = timedelta(minutes=5)
"""How long events of a call wait for the one that says whose it is; it comes within milliseconds, or never."""
SOON: Final = timedelta(seconds=5)
"""Until then it is known whether a phone's call goes out by a trunk: its dialplan has asked who rings."""


def grouped(found: Iterable[ChannelEvent]) -> list[Group]:
    """By call, in the order in which they began."""
    groups: dict[str, list[ChannelEvent]] = {}
    for event in found:
        groups.setdefault(event.call, []).append(event)
    return [Group(tuple(group)) for group in groups.values()]


def told(uow: Uow, before: Call, call: Call) -> Call:
    """What has become of a call, and its news."""
    if call.state == before.state:
        return call
    if call.state == "up":
        uow.emit(events.answered(call))
    else:
        uow.emit(events.ended(call))
        uow.after(uow.memory.metrics.calls_ended.labels(call.direction, call.reason).inc)
    return call


class Making:
    """The calls that some events belong to, and the extensions that they name, as they stand; `write` the new ones."""

    def __init__(self, uow: Uow, calls: Iterable[Call], phones: Iterable[Extension]) -> None:
        self._uow = uow
        self._calls = {call.linkedid: call for call in calls}
        self._phones = {phone.endpoint_id.lower(): phone for phone in phones}
        self._new: list[Call] = []

    @classmethod
    async def of(cls, uow: Uow, groups: Sequence[Group]) -> "Making":
        """All that these events need."""
        calls = await store.linked(uow.session, [group.events[0].call for group in groups])
        names = dict.fromkeys(name for group in groups for name in _named(group))
        return cls(uow, calls, await extensions.at_endpoints(uow, list(names)))

    async def take(self, group: Group) -> bool:
        """Whether these events say all that they ever will."""
        if (start := group.first) and start.is_start_of_server:
            await self._cut_off(start)
        call = before = self._calls.get(group.events[0].call)
        trunk = await trunks.at_realm(self._uow, group.trunk) if group.trunk else None
        if call is None and (call := await self._begun(group, trunk)) is None:
            return group.is_over or group.events[-1].at < self._uow.now - PATIENCE
        if trunk:
            call = by(call, trunk)
        for event in group.rung:
            call = rings(call, self._phone(event.endpoint))
        if before is None:
            self._uow.emit(events.started(call))
        for event in group.events:
            call = told(self._uow, call, after(call, event))
        if before is None:
            self._new.append(call)
        elif call != before:
            await store.change(self._uow.session, call)
        return True

    async def write(self) -> None:
        """Those that are new."""
        await store.add(self._uow.session, self._new)
        self._new = []

    async def _begun(self, group: Group, trunk: Trunk | None) -> Call | None:
        """Who called is the endpoint that has proved its password; whom, is the phone that rings, or that should."""
        first = group.first
        caller = self._phone(group.caller)
        called: Extension | None = None
        if caller and first and not is_direct(first.called):
            called = self._phone(_beside(group.caller, first.called))
            is_known = called or trunk or group.rung or group.is_over
            if not is_known and first.at > self._uow.now - SOON:
                return None  # it may be about to go out by a trunk
        elif trunk and first and not is_direct(first.called):
            called = await extensions.at_number(self._uow, trunk.customer_id, first.called)
        else:
            called = next(filter(None, map(self._phone, group.wanted)), None)
            if called is None and not group.is_over:
                return None
        return begun(self._uow.new_id(), group, caller, called, trunk)

    def _phone(self, endpoint_id: str) -> Extension | None:
        return self._phones.get(endpoint_id.lower())

    async def _cut_off(self, start: ChannelEvent) -> None:
        """End the calls that this Asterisk had when it ended without a word of them."""
        await self.write()
        for before in await store.open_before(self._uow.session, start.server, start.at):
            call = told(self._uow, before, cut_off(before, start.at))
            await store.change(self._uow.session, call)
            self._calls[call.linkedid] = call


def _named(group: Group) -> Iterable[str]:
    """The endpoints that may have a part in it."""
    dialled = [_beside(group.caller, group.first.called)] if group.first and group.caller else []
    return filter(None, (group.caller, *dialled, *group.wanted))


def _beside(endpoint_id: str, number: str) -> str:
    """The endpoint of that number in the same realm."""
    return f"{number}@{endpoint_id.rpartition('@')[2]}"
