"""Access keys for admins and for the operator: `/v1.0/accesskeys`."""

from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from ringback.api.call import Answer, Call, Route, etag
from ringback.customers.keys import service, wire
from ringback.customers.keys.model import AccessKey, State
from ringback.customers.rights import MANAGE
from ringback.kit.columns import NIL
from ringback.kit.pages import LARGEST, PageSize, PageToken, cursor_of
from ringback.kit.reading import Asked
from ringback.kit.routing import Routes

routes: Routes[Route] = Routes(right=MANAGE, whose="either")
ROOT: Final = "/v1.0/accesskeys"
ONE: Final = f"{ROOT}/<accesskey-id>"


class ListAccesskeys(Asked, frozen=True, kw_only=True):
    """Which access keys, and which page of them."""

    page_size: PageSize = LARGEST
    page_token: PageToken | None = None
    prefix: Annotated[str, msgspec.Meta(description="only those whose first ten characters are these")] | None = None
    name: Annotated[str, msgspec.Meta(description="only those with exactly this name")] | None = None
    state: Annotated[State, msgspec.Meta(description="only those that work, have expired or were revoked")] | None = (
        None
    )


class AccesskeyPage(msgspec.Struct, frozen=True):
    """A page of access keys; `next_page_token` is empty on the last one."""

    result: list[wire.CustomerManagerAccesskey]
    next_page_token: str


def whose(call: Call[Any]) -> UUID | None:
    """The customer that is asked for; `None` is the platform itself."""
    return None if call.customer_id == NIL else call.customer_id


@routes.on("POST", ROOT, name="create_accesskey", body=wire.NewKey, answers=wire.CustomerManagerAccesskey, status=201)
async def create(call: Call[Any]) -> Answer:
    """Make an access key, whose clear text is shown this once.

    It may be given what you have yourself and no more: roles of your customer; of your own key's scopes, addresses and
    time some. With the scope `pipeline:run` it needs no role.
    """
    key, token = await service.create(call.uow, whose(call), call.body, call.caller.limits)
    made = wire.shown(key, call.uow.now, token)
    return Answer(made, 201, f"{ROOT}/{key.id}", tag=_tag(call, key))


@routes.on("GET", ROOT, name="list_accesskeys", query=ListAccesskeys, answers=AccesskeyPage)
async def find(call: Call[Any]) -> Answer:
    """List access keys, newest first, those that have ended too; none in clear."""
    asked: ListAccesskeys = call.query
    named = {"token_prefix": asked.prefix, "name": asked.name}
    wanted = {name: value for name, value in named.items() if value is not None}
    cursor = cursor_of(asked.page_token)
    found = await service.page(call.uow, whose(call), wanted, asked.state, cursor, asked.page_size)
    return Answer(AccesskeyPage([wire.shown(key, call.uow.now) for key in found.items], found.next_token))


@routes.on("GET", ONE, name="get_accesskey", answers=wire.CustomerManagerAccesskey)
async def get(call: Call[Any]) -> Answer:
    """Read an access key: what it may do, until when, and when it was used last, to the minute."""
    return _answer(call, await service.get(call.uow, call.id, of=whose(call)))


@routes.on("DELETE", ONE, name="delete_accesskey", answers=wire.CustomerManagerAccesskey)
async def revoke(call: Call[Any]) -> Answer:
    """Revoke an access key: its next request is refused. It stays in the list."""
    if call.if_match is not None:
        call.require_match(_state(call, await service.get(call.uow, call.id, of=whose(call))))
    return _answer(call, await service.revoke_owned(call.uow, call.id, of=whose(call)))


def _answer(call: Call[Any], key: AccessKey) -> Answer:
    return Answer(wire.shown(key, call.uow.now), tag=_tag(call, key))


def _tag(call: Call[Any], key: AccessKey) -> str:
    return etag(_state(call, key))


def _state(call: Call[Any], key: AccessKey) -> msgspec.Struct:
    """The key as its tag means it: its use is no change of it."""
    return msgspec.structs.replace(wire.shown(key, call.uow.now), tm_last_use=None)
