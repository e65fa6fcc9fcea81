"""Calls as JSON."""

from datetime import datetime
from typing import Annotated, Final, get_args
from uuid import UUID

import msgspec

from ringback.calls.records.model import Call, Direction, State
from ringback.kit.pages import LARGEST, PageSize, PageToken
from ringback.kit.reading import Asked, Identity

DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)
STATES: Final[tuple[State, ...]] = get_args(State)
Moment = Annotated[datetime, msgspec.Meta(tz=True, description="a time with its zone, such as 2026-02-11T09:30:00Z")]


class ListCalls(Asked, frozen=True, kw_only=True):
    """Which calls, and which page of them; `extension_id` is either side's, `since` the first moment that counts."""

    page_size: PageSize = LARGEST
    page_token: PageToken | None = None
    extension_id: Identity | None = None
    trunk_id: Identity | None = None
    state: Annotated[State, msgspec.Meta(description="only those that are there")] | None = None
    direction: Annotated[Direction, msgspec.Meta(description="only those of that way")] | None = None
    since: Moment | None = None


class CallManagerCall(msgspec.Struct, frozen=True):
    """A call. `from` and `to` are what the two sides called themselves and each other; ids of your extensions only.

    `duration` is seconds from the answer to the end; `hangup_cause` a number of Q.850 and `hangup_reason` a word for
    it; `ended_by` is `caller`, `callee` or `server`.
    """

    id: UUID
    customer_id: UUID
    direction: str
    state: str
    from_: str = msgspec.field(name="from")
    to: str
    from_extension_id: UUID | None
    to_extension_id: UUID | None
    trunk_id: UUID | None
    tm_start: datetime
    tm_answer: datetime | None
    tm_end: datetime | None
    duration: float
    hangup_cause: int | None
    hangup_reason: str
    ended_by: str


class CallPage(msgspec.Struct, frozen=True):
    """A page of calls; `next_page_token` is empty on the last one."""

    result: list[CallManagerCall]
    next_page_token: str


def shown(call: Call) -> CallManagerCall:
    """The call as its customer sees it, and as events tell it."""
    return CallManagerCall(
        id=call.id,
        customer_id=call.customer_id,
        direction=call.direction,
        state=call.state,
        from_=call.caller,
        to=call.called,
        from_extension_id=call.caller_extension_id,
        to_extension_id=call.called_extension_id,
        trunk_id=call.trunk_id,
        tm_start=call.tm_create,
        tm_answer=call.tm_answer,
        tm_end=call.tm_end,
        duration=round(call.duration, 3),
        hangup_cause=call.cause,
        hangup_reason=call.reason,
        ended_by=call.ended_by,
    )
