"""Access tokens: signed JSON Web Tokens of 15 minutes that name a session, which is looked up at each request."""

import secrets
from datetime import timedelta
from typing import Final
from uuid import UUID

import jwt
from jwt.types import Options

from ringback.customers.sessions.model import Session
from ringback.kit.secret import Secret
from ringback.kit.uow import UnitOfWork
from ringback.registrar.meta import record, recorded_as, recorded_once

KEY: Final = "auth_signing_key"
"""What the installation remembers its key as."""
ALGORITHM: Final = "HS256"
TYPE: Final = "at+jwt"
"""What our tokens say they are in their header (RFC 9068), and those of VoIPbin's agents do not."""
ISSUER: Final = "ringback"
LIFE: Final = timedelta(minutes=15)
OPTIONS: Final[Options] = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "require": ["exp", "iss", "aud", "sid"],
}
"""We compare the times ourselves, with the clock of the request."""


def is_ours(token: str) -> bool:
    """Whether it claims to be an access token; nothing of it is proven."""
    try:
        return jwt.get_unverified_header(token).get("typ") == TYPE
    except jwt.InvalidTokenError:
        return False


async def issue(uow: UnitOfWork, session: Session) -> Secret:
    """A token for the session. The first one makes the key that all are signed with."""
    key = await recorded_once(uow, KEY, secrets.token_hex(32))
    begin = int(uow.now.timestamp())
    claims = {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": str(session.person_id),
        "sid": str(session.id),
        "iat": begin,
        "exp": begin + int(LIFE.total_seconds()),
    }
    return Secret(jwt.encode(claims, key, ALGORITHM, headers={"typ": TYPE}))


async def session_id_of(uow: UnitOfWork, token: str) -> UUID | None:
    """The session that a token of ours names, if it is signed by us and for now."""
    key = await recorded_as(uow, KEY)
    if key is None:
        return None
    try:
        claims = jwt.decode(token, key, [ALGORITHM], OPTIONS, audience=ISSUER, issuer=ISSUER)
        return UUID(claims["sid"]) if uow.now.timestamp() < float(claims["exp"]) else None
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
        return None


async def rotate(uow: UnitOfWork) -> None:
    """Sign with a new key. Tokens of the one before are refused at once: whoever has a session refreshes it."""
    await record(uow, KEY, secrets.token_hex(32))
