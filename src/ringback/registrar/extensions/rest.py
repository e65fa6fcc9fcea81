"""Extensions for customers: `/v1.0/extensions`."""

from typing import Annotated
from uuid import UUID

import msgspec

from ringback.api.call import Answer, Call, Route
from ringback.kit.pages import PageSize, cursor_of, size_of
from ringback.kit.reading import Asked
from ringback.kit.routing import Routes
from ringback.registrar.contacts import service as contacts
from ringback.registrar.contacts import wire as contacts_wire
from ringback.registrar.extensions import service, wire
from ringback.registrar.extensions.model import Provisioned
from ringback.registrar.work import Uow

routes: Routes[Route] = Routes()
ROOT = "/v1.0/extensions"

YesNo = Annotated[str, msgspec.Meta(pattern=r"\A(true|false)\Z", description="true or false")]


class ListExtensions(Asked, frozen=True, kw_only=True):
    """Which extensions, and which page of them."""

    page_size: PageSize | None = None
    page_token: str | None = None
    name: str | None = None
    extension: str | None = None
    username: str | None = None
    domain_name: str | None = None
    deleted: YesNo | None = None


class ExtensionPage(msgspec.Struct, frozen=True):
    """A page of extensions; `next_page_token` is empty on the last one."""

    result: list[wire.RegistrarManagerExtension]
    next_page_token: str


@routes.on("POST", ROOT, body=wire.NewExtension, answers=wire.RegistrarManagerExtension, status=201)
async def create(call: Call[Uow]) -> Answer:
    """Create an extension: a phone that can register at once."""
    made = _shown(call, await service.create(call.uow, call.customer_id, call.body))
    return Answer(made, 201, f"{ROOT}/{made.id}")


@routes.on("GET", ROOT, query=ListExtensions, answers=ExtensionPage)
async def find(call: Call[Uow]) -> Answer:
    """List extensions, newest first."""
    asked: ListExtensions = call.query
    columns = ("name", "extension", "username", "domain_name")
    wanted = {name: value for name in columns if (value := getattr(asked, name)) is not None}
    page = await service.page(
        call.uow,
        {**wanted, "customer_id": call.customer_id},
        cursor_of(asked.page_token),
        size_of(asked.page_size),
        deleted=asked.deleted == "true",
    )
    found = [_shown(call, Provisioned(extension)) for extension in page.items]
    return Answer(ExtensionPage(found, page.next_token), tagged=False)


@routes.on("GET", f"{ROOT}/<extension-id>", answers=wire.RegistrarManagerExtension)
async def get(call: Call[Uow]) -> Answer:
    """Read an extension."""
    return Answer(_shown(call, await service.get(call.uow, _id(call), of=call.customer_id)))


@routes.on("PUT", f"{ROOT}/<extension-id>", body=wire.ChangeExtension, answers=wire.RegistrarManagerExtension)
@routes.on("PATCH", f"{ROOT}/<extension-id>", body=wire.ChangeExtension, answers=wire.RegistrarManagerExtension)
async def change(call: Call[Uow]) -> Answer:
    """Change an extension: absent and null fields stay as they are."""
    await _require_match(call)
    return Answer(_shown(call, await service.change(call.uow, _id(call), call.body, of=call.customer_id)))


@routes.on("DELETE", f"{ROOT}/<extension-id>", answers=wire.RegistrarManagerExtension)
async def delete(call: Call[Uow]) -> Answer:
    """Delete an extension: its password and its direct address stop working at once."""
    await _require_match(call)
    return Answer(_shown(call, await service.delete(call.uow, _id(call), of=call.customer_id)))


@routes.on("POST", f"{ROOT}/<extension-id>/direct-hash-regenerate", answers=wire.RegistrarManagerExtension)
async def regenerate(call: Call[Uow]) -> Answer:
    """Give the extension's direct address a new hash; the old one is refused from then on."""
    await _require_match(call)
    asked = wire.ChangeExtension(direct_regenerate=True)
    return Answer(_shown(call, await service.change(call.uow, _id(call), asked, of=call.customer_id)))


@routes.on("GET", f"{ROOT}/<extension-id>/contacts", answers=contacts_wire.Contacts)
async def where(call: Call[Uow]) -> Answer:
    """Where the phone is right now."""
    extension = (await service.get(call.uow, _id(call), of=call.customer_id)).extension
    seen = await contacts.of_endpoint(call.uow, extension.endpoint_id)
    return Answer(contacts_wire.whole(seen, call.uow.now), tagged=False)


async def _require_match(call: Call[Uow]) -> None:
    if call.if_match is not None:
        call.require_match(_shown(call, await service.get(call.uow, _id(call), of=call.customer_id)))


def _id(call: Call[Uow]) -> UUID:
    id: UUID = call.path["extension_id"]
    return id


def _shown(call: Call[Uow], of: Provisioned) -> wire.RegistrarManagerExtension:
    return wire.public(of, call.uow.settings.sip_domain)
