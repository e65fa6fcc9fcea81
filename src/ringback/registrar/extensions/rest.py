"""Extensions for customers: `/v1.0/extensions`."""

from typing import Any, Final

import msgspec

from ringback.api.call import Answer, Call, Route, Verb
from ringback.api.wait import Wait
from ringback.customers.rights import READ, WRITE
from ringback.kit.routing import Routes
from ringback.registrar.asked import ONE_PASSWORD
from ringback.registrar.doors import Exactly, ListQuery, page
from ringback.registrar.extensions import service, wire
from ringback.registrar.extensions.model import Provisioned
from ringback.registrar.work import Uow

routes: Routes[Route] = Routes()
ROOT: Final = "/v1.0/extensions"
ONE: Final = f"{ROOT}/<extension-id>"

CHANGES: Final[dict[str, Any]] = {
    "not": {
        "anyOf": [
            ONE_PASSWORD,
            {
                "required": ["direct", "direct_regenerate"],
                "properties": {"direct": {"const": False}, "direct_regenerate": {"const": True}},
            },
        ]
    },
}
"""What the description says of a body beyond its fields: the same rules that the reader and the service follow."""


def waiting(verb: Verb, asked: Wait) -> Verb:
    """The same verb; where that is asked for, its answer comes when no Asterisk remembers the phone as it was."""

    async def done(uow: Uow) -> Answer:
        answer = await verb(uow)

        async def wait() -> None:
            caches = uow.memory.caches
            pending = await caches.wait(uow.rewritten, asked.timeout_ms / 1000)
            answer.added["applied"] = wire.AppliedAtAsterisks(len(caches.each), pending)

        uow.then(wait)
        return answer

    return done if asked.wait else verb


CHANGE: Final[dict[str, Any]] = {
    "query": Wait,
    "around": waiting,
    "body": wire.ChangeExtension,
    "limits": CHANGES,
    "answers": wire.RegistrarManagerExtension,
}


class ListExtensions(ListQuery, frozen=True, kw_only=True):
    """Which extensions, and which page of them."""

    extension: Exactly | None = None


class ExtensionPage(msgspec.Struct, frozen=True):
    """A page of extensions; `next_page_token` is empty on the last one."""

    result: list[wire.RegistrarManagerExtension]
    next_page_token: str


@routes.on(
    "POST",
    ROOT,
    right=WRITE,
    name="create_extension",
    body=wire.NewExtension,
    answers=wire.RegistrarManagerExtension,
    status=201,
)
async def create(call: Call[Uow]) -> Answer:
    """Create an extension: a phone that can register at once."""
    made = _shown(call, await service.create(call.uow, call.customer_id, call.body))
    return Answer(made, 201, f"{ROOT}/{made.id}")


@routes.on("GET", ROOT, right=READ, name="list_extensions", query=ListExtensions, answers=ExtensionPage)
async def find(call: Call[Uow]) -> Answer:
    """List extensions, newest first."""
    found = await page(call, service.page)
    shown = [wire.public(one, call.uow.settings.sip_domain) for one in found.items]
    return Answer(ExtensionPage(shown, found.next_token))


@routes.on("GET", ONE, right=READ, name="get_extension", answers=wire.RegistrarManagerExtension)
async def get(call: Call[Uow]) -> Answer:
    """Read an extension."""
    return Answer(_shown(call, await service.get(call.uow, call.id, of=call.customer_id)))


@routes.on("PUT", ONE, right=WRITE, name="put_extension", **CHANGE)
@routes.on("PATCH", ONE, right=WRITE, name="patch_extension", **CHANGE)
async def change(call: Call[Uow]) -> Answer:
    """Change an extension: absent and null fields stay as they are."""
    await _require_match(call)
    return Answer(_shown(call, await service.change(call.uow, call.id, call.body, of=call.customer_id)))


@routes.on(
    "DELETE",
    ONE,
    right=WRITE,
    name="delete_extension",
    query=Wait,
    around=waiting,
    answers=wire.RegistrarManagerExtension,
)
async def delete(call: Call[Uow]) -> Answer:
    """Delete an extension: its password and its direct address stop working at once."""
    await _require_match(call)
    return Answer(_shown(call, await service.delete(call.uow, call.id, of=call.customer_id)))


@routes.on(
    "POST",
    f"{ONE}/direct-hash-regenerate",
    right=WRITE,
    name="regenerate_extension_direct_hash",
    query=Wait,
    around=waiting,
    answers=wire.RegistrarManagerExtension,
)
async def regenerate(call: Call[Uow]) -> Answer:
    """Give the extension's direct address a new hash; the old one is refused from then on."""
    await _require_match(call)
    asked = wire.ChangeExtension(direct_regenerate=True)
    return Answer(_shown(call, await service.change(call.uow, call.id, asked, of=call.customer_id)))


async def _require_match(call: Call[Uow]) -> None:
    if call.if_match is not None:
        call.require_match(_shown(call, await service.get(call.uow, call.id, of=call.customer_id, lock=True)))


def _shown(call: Call[Uow], of: Provisioned) -> wire.RegistrarManagerExtension:
    return wire.public(of.extension, call.uow.settings.sip_domain, of.secret)
