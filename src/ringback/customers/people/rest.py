"""People for admins and for the operator: `/v1.0/people`."""

from typing import Annotated, Any, Final

import msgspec

from ringback.api.call import Answer, Call, Route
from ringback.customers.keys.rest import whose
from ringback.customers.people import service, wire
from ringback.customers.rights import MANAGE
from ringback.kit.pages import LARGEST, PageSize, PageToken, cursor_of
from ringback.kit.reading import Asked
from ringback.kit.routing import Routes
from ringback.registrar.work import Uow

routes: Routes[Route] = Routes(right=MANAGE, whose="either")
ROOT: Final = "/v1.0/people"
ONE: Final = f"{ROOT}/<person-id>"


class ListPeople(Asked, frozen=True, kw_only=True):
    """Which people, and which page of them."""

    page_size: PageSize = LARGEST
    page_token: PageToken | None = None
    email: Annotated[str, msgspec.Meta(description="only who has exactly this address")] | None = None
    name: Annotated[str, msgspec.Meta(description="only those with exactly this name")] | None = None


class PersonPage(msgspec.Struct, frozen=True):
    """A page of people; `next_page_token` is empty on the last one."""

    result: list[wire.CustomerManagerPerson]
    next_page_token: str


@routes.on("POST", ROOT, name="create_person", body=wire.NewPerson, answers=wire.CustomerManagerPerson, status=201)
async def create(call: Call[Uow]) -> Answer:
    """Let somebody sign in, with roles of your customer.

    A key with scopes, networks or an end of its own makes nobody, since people have no such limits.
    """
    person, password = await service.create(call.uow, whose(call), call.body, call.caller.limits)
    return Answer(wire.shown(person, password), 201, f"{ROOT}/{person.id}")


@routes.on("GET", ROOT, name="list_people", query=ListPeople, answers=PersonPage)
async def find(call: Call[Uow]) -> Answer:
    """List people, newest first."""
    asked: ListPeople = call.query
    wanted: dict[str, Any] = {} if asked.name is None else {"name": asked.name}
    if asked.email is not None:
        wanted["email"] = asked.email.lower()
    cursor = cursor_of(asked.page_token)
    found = await service.page(call.uow, whose(call), wanted, cursor, asked.page_size)
    return Answer(PersonPage([wire.shown(person) for person in found.items], found.next_token))


@routes.on("GET", ONE, name="get_person", answers=wire.CustomerManagerPerson)
async def get(call: Call[Uow]) -> Answer:
    """Read a person."""
    return Answer(wire.shown(await service.get(call.uow, call.id, of=whose(call))))


@routes.on("PATCH", ONE, name="patch_person", body=wire.ChangePerson, answers=wire.CustomerManagerPerson)
async def change(call: Call[Uow]) -> Answer:
    """Change a person: absent and null fields stay as they are.

    A new password, or `disabled`, ends all their sessions at once; other roles hold from their next request.
    """
    await _require_match(call)
    changed = await service.change(call.uow, call.id, call.body, of=whose(call), by=call.caller.limits)
    return Answer(wire.shown(changed))


@routes.on("DELETE", ONE, name="delete_person", answers=wire.CustomerManagerPerson)
async def delete(call: Call[Uow]) -> Answer:
    """Delete a person: they are signed out at once, and the audit log alone remembers them."""
    await _require_match(call)
    return Answer(wire.shown(await service.delete(call.uow, call.id, of=whose(call))))


async def _require_match(call: Call[Uow]) -> None:
    if call.if_match is not None:
        call.require_match(wire.shown(await service.get(call.uow, call.id, of=whose(call), lock=True)))
