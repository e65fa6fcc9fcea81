"""Sessions as they are shown: never a token."""

from datetime import datetime
from uuid import UUID

import msgspec

from ringback.customers.sessions.model import Session
from ringback.kit.pages import LARGEST, Page, PageSize, PageToken
from ringback.kit.reading import Asked, Identity


class ListSessions(Asked, frozen=True, kw_only=True):
    """Which page of the sessions."""

    page_size: PageSize = LARGEST
    page_token: PageToken | None = None


class OfSession(Asked, frozen=True, kw_only=True):
    """Which session."""

    session_id: Identity


class CustomerManagerSession(msgspec.Struct, frozen=True):
    """A session: `address` and `user_agent` are those of its last refresh, `is_current` the one that is asking."""

    id: UUID
    person_id: UUID
    tm_create: datetime
    tm_refresh: datetime | None
    tm_expire: datetime
    address: str | None
    user_agent: str | None
    is_current: bool


class SessionPage(msgspec.Struct, frozen=True):
    """A page of sessions; `next_page_token` is empty on the last one."""

    result: list[CustomerManagerSession]
    next_page_token: str


class SessionsEnded(msgspec.Struct, frozen=True):
    """How many sessions have ended: their access tokens are refused."""

    ended: int


def shown(session: Session, current: UUID | None = None) -> CustomerManagerSession:
    return CustomerManagerSession(
        id=session.id,
        person_id=session.person_id,
        tm_create=session.tm_create,
        tm_refresh=session.tm_refresh,
        tm_expire=session.tm_expire,
        address=session.address,
        user_agent=session.user_agent,
        is_current=session.id == current,
    )


def page_of(found: Page[Session], current: UUID | None = None) -> SessionPage:
    return SessionPage([shown(session, current) for session in found.items], found.next_token)
