"""Signing in and out: a password for tokens, a refresh token for new ones."""

from ringback.customers.people import service
from ringback.customers.people.model import Person
from ringback.customers.people.passwords import NOBODYS
from ringback.customers.people.wire import SignedIn, SignIn
from ringback.customers.sessions import service as sessions
from ringback.customers.sessions import tokens
from ringback.customers.sessions.model import Session
from ringback.kit.errors import PermissionDenied, ResourceExhausted, Unauthenticated
from ringback.kit.secret import Secret
from ringback.kit.uow import UnitOfWork
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Status
from ringback.registrar.work import Uow


class WrongPassword(Unauthenticated):
    """The e-mail address or the password is wrong."""

    reason = "INVALID_CREDENTIALS"


class NoSession(Unauthenticated):
    """The refresh token is not valid, or not any more: sign in again."""

    reason = "INVALID_CREDENTIALS"


class TooManyFailures(ResourceExhausted):
    """Too many tries to sign in have failed; try again later."""

    reason = "SIGN_IN_LOCKED"


class AccountFrozen(PermissionDenied):
    """The account is frozen."""

    reason = "ACCOUNT_FROZEN"


async def sign_in(uow: Uow, asked: SignIn) -> SignedIn | None:
    """Tokens, or nothing and one failure more.

    Somebody unknown and a wrong password are one and the same, in what is done and in how long it takes.
    """
    email = asked.email.lower()
    if await sessions.is_locked(uow, email):
        raise TooManyFailures
    person = await service.by_email(uow, email)
    hash = person.password_hash if person else NOBODYS
    fits = uow.outside(("password", hash), lambda: uow.memory.passwords.fits(hash, asked.password))
    if not (person and fits and person.status == "active" and await _may(uow, person)):
        await sessions.fail(uow, email)
        return None
    await sessions.forgive(uow, email)
    return await _signed_in(uow, *await sessions.begin(uow, person.id))


async def refresh(uow: Uow, refresh_token: Secret) -> SignedIn | None:
    """New tokens for a session; nothing where there is none, or none any more."""
    renewed = await sessions.renew(uow, refresh_token.reveal())
    if renewed is None or await service.signed_in(uow, renewed[0].person_id) is None:
        return None
    return await _signed_in(uow, *renewed)


async def holder(uow: UnitOfWork, token: str) -> Person | None:
    """The person whose session an access token names, if all of it is still so."""
    id = await tokens.session_id_of(uow, token)
    session = await sessions.living(uow, id) if id else None
    return await service.signed_in(uow, session.person_id) if session else None


async def _may(uow: Uow, person: Person) -> bool:
    """Whether their customer is still there; `AccountFrozen` is for those who have proven who they are."""
    if person.customer_id is None:
        return True
    status = await realms.status(uow, person.customer_id)
    if status is Status.FROZEN:
        raise AccountFrozen
    return status is not Status.DELETED


async def _signed_in(uow: UnitOfWork, session: Session, refresh_token: Secret) -> SignedIn:
    access = await tokens.issue(uow, session)
    return SignedIn(access.reveal(), refresh_token.reveal(), "Bearer", int(tokens.LIFE.total_seconds()))
