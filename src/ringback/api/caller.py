"""Who is asking, and for which customer: decided in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import jwt

from ringback.customers.keys import service as keys
from ringback.customers.keys.model import OPERATOR, PREFIX
from ringback.kit.errors import PermissionDenied, Unauthenticated, ValidationFailed
from ringback.kit.routing import parse_id
from ringback.registrar.realms import service as realms
from ringback.registrar.work import Uow

MAY_MANAGE: Final = 0x20 | 0x40 | 0x01
"""Bits of a VoIPbin agent's permission: customer admin, customer manager, project admin."""


class InvalidCredentials(Unauthenticated):
    """The access key is not valid."""

    reason = "INVALID_CREDENTIALS"


class AccountFrozen(PermissionDenied):
    """The account is frozen."""

    reason = "ACCOUNT_FROZEN"


class DirectAccessNotSupported(PermissionDenied):
    """Tokens of direct access are not accepted here."""

    reason = "DIRECT_ACCESS_NOT_SUPPORTED"


@dataclass(frozen=True, slots=True)
class Caller:
    """A customer's own credential, or (`None`) the platform operator's."""

    customer_id: UUID | None


async def customer_of(uow: Uow, authorization: str | None, named: str | None) -> UUID:
    """The customer that a request is for. Only the operator may name one, and must."""
    caller = await who(uow, authorization)
    if caller.customer_id is None:
        return _named(named)
    if named is not None:
        raise ValidationFailed(customer_id="may be named by the platform operator only")
    if await realms.is_deleted(uow, caller.customer_id):
        raise InvalidCredentials
    if await realms.is_frozen(uow, caller.customer_id):
        raise AccountFrozen
    return caller.customer_id


async def who(uow: Uow, authorization: str | None) -> Caller:
    """The holder of a `Bearer` credential: an access key of ours, or an agent's token of VoIPbin."""
    if not authorization:
        raise Unauthenticated
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidCredentials
    token = token.strip()
    if not token.startswith(PREFIX):
        return agent(token, uow)
    key = await keys.holder(uow, token)
    if key is None or (key.customer_id is None and OPERATOR not in key.roles):
        raise InvalidCredentials
    return Caller(key.customer_id)


def agent(token: str, uow: Uow) -> Caller:
    """The customer of a VoIPbin agent's token (registrar 18.1), if `jwt_key` is set and the agent may manage."""
    if uow.settings.jwt_key is None:
        raise InvalidCredentials
    try:
        claims = jwt.decode(token, uow.settings.jwt_key.get_secret_value(), algorithms=["HS256", "HS384", "HS512"])
        expired = "expire" in claims and datetime.fromisoformat(claims["expire"]) <= uow.now
    except (jwt.InvalidTokenError, ValueError, TypeError):
        raise InvalidCredentials from None
    if expired:
        raise InvalidCredentials
    if claims.get("type") == "direct":
        raise DirectAccessNotSupported
    if claims.get("type", "agent") != "agent":
        raise InvalidCredentials
    return _agent_caller(claims.get("agent"))


def _agent_caller(claimed: object) -> Caller:
    if not isinstance(claimed, Mapping):
        raise InvalidCredentials
    found: Mapping[str, Any] = claimed
    permission = found.get("permission")
    if not isinstance(permission, int) or not permission & MAY_MANAGE:
        raise PermissionDenied
    try:
        return Caller(parse_id(str(found.get("customer_id"))))
    except ValueError:
        raise InvalidCredentials from None


def _named(text: str | None) -> UUID:
    if text is None:
        raise ValidationFailed(customer_id="is required with the operator's key")
    try:
        id = parse_id(text)
    except ValueError:
        id = UUID(int=0)
    if id.int == 0:
        raise ValidationFailed(customer_id="must be a UUID, not nil")
    return id
