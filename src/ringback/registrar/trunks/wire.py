"""Trunks as JSON: what is asked, what is shown."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from ringback.kit import networks
from ringback.kit.errors import Fault
from ringback.kit.reading import Asked, Identity, rule
from ringback.kit.secret import Discreet
from ringback.registrar.asked import Change, Filters, Password, Text, whole
from ringback.registrar.trunks.model import DOMAIN, MOST_ADDRESSES, USERNAME, AuthType, Provisioned, Trunk, lacking

DomainName = Annotated[
    str,
    rule(
        "2 to 31 of A-Z, a-z, 0-9, - and ., a letter first; no label of it empty or with a hyphen at an edge",
        whole(DOMAIN),
        minLength=2,
        maxLength=31,
        pattern=r"^[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$",
        examples=["carrier-a"],
    ),
]
Username = Annotated[
    str,
    rule(
        '1 to 64 printable ASCII characters without space, ", :, ;, \\ and ^, or empty for none',
        whole(USERNAME),
        pattern=r"^[!#-9<-\[\]_-~]{0,64}$",
        examples=["pbx01"],
    ),
]
AuthTypes = Annotated[
    tuple[Annotated[AuthType, msgspec.Meta(description="basic or ip")], ...],
    rule("a list of basic, ip or both", bool, minItems=1, examples=[["basic", "ip"]]),
]
AllowedIps = Annotated[
    tuple[
        Annotated[
            str,
            rule(
                "an IP address or a CIDR of a prefix length above 0",
                networks.is_network,
                pattern=networks.PATTERN,
                examples=["203.0.113.7"],
            ),
        ],
        ...,
    ],
    rule(
        f"a list of at most {MOST_ADDRESSES}",
        lambda items: len(items) <= MOST_ADDRESSES,
        maxItems=MOST_ADDRESSES,
        examples=[["203.0.113.7", "198.51.100.0/28"]],
    ),
]

Outbound = Annotated[
    bool, msgspec.Meta(description="true: phones call by it what is no extension; one trunk of a customer may say so")
]

OnlyTrue = bool | msgspec.UnsetType
"""True, or not there at all: whoever has learned of trunks from VoIPbin does not know it (registrar 4)."""


class NewTrunk(Asked, frozen=True, kw_only=True):
    """A connection to make: `basic` needs a username, and gets a password if none is sent; `ip` needs addresses."""

    domain_name: DomainName
    auth_types: AuthTypes
    username: Username | None = None
    password: Password | None = None
    allowed_ips: AllowedIps | None = None
    outbound: Outbound | None = None
    name: Text | None = None
    detail: Text | None = None

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        return lacking(
            values.get("auth_types") or (),
            values.get("username", ""),
            values.get("allowed_ips", ()),
            password="password" in values,
        )


class NewTrunkOfCustomer(NewTrunk, frozen=True, kw_only=True):
    """The same from a peer, who says whose it is."""

    customer_id: Identity


class ChangeTrunk(Change, frozen=True, kw_only=True):
    """What is to become different; absent and null fields stay as they are, empty ones are cleared."""

    auth_types: AuthTypes | None = None
    username: Username | None = None
    allowed_ips: AllowedIps | None = None
    outbound: Outbound | None = None


class TrunkFilters(Filters, frozen=True, kw_only=True):
    """Which trunks a peer wants."""


class TrunkOverRpc(Discreet, frozen=True):
    """A trunk as peers see it (registrar 4)."""

    id: UUID
    customer_id: UUID
    name: str
    detail: str
    domain_name: str
    auth_types: tuple[AuthType, ...]
    realm: str
    username: str
    password: str
    allowed_ips: tuple[str, ...]
    tm_create: datetime
    tm_update: datetime | None
    tm_delete: datetime | None
    outbound: OnlyTrue = msgspec.UNSET


class TrunkNews(msgspec.Struct, frozen=True):
    """A trunk in an event: without any secret."""

    id: UUID
    customer_id: UUID
    name: str
    detail: str
    domain_name: str
    realm: str
    auth_types: tuple[AuthType, ...]
    username: str
    allowed_ips: tuple[str, ...]
    tm_create: datetime
    tm_update: datetime | None
    tm_delete: datetime | None
    outbound: OnlyTrue = msgspec.UNSET


class RegistrarManagerTrunk(Discreet, frozen=True):
    """A trunk as customers see it (registrar 18.3); `password` is clear only in the answer that set it."""

    id: UUID
    customer_id: UUID
    name: str
    detail: str
    domain_name: str
    realm: str
    auth_types: tuple[AuthType, ...]
    username: str
    password: str
    allowed_ips: tuple[str, ...]
    tm_create: datetime
    tm_update: datetime | None
    tm_delete: datetime | None
    outbound: OnlyTrue = msgspec.UNSET


def over_rpc(of: Provisioned) -> TrunkOverRpc:
    return TrunkOverRpc(**_common(of.trunk), password=of.secret.reveal() if of.secret else "")


def news(trunk: Trunk) -> TrunkNews:
    return TrunkNews(**_common(trunk))


def public(of: Provisioned) -> RegistrarManagerTrunk:
    return RegistrarManagerTrunk(**_common(of.trunk), password=of.secret.reveal() if of.secret else "")


def audited(trunk: Trunk) -> dict[str, Any]:
    """The same for the audit log, which hides the password and tells that it is another one."""
    return {**_common(trunk), "outbound": trunk.outbound, "password": trunk.kept}


def _common(trunk: Trunk) -> dict[str, Any]:
    fields = {name: getattr(trunk, name) for name in TrunkNews.__struct_fields__}
    return fields | {"outbound": trunk.outbound or msgspec.UNSET}
