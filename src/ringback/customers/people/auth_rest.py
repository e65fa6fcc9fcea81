"""Signing in and out over REST: `/v1.0/auth`."""

from typing import Any, Final
from uuid import UUID

from ringback.api.call import Answer, Call, Nothing, Route
from ringback.customers.people import service, signing, wire
from ringback.customers.people.signing import NoSession
from ringback.customers.rights import ONESELF
from ringback.customers.sessions.model import Device
from ringback.kit.errors import Failure, PermissionDenied
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
    found = await signing.sign_in(call.uow, call.body, device_of(call))
    return Answer(Nothing(), refused=found) if isinstance(found, Failure) else Answer(found)


@routes.on("POST", "/v1.0/auth/refresh", name="refresh", body=wire.Refresh, answers=wire.SignedIn, **OPEN)
async def refresh(call: Call[Uow]) -> Answer:
    """Get new tokens for a refresh token, which works this once.

    Sent a second time it is in two hands, so it ends the session. A session lasts 30 days.
    """
    signed_in = await signing.refresh(call.uow, call.body.refresh_token, device_of(call))
    return Answer(signed_in) if signed_in else Answer(Nothing(), refused=NoSession())


@routes.on("POST", "/v1.0/auth/logout", name="logout", body=wire.Refresh, answers=wire.SignedOut, **OPEN)
async def logout(call: Call[Uow]) -> Answer:
    """Sign out: the session of a refresh token ends, and its access tokens with it.

    What is no refresh token, or none any more, is signed out already.
    """
    await signing.sign_out(call.uow, call.body.refresh_token)
    return Answer(wire.SignedOut(signed_out=True))


@routes.on(
    "POST",
    "/v1.0/auth/password",
    name="change_own_password",
    body=wire.ChangeOwnPassword,
    answers=wire.PasswordChanged,
    right=ONESELF,
    largest=SMALL,
    guesses=True,
)
async def change_password(call: Call[Uow]) -> Answer:
    """Change your own password, which ends all your other sessions.

    A wrong `current_password` is 403 WRONG_PASSWORD and counts as a failure to sign in does. An access key has no
    password.
    """
    person_id, session_id = _oneself(call)
    refused = await signing.change_password(call.uow, person_id, session_id, call.body, of=call.caller.customer_id)
    return Answer(wire.PasswordChanged(changed=True), refused=refused)


@routes.on("GET", "/v1.0/auth/whoami", right=ONESELF, name="whoami", answers=wire.WhoAmI)
async def whoami(call: Call[Uow]) -> Answer:
    """Read who you are: whose key or token you have sent, and what you may do."""
    caller = call.caller
    kind, _, id = caller.identity.partition(":")
    name, email = caller.name.partition(":")[2], None
    if caller.person_id:
        person = await service.get(call.uow, caller.person_id, of=caller.customer_id)
        name, email = person.name, person.email
    roles, limits = sorted(caller.roles), caller.limits
    scopes = None if limits.scopes is None else sorted(limits.scopes)
    return Answer(wire.WhoAmI(kind, id, name, email, caller.customer_id, roles, scopes, limits.tm_expire))


def device_of(call: Call[Any]) -> Device:
    """Where the request comes from."""
    return Device.of(call.caller.address, call.user_agent)


def _oneself(call: Call[Any]) -> tuple[UUID, UUID]:
    """The person who is signed in, and their session."""
    if call.caller.person_id is None or call.caller.session_id is None:
        raise PermissionDenied
    return call.caller.person_id, call.caller.session_id
