"""Contacts for customers: `/v1.0/extensions/{id}/contacts`."""

from typing import Final

from ringback.api.call import Answer, Call, Route
from ringback.customers.rights import READ, WRITE
from ringback.kit.pages import cursor_of
from ringback.kit.routing import Routes
from ringback.registrar.contacts import history, service, wire
from ringback.registrar.contacts.model import Cause
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.model import Extension
from ringback.registrar.work import Seen, Uow

routes: Routes[Route] = Routes()
OF_PHONE: Final = "/v1.0/extensions/<extension-id>"
ROOT: Final = f"{OF_PHONE}/contacts"


@routes.on("GET", ROOT, right=READ, name="list_extension_contacts", answers=wire.Contacts)
async def find(call: Call[Uow]) -> Answer:
    """Where the phone is right now."""
    seen = await service.of_extension(call.uow, await _extension(call))
    return Answer(wire.whole(seen, call.uow.now))


@routes.on("DELETE", ROOT, right=WRITE, name="delete_extension_contacts", answers=wire.Contacts)
async def forget(call: Call[Uow]) -> Answer:
    """Unregister the phone everywhere.

    A device that has the password may register again; to keep it out, change the password. The answer lists what was
    removed.
    """
    return await _forget(call)


@routes.on("DELETE", f"{ROOT}/<contact_id>", right=WRITE, name="delete_extension_contact", answers=wire.Contacts)
async def forget_one(call: Call[Uow]) -> Answer:
    """Unregister one device."""
    return await _forget(call, call.path["contact_id"])


@routes.on(
    "GET", f"{OF_PHONE}/contact_history", right=READ, name="list_extension_contact_history", query=wire.HistoryQuery,
    answers=wire.ContactHistory,
)  # fmt: skip
async def past(call: Call[Uow]) -> Answer:
    """When the phone came and went, newest first.

    Entries are kept for `contact_history_keep_days`. `address_changes` and `flaps_last_hour` (registrations of the last
    hour that followed the end of a contact) are those of the newest 1,000.
    """
    extension, asked = await _extension(call), call.query
    page = await history.page(call.uow, extension, cursor_of(asked.page_token), asked.page_size)
    return Answer(wire.history(page, await history.summary(call.uow, extension)))


async def _forget(call: Call[Uow], only: str | None = None) -> Answer:
    extension = await _extension(call, lock=True)
    gone, left = await service.forget(call.uow, extension, Cause.API, only)
    return Answer(wire.whole(Seen(tuple(gone), call.uow.now), call.uow.now, registered=bool(left)))


async def _extension(call: Call[Uow], *, lock: bool = False) -> Extension:
    return (await extensions.get(call.uow, call.path["extension_id"], of=call.customer_id, lock=lock)).extension
