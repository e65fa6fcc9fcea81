"""The rules of sessions: how they begin, go on and end, and who has failed too often to begin one."""

from dataclasses import asdict
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from ringback.customers.sessions import store
from ringback.customers.sessions.model import LENGTH, Device, RefreshToken, Session, SessionNotFound
from ringback.kit.pages import Cursor, Page
from ringback.kit.secret import Secret
from ringback.kit.uow import UnitOfWork

WINDOW: Final = timedelta(minutes=15)
MOST: Final = 10
"""Failures within the window; then nobody signs in with that e-mail address for as long."""


async def begin(uow: UnitOfWork, person_id: UUID, device: Device) -> tuple[Session, Secret]:
    """A new session, and its first refresh token; what is over is cleared away."""
    await store.drop_old(uow.session, uow.now, uow.now - WINDOW)
    token = RefreshToken.first(uow.new_id())
    session = Session(
        token.session_id,
        person_id,
        token.family_hash,
        token.hash,
        tm_create=uow.now,
        tm_expire=uow.now + LENGTH,
        address=device.address,
        user_agent=device.user_agent,
    )
    await store.add(uow.session, session)
    return session, token.text


async def renew(uow: UnitOfWork, text: str, device: Device) -> tuple[Session, Secret | None] | None:
    """The session of a refresh token, and the token that comes after it.

    A token that was followed by another one is in two hands: that ends the session, and no token comes after it.
    """
    token = RefreshToken.parse(text)
    session = await living(uow, token.session_id) if token else None
    if token is None or session is None or session.family_hash != token.family_hash:
        return None
    after = token.next()
    seen = {"refresh_hash": after.hash, "tm_refresh": uow.now, **asdict(device)}
    if not await store.renew(uow.session, session.id, token.hash, seen):
        await store.drop(uow.session, session.id)
        return session, None
    return session, after.text


async def end(uow: UnitOfWork, text: str) -> Session | None:
    """End the session of a refresh token, be it followed by another one, and give it; `None` where there is none."""
    token = RefreshToken.parse(text)
    session = await store.get(uow.session, token.session_id) if token else None
    if token is None or session is None or session.family_hash != token.family_hash:
        return None
    await store.drop(uow.session, session.id)
    return session


async def end_one(uow: UnitOfWork, id: UUID, *, of: UUID) -> Session:
    """End a session of that person, and give it; another's is not there."""
    session = await living(uow, id)
    if session is None or session.person_id != of:
        raise SessionNotFound
    await store.drop(uow.session, id)
    return session


async def end_all(uow: UnitOfWork, person_id: UUID, *, but: UUID | None = None) -> int:
    """End all sessions of a person, but for that one; how many."""
    return await store.drop_all(uow.session, person_id, but)


async def page(uow: UnitOfWork, person_id: UUID, cursor: Cursor | None, size: int) -> Page[Session]:
    """Sessions of a person that have not ended, newest first."""
    wanted = {"person_id": person_id}
    return await store.LISTING.page(uow.session, wanted, cursor, size, deleted=False, now=uow.now)


async def living(uow: UnitOfWork, id: UUID) -> Session | None:
    session = await store.get(uow.session, id)
    return session if session and uow.now < session.tm_expire else None


async def locked_until(uow: UnitOfWork, email: str) -> datetime | None:
    """Until when nobody signs in with that address, since too many tries have failed, whoever it is of, if of anybody.

    `None` where it is not so.
    """
    found = await store.failed(uow.session, _hash(email))
    until = found[1] + WINDOW if found and found[0] >= MOST else uow.now
    return until if uow.now < until else None


async def fail(uow: UnitOfWork, email: str) -> int:
    """Count a failure, and give the count; the last that is allowed, `MOST`, begins the time without any."""
    await store.begin_failing(uow.session, _hash(email), uow.now)
    found = await store.failed(uow.session, _hash(email), lock=True)
    count, since = found if found and uow.now < found[1] + WINDOW else (0, uow.now)
    await store.fail(uow.session, _hash(email), count + 1, _begin(count + 1, since, uow.now))
    return count + 1


def _begin(count: int, since: datetime, now: datetime) -> datetime:
    return now if count >= MOST else since


async def forgive(uow: UnitOfWork, email: str) -> None:
    """Forget the failures with that address."""
    await store.forget(uow.session, _hash(email))


def _hash(email: str) -> str:
    """Nobody's address is kept for trying."""
    return sha256(email.encode("utf-8", "surrogatepass")).hexdigest()
