"""Setup links over REST: made by customers, opened by phones and by people with no key but the link."""

from typing import Any, Final

from ringback.api.call import Answer, Call, Nothing, Route
from ringback.api.html import STILL, page
from ringback.customers.rights import READ, WRITE
from ringback.kit.routing import Routes
from ringback.kit.secret import Secret
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.model import Extension
from ringback.registrar.setups import forms, opening, service, wire
from ringback.registrar.setups.model import PLACE, PhoneSettings, SetupLink
from ringback.registrar.setups.wire import Form
from ringback.registrar.work import Uow

routes: Routes[Route] = Routes()
ONE: Final = "/v1.0/extensions/<extension-id>/setup_link"
HTML: Final = "text/html"
UNSEEN: Final = {"referrer-policy": "no-referrer"}
"""The link itself is a credential: no other site shall hear of it."""
OPENED: Final[dict[str, Any]] = {
    "right": None,
    "whose": "all",
    "query": wire.OpenSetupLink,
    "answers": wire.PhoneSetup,
    "forms": ("application/xml", "text/html", "text/plain"),
}


@routes.on(
    "POST",
    ONE,
    right=WRITE,
    name="create_extension_setup_link",
    body=wire.NewSetupLink,
    answers=wire.ExtensionSetupLink,
    status=201,
)
async def create(call: Call[Uow]) -> Answer:
    """Make a link that sets up the extension's phone, once.

    The link is the credential: give it to nobody but who has the phone. Opened, it gives the phone a new password;
    until then nothing changes. An extension has one link at most: another one from before works no more.
    """
    made = await opening.make(call.uow, call.id, call.body.minutes, of=call.customer_id)
    return Answer(_shown(call, made.link, made.token), 201, f"/v1.0/extensions/{call.id}/setup_link")


@routes.on("GET", ONE, right=READ, name="get_extension_setup_link", answers=wire.ExtensionSetupLink)
async def get(call: Call[Uow]) -> Answer:
    """Read until when the extension's link works; 404 where there is none, or none any more."""
    extension = await _extension(call)
    return Answer(_shown(call, await service.get(call.uow, extension.id)))


@routes.on("DELETE", ONE, right=WRITE, name="delete_extension_setup_link", answers=wire.ExtensionSetupLink)
async def revoke(call: Call[Uow]) -> Answer:
    """Take the extension's link back before somebody opens it."""
    extension = await _extension(call, lock=True)
    if call.if_match is not None:
        call.require_match(_shown(call, await service.get(call.uow, extension.id)))
    return Answer(_shown(call, await service.revoke(call.uow, extension.customer_id, extension.id)))


@routes.on("GET", f"{PLACE}/<token>", name="open_setup_link", writes=True, **OPENED)
async def fetch(call: Call[Uow]) -> Answer:
    """Open a setup link: a softphone gets its settings, a browser a page with a button.

    What opens it ends it. That is a softphone that we know, or whoever names a `format`; browsers, and whatever else
    only looks, get the page, and the link goes on working.
    """
    softphone = forms.of_softphone(call.user_agent)
    form = call.query.format or softphone
    if call.is_head or form is None or (HTML in call.accept and softphone is None):
        await opening.look(call.uow, call.id)
        url = wire.url_of(call.uow.settings.link_base, Secret(call.id))
        return _page(url=url)
    return _written(await opening.open(call.uow, call.id), form)


@routes.on("POST", f"{PLACE}/<token>", name="open_setup_link_by_hand", **OPENED)
async def show(call: Call[Uow]) -> Answer:
    """Open a setup link for good: the settings as JSON or in the `format` that is named, as a page for browsers."""
    phone = await opening.open(call.uow, call.id)
    if call.query.format is None and HTML in call.accept:
        return _page(rows=forms.rows(phone))
    return _written(phone, call.query.format or "json")


async def _extension(call: Call[Uow], *, lock: bool = False) -> Extension:
    return (await extensions.get(call.uow, call.id, of=call.customer_id, lock=lock)).extension


def _shown(call: Call[Uow], link: SetupLink, token: Secret | None = None) -> wire.ExtensionSetupLink:
    return wire.public(link, call.customer_id, call.uow.settings.link_base, token)


def _written(phone: PhoneSettings, form: Form) -> Answer:
    media, content = forms.written(phone, form)
    return Answer(Nothing(), headers=UNSEEN, content=content, media=media)


def _page(**values: object) -> Answer:
    headers = UNSEEN | {"content-security-policy": STILL}
    return Answer(Nothing(), headers=headers, content=page("setup.html", **values).encode(), media=HTML)
