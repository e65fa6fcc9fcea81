"""Extensions as JSON: what is asked, what is shown."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from ringback.kit.columns import NIL
from ringback.kit.reading import Asked, Identity, rule
from ringback.kit.secret import Discreet, Secret
from ringback.registrar.asked import Change, Filters, Password, Text, whole
from ringback.registrar.extensions.model import NUMBER, USERNAME, Extension, Listed
from ringback.sip.names import direct_uri

Number = Annotated[
    str,
    rule(
        "1 to 40 of A-Z, a-z, 0-9, _ . + and -; not anonymous, not direct.…",
        whole(NUMBER),
        pattern="^(?![Aa][Nn][Oo][Nn][Yy][Mm][Oo][Uu][Ss]$)(?![Dd][Ii][Rr][Ee][Cc][Tt]\\.)[A-Za-z0-9_.+-]{1,40}$",
        examples=["1001"],
    ),
]
Username = Annotated[
    str,
    rule(
        "1 to 40 of A-Z, a-z, 0-9, _ . + and -", whole(USERNAME), pattern="^[A-Za-z0-9_.+-]{1,40}$", examples=["1001"]
    ),
]


class NewExtension(Asked, frozen=True, kw_only=True):
    """A phone account to make; without a password one is generated, without a username it is the number."""

    extension: Number
    username: Username | None = None
    password: Password | None = None
    name: Text | None = None
    detail: Text | None = None
    direct: bool | None = None


class NewExtensionOfCustomer(NewExtension, frozen=True, kw_only=True):
    """The same from a peer, who says whose it is."""

    customer_id: Identity


class ChangeExtension(Change, frozen=True, kw_only=True):
    """What is to become different; absent and null fields stay as they are."""

    direct: bool | None = None
    direct_regenerate: bool | None = None


class ExtensionFilters(Filters, frozen=True, kw_only=True):
    """Which extensions a peer wants."""

    endpoint_id: str | None = None
    aor_id: str | None = None
    auth_id: str | None = None
    extension: str | None = None


class ExtensionOverRpc(Discreet, frozen=True):
    """An extension as peers see it (registrar 4)."""

    id: UUID
    customer_id: UUID
    name: str
    detail: str
    endpoint_id: str
    aor_id: str
    auth_id: str
    extension: str
    domain_name: str
    realm: str
    username: str
    password: str
    direct_id: UUID
    direct_hash: str
    tm_create: datetime
    tm_update: datetime | None
    tm_delete: datetime | None


class ExtensionNews(msgspec.Struct, frozen=True):
    """An extension in an event: without any secret."""

    id: UUID
    customer_id: UUID
    name: str
    detail: str
    extension: str
    domain_name: str
    realm: str
    username: str
    direct_hash: str
    direct_uri: str
    tm_create: datetime
    tm_update: datetime | None
    tm_delete: datetime | None


class AppliedAtAsterisks(msgspec.Struct, frozen=True):
    """How many Asterisks Ringback speaks with, and which of them may still remember the phone as it was."""

    asterisks: int
    pending: list[str]


class RegistrarManagerExtension(Discreet, frozen=True):
    """An extension as customers see it (registrar 18.3); `password` is clear only in the answer that set it."""

    id: UUID
    customer_id: UUID
    name: str
    detail: str
    extension: str
    domain_name: str
    realm: str
    username: str
    password: str
    direct_hash: str
    direct_uri: str
    tm_create: datetime
    tm_update: datetime | None
    tm_delete: datetime | None
    applied: AppliedAtAsterisks | msgspec.UnsetType = msgspec.UNSET
    """Of a change that was asked to wait."""


def over_rpc(one: Extension | Listed, secret: Secret | None = None) -> ExtensionOverRpc:
    """By places, since names take five times as long, and a list has a hundred of them."""
    endpoint_id = one.endpoint_id
    return ExtensionOverRpc(
        one.id,
        one.customer_id,
        one.name,
        one.detail,
        endpoint_id,
        endpoint_id,
        endpoint_id,
        one.number,
        one.label,
        one.realm,
        one.username,
        secret.reveal() if secret else "",
        one.direct_id or NIL,
        one.direct_hash,
        one.tm_create,
        one.tm_update,
        one.tm_delete,
    )


def news(extension: Extension, domain: str) -> ExtensionNews:
    return ExtensionNews(**_common(extension), direct_uri=direct_uri(extension.direct_hash, domain))


def public(one: Extension | Listed, domain: str, secret: Secret | None = None) -> RegistrarManagerExtension:
    """By places, as `over_rpc`."""
    hash = one.direct_hash
    return RegistrarManagerExtension(
        one.id,
        one.customer_id,
        one.name,
        one.detail,
        one.number,
        one.label,
        one.realm,
        one.username,
        secret.reveal() if secret else "",
        hash,
        direct_uri(hash, domain),
        one.tm_create,
        one.tm_update,
        one.tm_delete,
    )


def audited(extension: Extension) -> dict[str, Any]:
    """The same for the audit log, which hides the password and tells that it is another one."""
    return {**_common(extension), "password": extension.kept}


def _common(extension: Extension) -> dict[str, Any]:
    """What all who see an extension see of it."""
    return {
        "id": extension.id,
        "customer_id": extension.customer_id,
        "name": extension.name,
        "detail": extension.detail,
        "extension": extension.number,
        "domain_name": extension.label,
        "realm": extension.realm,
        "username": extension.username,
        "direct_hash": extension.direct_hash,
        "tm_create": extension.tm_create,
        "tm_update": extension.tm_update,
        "tm_delete": extension.tm_delete,
    }
