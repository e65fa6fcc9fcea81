"""Signing in and out over REST: `/v1.0/auth`."""

from typing import Any, Final
from uuid import UUID

from ringback.api.call import Answer, Call, Nothing, Route
from ringback.customers.people import service, signing, wire
from ringback.customers.people.signing import NoSession, WrongPassword
from ringback.customers.rights import ONESELF
from ringback.customers.sessions import service as sessions
from ringback.kit.routing import Routes
from ringback.registrar.work import Uow

SMALL: Final = 4096
"""Bytes of a body that anybody may send."""
OPEN: Final[dict[str, Any]] = {"right": None, "largest": SMALL}

routes: Routes[Route] = Routes(whose="all")


@routes.on("POST", "/v1.0/auth/login", name="login", body=wire.SignIn, answers=wire.SignedIn, refuses=(429,), **OPEN)
async def login(call: Call[Uow]) -> Answer:
    """Sign in with an e-mail address and a password.

    The access token is a Bearer for 15 minutes, the refresh token gets the next one. After ten failures within a
    quarter of an hour nobody signs in with that address for a quarter of an hour (429 SIGN_IN_LOCKED).
    """
    signed_in = await signing.sign_in(call.uow, call.body)
    return Answer(signed_in) if signed_in else Answer(Nothing(), refused=WrongPassword())


@routes.on("POST", "/v1.0/auth/refresh", name="refresh", body=wire.Refresh, answers=wire.SignedIn, **OPEN)
async def refresh(call: Call[Uow]) -> Answer:
    """Get new tokens for a refresh token, which works this once.

    Sent a second time it is in two hands, so it ends the session. A session lasts 30 days.
    """
    signed_in = await signing.refresh(call.uow, call.body.refresh_token)
    return Answer(signed_in) if signed_in else Answer(Nothing(), refused=NoSession())


@routes.on("POST", "/v1.0/auth/logout", name="logout", body=wire.Refresh, answers=wire.SignedOut, **OPEN)
async def logout(call: Call[Uow]) -> Answer:
    """Sign out: the session of a refresh token ends, and its access tokens with it.

    What is no refresh token, or none any more, is signed out already.
    """
    await sessions.end(call.uow, call.body.refresh_token.reveal())
    return Answer(wire.SignedOut(signed_out=True))


@routes.on("GET", "/v1.0/auth/whoami", right=ONESELF, name="whoami", answers=wire.WhoAmI)
async def whoami(call: Call[Uow]) -> Answer:
    """Read who you are: whose key or token you have sent, and what you may do."""
    caller = call.caller
    kind, _, id = caller.identity.partition(":")
    name, email = caller.name.partition(":")[2], None
    if kind == "person":
        person = await service.get(call.uow, UUID(id), of=caller.customer_id)
        name, email = person.name, person.email
    roles, limits = sorted(caller.roles), caller.limits
    scopes = None if limits.scopes is None else sorted(limits.scopes)
    return Answer(wire.WhoAmI(kind, id, name, email, caller.customer_id, roles, scopes, limits.tm_expire))
