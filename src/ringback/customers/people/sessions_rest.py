"""Sessions over REST: one's own at `/v1.0/auth/sessions`, a person's at `/v1.0/people/<person-id>/sessions`."""

from typing import Any, Final
from uuid import UUID

from ringback.api.call import Answer, Call, Route
from ringback.customers.keys.rest import whose
from ringback.customers.people import rest, service
from ringback.customers.rights import MANAGE, ONESELF
from ringback.customers.sessions import service as sessions
from ringback.customers.sessions import wire
from ringback.customers.sessions.model import SessionNotFound
from ringback.kit.pages import cursor_of
from ringback.kit.routing import Routes
from ringback.registrar.work import Uow

OWN: Final = "/v1.0/auth/sessions"
OWN_ONE: Final = f"{OWN}/<session-id>"
ROOT: Final = f"{rest.ONE}/sessions"
ONE: Final = f"{ROOT}/<session-id>"
MINE: Final[dict[str, Any]] = {"right": ONESELF, "whose": "all"}
THEIRS: Final[dict[str, Any]] = {"right": MANAGE, "whose": "either"}

routes: Routes[Route] = Routes()


@routes.on("GET", OWN, name="list_own_sessions", query=wire.ListSessions, answers=wire.SessionPage, **MINE)
async def find_own(call: Call[Uow]) -> Answer:
    """List your sessions, newest first. An access key has none."""
    return await _page(call, call.caller.person_id)


@routes.on("DELETE", OWN, name="end_other_sessions", answers=wire.SessionsEnded, **MINE)
async def end_others(call: Call[Uow]) -> Answer:
    """End all your sessions but this one."""
    caller = call.caller
    if caller.person_id is None:
        return Answer(wire.SessionsEnded(0))
    ended = await service.end_sessions(call.uow, caller.person_id, of=caller.customer_id, but=caller.session_id)
    return Answer(wire.SessionsEnded(ended))


@routes.on("DELETE", OWN_ONE, name="end_own_session", answers=wire.SessionsEnded, **MINE)
async def end_own(call: Call[Uow]) -> Answer:
    """End one of your sessions; this one, too."""
    if call.caller.person_id is None:
        raise SessionNotFound
    await service.end_session(call.uow, call.caller.person_id, call.id, of=call.caller.customer_id)
    return Answer(wire.SessionsEnded(1))


@routes.on("GET", ROOT, name="list_person_sessions", query=wire.ListSessions, answers=wire.SessionPage, **THEIRS)
async def find(call: Call[Uow]) -> Answer:
    """List the sessions of a person, newest first."""
    person = await service.get(call.uow, call.id, of=whose(call))
    return await _page(call, person.id)


@routes.on("DELETE", ROOT, name="end_person_sessions", answers=wire.SessionsEnded, **THEIRS)
async def end_all(call: Call[Uow]) -> Answer:
    """End all sessions of a person: they are signed out at once, and may sign in again."""
    return Answer(wire.SessionsEnded(await service.end_sessions(call.uow, call.id, of=whose(call))))


@routes.on("DELETE", ONE, name="end_person_session", answers=wire.SessionsEnded, **THEIRS)
async def end(call: Call[Uow]) -> Answer:
    """End one session of a person."""
    await service.end_session(call.uow, call.path["person_id"], call.path["session_id"], of=whose(call))
    return Answer(wire.SessionsEnded(1))


async def _page(call: Call[Uow], person_id: UUID | None) -> Answer:
    asked: wire.ListSessions = call.query
    cursor = cursor_of(asked.page_token)
    if person_id is None:
        return Answer(wire.SessionPage([], ""))
    found = await sessions.page(call.uow, person_id, cursor, asked.page_size)
    return Answer(wire.page_of(found, call.caller.session_id))
