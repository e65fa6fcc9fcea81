"""The rules of sessions: how they begin, go on and end, and who has failed too often to begin one."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from ringback.customers.sessions import store
from ringback.customers.sessions.model import LENGTH, RefreshToken, Session
from ringback.kit.secret import Secret
from ringback.kit.uow import UnitOfWork

WINDOW: Final = timedelta(minutes=15)
MOST: Final = 10
"""Failures within the window; then nobody signs in with that e-mail address for as long."""


async def begin(uow: UnitOfWork, person_id: UUID) -> tuple[Session, Secret]:
    """A new session, and its first refresh token; what is over is cleared away."""
    await store.drop_old(uow.session, uow.now, uow.now - WINDOW)
    token = RefreshToken.first(uow.new_id())
    session = Session(token.session_id, person_id, token.family_hash, token.hash, uow.now, uow.now + LENGTH)
    await store.add(uow.session, session)
    return session, token.text


async def renew(uow: UnitOfWork, text: str) -> tuple[Session, Secret] | None:
    """The session of a refresh token, and the token that comes after it.

    A token that was followed by another one is in two hands: that ends the session.
    """
    token = RefreshToken.parse(text)
    session = await living(uow, token.session_id) if token else None
    if token is None or session is None or session.family_hash != token.family_hash:
        return None
    after = token.next()
    if not await store.renew(uow.session, session.id, token.hash, after.hash):
        await store.drop(uow.session, session.id)
        return None
    return session, after.text


async def end(uow: UnitOfWork, text: str) -> None:
    """End the session of a refresh token, be it followed by another one; nothing happens to what is none."""
    token = RefreshToken.parse(text)
    session = await store.get(uow.session, token.session_id) if token else None
    if token and session and session.family_hash == token.family_hash:
        await store.drop(uow.session, session.id)


async def end_all(uow: UnitOfWork, person_id: UUID) -> None:
    await store.drop_all(uow.session, person_id)


async def living(uow: UnitOfWork, id: UUID) -> Session | None:
    session = await store.get(uow.session, id)
    return session if session and uow.now < session.tm_expire else None


async def is_locked(uow: UnitOfWork, email: str) -> bool:
    """Whether too many tries with that address have failed of late, whoever it is of, if of anybody."""
    found = await store.failed(uow.session, _hash(email))
    return found is not None and found[0] >= MOST and uow.now < found[1] + WINDOW


async def fail(uow: UnitOfWork, email: str) -> None:
    """Count a failure; the last that is allowed begins the time without any."""
    await store.begin_failing(uow.session, _hash(email), uow.now)
    found = await store.failed(uow.session, _hash(email), lock=True)
    count, since = found if found and uow.now < found[1] + WINDOW else (0, uow.now)
    await store.fail(uow.session, _hash(email), count + 1, _begin(count + 1, since, uow.now))


def _begin(count: int, since: datetime, now: datetime) -> datetime:
    return now if count >= MOST else since


async def forgive(uow: UnitOfWork, email: str) -> None:
    """Forget the failures with that address."""
    await store.forget(uow.session, _hash(email))


def _hash(email: str) -> str:
    """Nobody's address is kept for trying."""
    return sha256(email.encode("utf-8", "surrogatepass")).hexdigest()
