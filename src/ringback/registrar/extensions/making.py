"""What becomes an extension: its fields, its realm, and what is kept of its password."""

from datetime import datetime
from uuid import UUID

from ringback.kit.errors import ValidationFailed
from ringback.kit.secret import Secret
from ringback.registrar.asked import Wanted
from ringback.registrar.extensions.model import Extension, Provisioned
from ringback.registrar.extensions.wire import NewExtension
from ringback.registrar.realms.model import Realm
from ringback.registrar.work import Uow
from ringback.sip import names
from ringback.sip.digest import Kept


def new(uow: Uow, customer_id: UUID, realm: Realm, wanted: Wanted[NewExtension], moment: datetime) -> Provisioned:
    """An extension that is to be, with its password where it is known; `ValidationFailed` if its name is too long."""
    asked, kept, secret = wanted.asked, wanted.kept, None
    username = asked.username or asked.extension
    if kept is None:
        secret = asked.password or Secret.generate()
        kept = Kept.of(username, realm.name, secret, uow.settings.secret_storage)
    extension = Extension(
        id=wanted.id or uow.new_id(),
        customer_id=customer_id,
        number=asked.extension,
        username=username,
        label=realm.label,
        realm=realm.name,
        kept=kept,
        tm_create=moment,
        name=asked.name or "",
        detail=asked.detail or "",
    )
    require_short(extension)
    return Provisioned(extension, secret)


def require_short(extension: Extension) -> None:
    """`ValidationFailed` unless Asterisk can know it by its name."""
    id, most = extension.endpoint_id, names.IDENTITY_LIMIT
    if len(id) > most:
        raise ValidationFailed(extension=f"is too long: {id} exceeds {most} characters")
