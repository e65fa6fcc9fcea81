"""Who is asking, and for which customer: decided in one place."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import jwt
from jwt.types import Options
from msgspec import structs

from ringback.api.call import Caller
from ringback.customers.keys import service as keys
from ringback.customers.keys.model import PREFIX, AccessKey
from ringback.customers.people import signing as people
from ringback.customers.people.model import Person
from ringback.customers.people.signing import AccountFrozen
from ringback.customers.rights import MANAGER, OF_CUSTOMERS, PLATFORM
from ringback.customers.sessions.model import Session
from ringback.customers.sessions.tokens import is_ours
from ringback.kit.columns import NIL
from ringback.kit.errors import DatabaseUnavailable, PermissionDenied, Unauthenticated, ValidationFailed
from ringback.kit.routing import parse_id
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Status
from ringback.registrar.work import Uow

MAY_MANAGE: Final = 0x20 | 0x40 | 0x01
"""Bits of a VoIPbin agent's permission: customer admin, customer manager, project admin."""
HMAC: Final = ("HS256", "HS384", "HS512")
UNCHECKED: Final[Options] = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
"""We compare the times ourselves, with the clock of the request."""


class InvalidCredentials(Unauthenticated):
    """The access key is not valid."""

    reason = "INVALID_CREDENTIALS"


class SourceNotAllowed(PermissionDenied):
    """The access key may not be used from this address."""

    reason = "SOURCE_NOT_ALLOWED"


class DirectAccessNotSupported(PermissionDenied):
    """Tokens of direct access are not accepted here."""

    reason = "DIRECT_ACCESS_NOT_SUPPORTED"


def customer_of(caller: Caller, named: str | None, whose: str) -> UUID:
    """The customer that a request is for. Only the operator may name one, and must.

    Where it may be `either` the operator's request without one is for the platform itself: nil.
    """
    if caller.is_operator:
        return NIL if named is None and whose == "either" else _named(named)
    if caller.customer_id is None:
        raise PermissionDenied
    if named is not None:
        raise PermissionDenied(customer_id="may be named by the platform's operator only")
    return caller.customer_id


async def who(uow: Uow, address: str, *credentials: str) -> Caller:
    """The holder of the one `Bearer` credential, unless it is a customer who is frozen or deleted.

    It is an access key, the access token of a person who has signed in, or a token of VoIPbin's agents.
    """
    token = _token(*credentials)
    status = None
    if token.startswith(PREFIX):
        key, status = await keys.holder(uow, token) or (None, None)
        caller = _caller(key, address)
    elif is_ours(token):
        caller = _person(await people.holder(uow, token), address)
    else:
        caller = structs.replace(_agent(token, uow), address=address)
    if caller.customer_id is not None:
        status = status or await realms.status(uow, caller.customer_id)
        if status is Status.DELETED:
            raise InvalidCredentials
        if status is Status.FROZEN:
            raise AccountFrozen
    return caller


def who_by(find: Callable[[str], AccessKey | None], address: str, *credentials: str) -> Caller:
    """The holder by the access keys that are known while the database is away; nobody else is let in then."""
    token = _token(*credentials)
    if not token.startswith(PREFIX):
        raise DatabaseUnavailable
    return _caller(find(token), address)


def _token(*credentials: str) -> str:
    """What stands behind `Bearer`, once."""
    if not any(credentials):
        raise Unauthenticated
    scheme, _, token = credentials[0].partition(" ")
    if len(credentials) > 1 or scheme.lower() != "bearer":
        raise InvalidCredentials
    return token.strip()


def _caller(key: AccessKey | None, address: str) -> Caller:
    if key is None:
        raise InvalidCredentials
    roles = frozenset(key.roles) & (PLATFORM if key.customer_id is None else OF_CUSTOMERS)
    if key.customer_id is None and not roles and key.scopes is None:
        raise InvalidCredentials
    if not key.may_come_from(address):
        raise SourceNotAllowed
    return Caller(
        key.customer_id, f"key:{key.name}", roles, f"key:{key.id}", limits=key.limits, address=address, key_id=key.id
    )


def _person(found: tuple[Person, Session] | None, address: str) -> Caller:
    if found is None:
        raise InvalidCredentials
    person, session = found
    roles = frozenset(person.roles) & (PLATFORM if person.customer_id is None else OF_CUSTOMERS)
    identity = f"person:{person.id}"
    return Caller(
        person.customer_id, identity, roles, identity, address=address, person_id=person.id, session_id=session.id
    )


def _agent(token: str, uow: Uow) -> Caller:
    """The customer of a VoIPbin agent's token (registrar 18.1), if `jwt_key` is set and the agent may manage."""
    if uow.settings.jwt_key is None:
        raise InvalidCredentials
    try:
        claims = jwt.decode(token, uow.settings.jwt_key.get_secret_value(), algorithms=HMAC, options=UNCHECKED)
        is_valid = _is_valid(claims, uow.now)
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
        raise InvalidCredentials from None
    if not is_valid:
        raise InvalidCredentials
    if claims.get("type") == "direct":
        raise DirectAccessNotSupported
    if claims.get("type", "agent") != "agent":
        raise InvalidCredentials
    return _agent_caller(claims.get("agent"))


def _is_valid(claims: Mapping[str, Any], now: datetime) -> bool:
    """Whether a token is for now: `expire` as a time string, `exp` and `nbf` in seconds; one of the ends is needed."""
    ends = [float(claims["exp"])] if "exp" in claims else []
    if "expire" in claims:
        expire = datetime.fromisoformat(claims["expire"])
        ends.append((expire if expire.tzinfo else expire.replace(tzinfo=UTC)).timestamp())
    return bool(ends) and float(claims.get("nbf", 0)) <= now.timestamp() < min(ends)


def _agent_caller(claimed: object) -> Caller:
    if not isinstance(claimed, Mapping):
        raise InvalidCredentials
    found: Mapping[str, Any] = claimed
    try:
        customer_id = _id(str(found.get("customer_id")))
    except ValueError:
        raise InvalidCredentials from None
    permission = found.get("permission")
    if type(permission) is not int or not permission & MAY_MANAGE:
        raise PermissionDenied
    name = f"agent:{found.get('id', '')}"
    return Caller(customer_id, name, frozenset({MANAGER}), name)


def _named(text: str | None) -> UUID:
    if text is None:
        raise ValidationFailed(customer_id="is required with the operator's key")
    try:
        return _id(text)
    except ValueError:
        raise ValidationFailed(customer_id="must be a UUID, not nil") from None


def _id(text: str) -> UUID:
    """A UUID that is not nil, or `ValueError`."""
    id = parse_id(text)
    if id.int == 0:
        raise ValueError(text)
    return id
