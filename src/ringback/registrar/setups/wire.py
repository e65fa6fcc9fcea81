"""Setup links as JSON: what is asked, what is shown."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal, get_args
from uuid import UUID

import msgspec

from ringback.kit.reading import Asked, rule
from ringback.kit.secret import Discreet, Secret
from ringback.registrar.setups import qr
from ringback.registrar.setups.model import MOST_MINUTES, PLACE, USUAL_MINUTES, PhoneSettings, SetupLink
from ringback.spellings import Transport

Form = Literal["acrobits", "baresip", "json", "linphone", "text"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)

Minutes = Annotated[
    int,
    rule(
        f"a whole number from 1 to {MOST_MINUTES}",
        lambda minutes: 1 <= minutes <= MOST_MINUTES,
        minimum=1,
        maximum=MOST_MINUTES,
    ),
]


class NewSetupLink(Asked, frozen=True, kw_only=True):
    """For how long the link works, if nobody opens it: a quarter of an hour, unless it is said."""

    expires_in_minutes: Minutes | None = None

    @property
    def minutes(self) -> int:
        return self.expires_in_minutes or USUAL_MINUTES


class OpenSetupLink(Asked, frozen=True, kw_only=True):
    """In which form the settings are wanted; without one, in that of the softphone that asks, or as a page."""

    format: Annotated[Form, msgspec.Meta(description="for which phone")] | None = None


class ExtensionSetupLink(Discreet, frozen=True):
    """A setup link; `url` and its QR code are shown in the answer that made it, and never again.

    Each of `formats` can be asked for by `?format=` behind the `url`; the code asks for that of Linphone.
    """

    shown_once: ClassVar[tuple[str, ...]] = ("url", "qr_svg")

    customer_id: UUID
    extension_id: UUID
    url: str
    qr_svg: str
    formats: tuple[Form, ...]
    tm_create: datetime
    tm_expire: datetime


class PhoneSetup(Discreet, frozen=True):
    """What a phone is told to register. `port` is `null` where DNS says it, or 5060, with TLS 5061."""

    extension: str
    name: str
    sip_uri: str
    server: str
    port: int | None
    transport: Transport
    username: str
    auth_username: str
    realm: str
    password: str


def public(link: SetupLink, customer_id: UUID, base: str, token: Secret | None = None) -> ExtensionSetupLink:
    """The link as its customer sees it, with the token where it has just been made; `base` is our own address."""
    url = url_of(base, token) if token else ""
    picture = qr.svg(scanned(url)) if url else ""
    return ExtensionSetupLink(customer_id, link.extension_id, url, picture, FORMS, link.tm_create, link.tm_expire)


def scanned(url: str) -> str:
    """What a QR code says: Linphone scans it, or a camera that opens it in a browser, which gets the page."""
    return f"{url}?format=linphone"


def url_of(base: str, token: Secret) -> str:
    """Where a link is opened."""
    return f"{base}{PLACE}/{token.reveal()}"


def as_json(phone: PhoneSettings) -> PhoneSetup:
    return PhoneSetup(
        extension=phone.number,
        name=phone.name,
        sip_uri=phone.uri,
        server=phone.server,
        port=phone.port or None,
        transport=phone.transport,
        username=phone.number,
        auth_username=phone.username,
        realm=phone.realm,
        password=phone.password.reveal() if phone.password else "",
    )


def audited(link: SetupLink, customer_id: UUID) -> dict[str, Any]:
    """The link for the audit log, under its extension's id."""
    return {"id": link.extension_id, "customer_id": customer_id, "tm_expire": link.tm_expire}
