"""A customer's phones move to a realm of another name."""

from dataclasses import dataclass
from uuid import UUID

from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.model import Provisioned
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import LabelInUse, Realm
from ringback.registrar.work import Uow


@dataclass(frozen=True, slots=True)
class Relabelled:
    """The realm as it is now, and the phones that moved into it, with their new passwords if they got some."""

    realm: Realm
    moved: list[Provisioned]


async def set_label(uow: Uow, customer_id: UUID, label: str, *, reissue: bool = False) -> Relabelled:
    """Give the customer's realm a label. Ids of extensions and direct addresses stay; contacts are forgotten.

    A digest holds the realm, so phones that are known by digests move only with new passwords (`reissue`).
    """
    _, after = await realms.set_label(uow, customer_id, label)
    phones = [phone for phone in await extensions.of_customer(uow, customer_id) if reissue or phone.realm != after.name]
    if not reissue and any(phone.kept.password is None for phone in phones):
        raise LabelInUse
    return Relabelled(after, [await extensions.move(uow, phone, after, reissue=reissue) for phone in phones])
