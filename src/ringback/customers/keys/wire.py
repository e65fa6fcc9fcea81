"""Access keys as they are asked for and shown; their clear text only once, when they are made."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec

from ringback.customers.keys.model import AccessKey, Limits, State
from ringback.customers.rights import RUN, SCOPES
from ringback.kit.errors import Fault
from ringback.kit.networks import PATTERN, canonical, is_network
from ringback.kit.reading import Asked, rule
from ringback.kit.secret import Discreet, Secret

LONGEST: Final = 3650
"""Days that a key may be for, at most."""
MOST_NETWORKS: Final = 20

Name = Annotated[
    str,
    rule("1 to 200 characters, no control characters", lambda text: 0 < len(text) <= 200 and text.isprintable()),
]
Days = Annotated[int, rule(f"a whole number from 1 to {LONGEST}", lambda days: 0 < days <= LONGEST)]
Role = Annotated[Literal["admin", "auditor", "manager", "operator", "viewer"], msgspec.Meta(description="a role")]
Scope = Annotated[str, rule(f"one of {', '.join(sorted(SCOPES))}", SCOPES.__contains__, enum=sorted(SCOPES))]
Cidr = Annotated[
    str,
    rule("an IP address or a CIDR of a prefix length above 0", is_network, pattern=PATTERN, examples=["203.0.113.7"]),
]


class NewKey(Asked, frozen=True, kw_only=True):
    """A new access key. `roles` says what it may do; `scopes`, `source_cidrs` and `expires_in_days` limit it."""

    name: Name
    roles: Annotated[
        tuple[Role, ...],
        msgspec.Meta(
            description="of a customer: admin, auditor, manager, viewer; of the platform: auditor, operator, viewer"
        ),
    ] = ()
    scopes: (
        Annotated[
            tuple[Scope, ...],
            rule("a list of at least one: it may do only these of what its roles allow", bool, minItems=1),
        ]
        | None
    ) = None
    source_cidrs: (
        Annotated[
            tuple[Cidr, ...],
            rule(
                f"a list of 1 to {MOST_NETWORKS}: requests may come from there alone",
                lambda items: 0 < len(items) <= MOST_NETWORKS,
                minItems=1,
                maxItems=MOST_NETWORKS,
            ),
        ]
        | None
    ) = None
    expires_in_days: Days | None = None

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        if values.get("roles", ()) == () and RUN not in (values.get("scopes") or ()):
            yield Fault("roles", "is required")

    @property
    def limits(self) -> Limits:
        """The same as limits, but for the end."""
        scopes = None if self.scopes is None else frozenset(self.scopes)
        return Limits(scopes, tuple(dict.fromkeys(map(canonical, self.source_cidrs or ()))))


class CustomerManagerAccesskey(Discreet, frozen=True):
    """An access key. `key` is empty but in the answer that made it; `customer_id` is null for the platform's own."""

    id: UUID
    customer_id: UUID | None
    prefix: str
    name: str
    roles: list[str]
    scopes: list[str] | None
    source_cidrs: list[str]
    state: State
    key: str
    tm_create: datetime
    tm_expire: datetime | None
    tm_revoke: datetime | None
    tm_last_use: datetime | None


def shown(key: AccessKey, now: datetime, token: Secret | None = None) -> CustomerManagerAccesskey:
    return CustomerManagerAccesskey(
        id=key.id,
        customer_id=key.customer_id,
        prefix=key.token_prefix,
        name=key.name,
        roles=list(key.roles),
        scopes=None if key.scopes is None else list(key.scopes),
        source_cidrs=list(key.source_cidrs),
        state=key.state(now),
        key=token.reveal() if token else "",
        tm_create=key.tm_create,
        tm_expire=key.tm_expire,
        tm_revoke=key.tm_revoke,
        tm_last_use=key.tm_last_use,
    )
