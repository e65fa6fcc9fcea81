"""A SIP extension: a phone account that a customer can register."""

import re
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from ringback.kit.errors import AlreadyExists, NotFound
from ringback.kit.secret import Secret
from ringback.registrar.directs.model import Direct
from ringback.sip import names
from ringback.sip.digest import Kept
from ringback.sip.edge import Credential
from ringback.sip.endpoint import Endpoint

USERNAME: Final = re.compile(r"[A-Za-z0-9_.+-]{1,40}")
NUMBER: Final = re.compile(r"(?!anonymous\Z|direct\.)[A-Za-z0-9_.+-]{1,40}", re.IGNORECASE | re.ASCII)
"""To Asterisk `anonymous@<realm>` is everybody of that realm, and `direct.` begins a direct address."""


class Extension(msgspec.Struct, frozen=True, gc=False):
    """One phone account. `number` and `username` never change; `kept` is all that there is of the password.

    `contacts_version` is another one after each change of ours to its contacts, and whenever somebody says that they
    have changed.
    """

    id: UUID
    customer_id: UUID
    number: str
    username: str
    label: str
    realm: str
    kept: Kept
    tm_create: datetime
    name: str = ""
    detail: str = ""
    tm_update: datetime | None = None
    tm_delete: datetime | None = None
    direct: Direct | None = None
    contacts_version: str | None = None

    @property
    def endpoint_id(self) -> str:
        """The name that Asterisk knows this phone by: `number@realm`."""
        return names.endpoint_id(self.number, self.realm)

    @property
    def password(self) -> Secret | None:
        """The clear one, where it is kept."""
        return self.kept.password

    @property
    def direct_id(self) -> UUID | None:
        return self.direct.id if self.direct else None

    @property
    def direct_hash(self) -> str:
        return self.direct.hash if self.direct else ""

    @property
    def endpoint(self) -> Endpoint:
        """What Asterisk is told of it."""
        return Endpoint(self.endpoint_id, self.username, self.realm, self.kept)

    @property
    def credential(self) -> Credential:
        """What the SIP edge is told of it."""
        return Credential(self.id, "extension", self.realm, self.username, self.kept)


class Listed(msgspec.Struct, frozen=True, gc=False):
    """An extension as far as lists show it: digests, which nobody is shown, are not read for them."""

    id: UUID
    customer_id: UUID
    number: str
    username: str
    label: str
    realm: str
    password: Secret | None
    tm_create: datetime
    name: str
    detail: str
    tm_update: datetime | None
    tm_delete: datetime | None
    direct_id: UUID | None
    direct_hash: str

    @property
    def endpoint_id(self) -> str:
        return names.endpoint_id(self.number, self.realm)


class Provisioned(msgspec.Struct, frozen=True, gc=False):
    """An extension after a create or a change; `secret` is the clear password if this request set it."""

    extension: Extension
    secret: Secret | None = None


class ExtensionNotFound(NotFound):
    """No such extension."""

    reason = "EXTENSION_NOT_FOUND"


class NumberTaken(AlreadyExists):
    """This customer already has an extension with that number or username."""

    reason = "EXTENSION_ALREADY_EXISTS"
