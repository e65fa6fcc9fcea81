"""Signing in and out: a password for tokens, a refresh token for new ones, a password for another one."""

import math
from typing import Literal
from uuid import UUID

from msgspec.structs import replace

from ringback.customers.people import service
from ringback.customers.people.model import Person
from ringback.customers.people.passwords import NOBODYS
from ringback.customers.people.wire import ChangeOwnPassword, ChangePerson, SignedIn, SignIn
from ringback.customers.sessions import service as sessions
from ringback.customers.sessions import tokens
from ringback.customers.sessions.model import Device, Session
from ringback.kit.errors import Failure, PermissionDenied, ResourceExhausted, Unauthenticated, ValidationFailed
from ringback.kit.secret import Secret
from ringback.kit.uow import UnitOfWork
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Status
from ringback.registrar.work import Uow


class WrongPassword(Unauthenticated):
    """The e-mail address or the password is wrong."""

    reason = "INVALID_CREDENTIALS"


class WrongCurrentPassword(Unauthenticated):
    """The current password is wrong."""

    status, code, reason = "PERMISSION_DENIED", 403, "WRONG_PASSWORD"  # with 401 a client would refresh and try again


class NoSession(Unauthenticated):
    """The refresh token is not valid, or not any more: sign in again."""

    reason = "INVALID_CREDENTIALS"


class TooManyFailures(ResourceExhausted):
    """Too many tries to sign in have failed; try again later."""

    reason = "SIGN_IN_LOCKED"


class AccountFrozen(PermissionDenied):
    """The account is frozen."""

    reason = "ACCOUNT_FROZEN"


async def sign_in(uow: Uow, asked: SignIn, device: Device) -> SignedIn | Failure:
    """Tokens, or why there are none, and one failure more.

    Somebody unknown and a wrong password are one and the same, in what is answered and in how long it takes.
    """
    email = asked.email.lower()
    await _require_unlocked(uow, email)
    person = await service.by_email(uow, email)
    hash = person.password_hash if person else NOBODYS
    fits = uow.outside(("password", hash), lambda: uow.memory.passwords.fits(hash, asked.password))
    proven = person if person and fits and person.status == "active" else None
    state = await _state(uow, proven) if proven else Status.DELETED
    if person is None or state is Status.DELETED:
        await _fail(uow, email, person, "sign_in_refused")
        return WrongPassword()
    if state is Status.FROZEN:
        service.note(uow, person, "sign_in_refused", after={"reason": AccountFrozen.reason})
        return AccountFrozen()
    await sessions.forgive(uow, email)
    session, refresh_token = await sessions.begin(uow, person.id, device)
    _by(uow, person)
    service.note(uow, person, "signed_in", after=service.told(session))
    return await _signed_in(uow, session, refresh_token)


async def refresh(uow: Uow, refresh_token: Secret, device: Device) -> SignedIn | None:
    """New tokens for a session; nothing where there is none, or none any more."""
    session, token = await sessions.renew(uow, refresh_token.reveal(), device) or (None, None)
    if session is None:
        return None
    if token is None:
        if person := await service.by_id(uow, session.person_id):
            service.note(uow, person, "refresh_reused", before=service.told(session))
        return None
    if await service.signed_in(uow, session.person_id) is None:
        return None
    return await _signed_in(uow, session, token)


async def sign_out(uow: Uow, refresh_token: Secret) -> None:
    """End the session of a refresh token; what is none, or none any more, is signed out already."""
    session = await sessions.end(uow, refresh_token.reveal())
    person = await service.by_id(uow, session.person_id) if session else None
    if session and person:
        _by(uow, person)
        service.note(uow, person, "signed_out", before=service.told(session))


async def change_password(
    uow: Uow, id: UUID, session_id: UUID, asked: ChangeOwnPassword, *, of: UUID | None
) -> Failure | None:
    """Another password for who knows the current one, whose other sessions end; a wrong one is one failure more."""
    person = await service.get(uow, id, of=of, lock=True)
    service.require_good(asked.password, person.email)
    await _require_unlocked(uow, person.email)
    hash = person.password_hash
    fits = uow.outside(("password", hash), lambda: uow.memory.passwords.fits(hash, asked.current_password))
    if not fits:
        await _fail(uow, person.email, person, "password_refused")
        return WrongCurrentPassword()
    if asked.password == asked.current_password:
        raise ValidationFailed(password="must be another one")  # noqa: S106
    await sessions.forgive(uow, person.email)
    await service.change(uow, id, ChangePerson(password=asked.password), of=of, but=session_id)
    return None


async def holder(uow: UnitOfWork, token: str) -> tuple[Person, Session] | None:
    """The person whose session an access token names, and that session, if all of it is still so."""
    id = await tokens.session_id_of(uow, token)
    session = await sessions.living(uow, id) if id else None
    person = await service.signed_in(uow, session.person_id) if session else None
    return (person, session) if person and session else None


async def _require_unlocked(uow: Uow, email: str) -> None:
    if until := await sessions.locked_until(uow, email):
        raise TooManyFailures.after(math.ceil((until - uow.now).total_seconds()))


async def _fail(
    uow: Uow, email: str, person: Person | None, action: Literal["sign_in_refused", "password_refused"]
) -> None:
    """One failure more with that address, noted if it is somebody's: so there are never more entries than failures."""
    failures = await sessions.fail(uow, email)
    if failures > sessions.MOST:  # of several at the same time the others were faster
        raise TooManyFailures.after(math.ceil(sessions.WINDOW.total_seconds()))
    if person is None:
        return
    service.note(uow, person, action, after={"failures": failures})
    if failures == sessions.MOST:
        service.note(uow, person, "locked_out", after={"tm_end": uow.now + sessions.WINDOW})


async def _state(uow: Uow, person: Person) -> Status:
    """That of their customer; the platform is always there."""
    return Status.ACTIVE if person.customer_id is None else await realms.status(uow, person.customer_id)


def _by(uow: Uow, person: Person) -> None:
    """Who has proven who they are does what follows."""
    uow.by = replace(uow.by, name=f"person:{person.id}", identity=f"person:{person.id}")


async def _signed_in(uow: UnitOfWork, session: Session, refresh_token: Secret) -> SignedIn:
    access = await tokens.issue(uow, session)
    return SignedIn(access.reveal(), refresh_token.reveal(), "Bearer", int(tokens.LIFE.total_seconds()))
