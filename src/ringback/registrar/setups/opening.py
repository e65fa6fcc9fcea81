"""How a phone is set up: a link is made; whoever opens it is told a new password, this once."""

from dataclasses import dataclass
from uuid import UUID

from msgspec.structs import replace

from ringback.customers.people.signing import AccountFrozen
from ringback.kit.secret import Secret
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.model import Extension, Provisioned
from ringback.registrar.extensions.wire import ChangeExtension
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Status
from ringback.registrar.setups import service
from ringback.registrar.setups.model import PhoneSettings, PublicUrlNotSet, SetupLink, SetupLinkNotFound
from ringback.registrar.work import Uow
from ringback.settings import Settings

NEW_PASSWORD = ChangeExtension(password_regenerate=True)


@dataclass(frozen=True, slots=True)
class Made:
    """A new link, the token that opens it, and whose phone it sets up."""

    link: SetupLink
    token: Secret
    extension: Extension


async def make(uow: Uow, id: UUID, minutes: int, *, of: UUID | None) -> Made:
    """A link for the phone of an extension; a frozen customer gets none, nor anybody where it would lead nowhere."""
    if not uow.settings.link_base:
        raise PublicUrlNotSet
    whose = (await extensions.get(uow, id, of=of)).extension.customer_id
    await realms.require_active(uow, whose)
    extension = (await extensions.get(uow, id, of=of, lock=True)).extension
    link, token = await service.make(uow, whose, id, minutes)
    return Made(link, token, extension)


async def look(uow: Uow, token: str) -> SetupLink:
    """The link, if it could be opened now."""
    link = await service.find(uow, token)
    await _extension(uow, link)
    return link


async def open(uow: Uow, token: str) -> PhoneSettings:
    """Open the link of that token, which works no more: the phone has a new password, and no other is registered."""
    link = await service.find(uow, token)
    extension = await _extension(uow, link, lock=True)
    uow.by = replace(uow.by, name=f"setup_link:{extension.id}")
    await service.use(uow, link, extension.customer_id)
    return await renew(uow, extension.id, of=None)


async def renew(uow: Uow, id: UUID, *, of: UUID | None) -> PhoneSettings:
    """The same without a link, for who is at the phone."""
    return told(await extensions.change(uow, id, NEW_PASSWORD, of=of), uow.settings)


def told(provisioned: Provisioned, settings: Settings) -> PhoneSettings:
    """What the phone of an extension is told; its password where this request has set it."""
    extension = provisioned.extension
    return PhoneSettings(
        number=extension.number,
        name=extension.name,
        username=extension.username,
        realm=extension.realm,
        server=settings.sip_public_host or extension.realm,
        port=settings.sip_public_port,
        transport=settings.sip_public_transport,
        password=provisioned.secret,
    )


async def _extension(uow: Uow, link: SetupLink, *, lock: bool = False) -> Extension:
    """The extension of a link, whose customer is active."""
    extension = await extensions.live(uow, link.extension_id, lock=lock)
    if extension is None:
        raise SetupLinkNotFound
    status = await realms.status(uow, extension.customer_id)
    if status is Status.FROZEN:
        raise AccountFrozen
    if status is Status.DELETED:
        raise SetupLinkNotFound
    return extension
