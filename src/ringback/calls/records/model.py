"""A call: who called whom, when, for how long, and how it ended; made of what Asterisk tells of its channels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from ringback.kit.errors import NotFound
from ringback.registrar.extensions.model import Extension
from ringback.registrar.trunks.model import Trunk
from ringback.sip.cel import PHONE, REJECTED, TRUNK, UNSCREENED, ChannelEvent

PUBLISHER: Final = "call-manager"
State = Literal["ringing", "up", "ended"]
Direction = Literal["internal", "direct", "trunk_in", "trunk_out"]
By = Literal["", "caller", "callee", "server"]

RESTARTED: Final = (41, "server_restarted")
LOST: Final = "lost"
"""The reason of a call whose end nobody has told."""
REASONS: Final = {
    1: "unallocated_number",
    3: "no_route",
    16: "normal_clearing",
    17: "user_busy",
    18: "no_user_responding",
    19: "no_answer",
    20: "subscriber_absent",
    21: "call_rejected",
    22: "number_changed",
    27: "destination_out_of_order",
    28: "invalid_number_format",
    31: "normal_unspecified",
    34: "no_circuit_available",
    38: "network_out_of_order",
    41: "temporary_failure",
    42: "switch_congestion",
    58: "bearer_not_available",
    88: "incompatible_destination",
    102: "recovery_on_timer_expiry",
    111: "protocol_error",
    127: "interworking",
}
"""Causes of Q.850 and our words for them."""
CANCELLED: Final = (16, "cancelled")
NO_ANSWER: Final = (19, "no_answer")
BY_POLICY: Final = {REJECTED: "rejected_by_policy", UNSCREENED: "policy_failed"}
"""Why a call was refused before it rang (router P-6), by what the dialplan says."""


class CallNotFound(NotFound):
    """There is no such call."""

    reason = "CALL_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one customer. `linkedid` is what Asterisk calls it, `server` the system name of that Asterisk.

    `tm_create` is when it began. `cause` is a number of Q.850, `reason` a word for it (`REASONS`,
    `CANCELLED`, `BY_POLICY`).
    """

    id: UUID
    customer_id: UUID
    server: str
    linkedid: str
    state: State
    direction: Direction
    caller: str
    called: str
    caller_extension_id: UUID | None
    called_extension_id: UUID | None
    tm_create: datetime
    tm_answer: datetime | None = None
    tm_end: datetime | None = None
    cause: int | None = None
    reason: str = ""
    ended_by: By = ""
    trunk_id: UUID | None = None

    @property
    def duration(self) -> float:
        """Seconds talked, so far as it is known: of a call that has ended."""
        if self.tm_answer is None or self.tm_end is None:
            return 0.0
        return max(0.0, (self.tm_end - self.tm_answer).total_seconds())


@dataclass(frozen=True, slots=True)
class Group:
    """Events of one call, in their order."""

    events: tuple[ChannelEvent, ...]

    @property
    def first(self) -> ChannelEvent | None:
        """The beginning of the caller's channel, if it is among them."""
        return next((event for event in self.events if event.is_first and event.kind == "CHAN_START"), None)

    @property
    def rung(self) -> Sequence[ChannelEvent]:
        """The beginnings of the channels that it rings."""
        return [event for event in self.events if event.kind == "CHAN_START" and not event.is_first]

    @property
    def trunk(self) -> str:
        """The realm of the trunk that it comes in or goes out by, so far as the dialplan has told."""
        return self._said(TRUNK)

    @property
    def caller(self) -> str:
        """The endpoint of who has begun it, which is empty as long as that is not told."""
        return self._said(PHONE) or (self.first.endpoint if self.first else "")

    def _said(self, kind: str) -> str:
        return next((event.said for event in self.events if event.kind == kind), "")

    @property
    def wanted(self) -> Sequence[str]:
        """The endpoints that it rings, or would but for a policy."""
        return [*(event.endpoint for event in self.rung), *filter(None, map(self._said, BY_POLICY))]

    @property
    def is_over(self) -> bool:
        return any(map(is_end, self.events))


def is_end(event: ChannelEvent) -> bool:
    """Whether the caller's channel has ended with it, or all of them have."""
    return event.kind == "LINKEDID_END" or (event.kind == "HANGUP" and event.is_first)


def is_direct(called: str) -> bool:
    return called.lower().startswith("direct.")


def begun(
    id: UUID, group: Group, caller: Extension | None, called: Extension | None, trunk: Trunk | None
) -> Call | None:
    """The call that these events begin, or `None` as long as nobody knows whose it is.

    It is that of the customer whose phone rings; where none does, of the caller's, be it a phone or a trunk.
    """
    event = group.first or group.events[0]
    if (of := called or caller or trunk) is None:
        return None
    is_own = caller is not None and caller.customer_id == of.customer_id
    direct = is_direct(event.called)
    return Call(
        id=id,
        customer_id=of.customer_id,
        server=event.server,
        linkedid=event.call,
        state="ringing",
        direction="direct" if direct else "internal" if caller else "trunk_in",
        caller=caller.number if caller else event.caller,
        called=event.called if group.first else "",
        caller_extension_id=caller.id if caller and is_own else None,
        called_extension_id=called.id if called else None,
        tm_create=event.at,
    )


def by(call: Call, trunk: Trunk) -> Call:
    """The call, as it comes in or goes out by that trunk; another customer's is not told."""
    if call.trunk_id is not None or trunk.customer_id != call.customer_id:
        return call
    return replace(call, trunk_id=trunk.id, direction="trunk_out" if call.direction == "internal" else call.direction)


def rings(call: Call, extension: Extension | None) -> Call:
    """The call, as a phone of that extension rings for it, or (`None`) somebody who is none of ours."""
    if call.called_extension_id is not None or call.state == "ended":
        return call
    if extension is None:
        return replace(call, direction="trunk_out") if call.direction == "internal" else call
    return replace(call, called_extension_id=extension.id) if extension.customer_id == call.customer_id else call


def after(call: Call, event: ChannelEvent) -> Call:
    """What an event makes of a call; one that has ended stays as it is."""
    if call.state == "ended":
        return call
    if event.kind == "ANSWER" and event.is_first and call.state == "ringing":
        return replace(call, state="up", tm_answer=event.at)
    if event.kind in BY_POLICY:
        return replace(call, reason=BY_POLICY[event.kind])
    if is_end(event):
        return _ended(call, event)
    return call


def cut_off(call: Call, at: datetime) -> Call:
    """The call, as its server has started anew at that time."""
    cause, reason = RESTARTED
    return replace(call, state="ended", tm_end=at, cause=cause, reason=reason, ended_by="server")


def lost(call: Call) -> Call:
    """The call, as nobody knows how it ended, or when: nothing is counted as talked."""
    return replace(call, state="ended", tm_end=call.tm_answer or call.tm_create, reason=LOST, ended_by="server")


def _ended(call: Call, event: ChannelEvent) -> Call:
    cause, reason = event.cause, call.reason or REASONS.get(event.cause or 0, "unknown")
    if call.tm_answer is None and event.status == "CANCEL":
        cause, reason = CANCELLED
    if call.tm_answer is None and event.status == "NOANSWER" and cause in (None, 16):
        cause, reason = NO_ANSWER
    refused = event.status in ("BUSY", "NOANSWER") and cause != NO_ANSWER[0]
    by: By = "callee" if refused else "server"
    if event.ended_by.startswith("PJSIP/"):
        by = "caller" if event.ended_by == event.channel else "callee"
    return replace(call, state="ended", tm_end=event.at, cause=cause, reason=reason, ended_by=by)
