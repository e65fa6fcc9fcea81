"""A router extension: one outside processor of type pre, validator, post or provider."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from ringback.kit.errors import AlreadyExists, FailedPrecondition, NotFound, Unavailable
from ringback.router.canonical import checksum_of, is_same, part_of, text_of, time_of

Type = Literal["pre", "validator", "post", "provider"]
TYPES: Final[tuple[Type, ...]] = get_args(Type)
Force = Literal["open", "closed"]


@dataclass(frozen=True, slots=True)
class RouterExtension:
    """One record as it stands at `revision`; `config` and `metadata` are JSON objects that nobody changes."""

    id: str
    type: Type
    subject: str
    timeout_ms: int
    retry: int
    created_at: datetime
    updated_at: datetime
    enabled: bool = True
    share_subject: bool = False
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    breaker_override: Force | None = None
    revision: int = 1
    created_by: str | None = None
    updated_by: str | None = None
    deleted_at: datetime | None = None

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, RouterExtension):
            return self is other
        return (
            is_same(self.config, other.config)
            and is_same(self.metadata, other.metadata)
            and all(getattr(self, name) == getattr(other, name) for name in SCALARS)
        )

    @property
    def key(self) -> str:
        """What the audit log and the checksum of the registry call it."""
        return self.id

    @property
    def version(self) -> str:
        """The last token of its subject."""
        return self.subject.rpartition(".")[2]

    @property
    def is_live(self) -> bool:
        return self.deleted_at is None

    def is_for(self, customer_id: UUID | None) -> bool:
        """Whether it is there for a customer: if it is for everybody, or for them. For the platform all are (R-11c)."""
        allowed = self.metadata.get("allowed_tenants")
        return customer_id is None or allowed is None or str(customer_id) in allowed

    def serves(self, customer_id: UUID | None) -> bool:
        """Whether a run for that customer may call it: one of no customer never matches a list (S-3)."""
        allowed = self.metadata.get("allowed_tenants")
        return allowed is None or (customer_id is not None and str(customer_id) in allowed)

    def document(self) -> dict[str, Any]:
        """All of it as a JSON object: what a revision keeps and a checksum is made of."""
        return {
            "id": self.id,
            "type": self.type,
            "subject": self.subject,
            "timeout_ms": self.timeout_ms,
            "retry": self.retry,
            "enabled": self.enabled,
            "share_subject": self.share_subject,
            "config": dict(self.config),
            "metadata": dict(self.metadata),
            "breaker_override": self.breaker_override,
            "revision": self.revision,
            "created_at": time_of(self.created_at),
            "created_by": self.created_by,
            "updated_at": time_of(self.updated_at),
            "updated_by": self.updated_by,
            "deleted_at": self.deleted_at and time_of(self.deleted_at),
        }

    @property
    def checksum(self) -> str:
        return checksum_of(text_of(self.document()))

    @property
    def part(self) -> int:
        """What it adds to the checksum of the registry: nothing once it is deleted."""
        return part_of(self.id, self.revision, self.checksum) if self.is_live else 0

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "RouterExtension":
        """The record of a document that was kept."""
        times = ("created_at", "updated_at", "deleted_at")
        moments = {name: text and datetime.fromisoformat(text) for name in times for text in [document[name]]}
        return cls(**{**document, **moments})

    def is_as(self, other: "RouterExtension") -> bool:
        """Whether it says the same; its revision and who changed it last do not count."""
        return replace(self, revision=0, updated_at=self.created_at, updated_by=None) == replace(
            other, revision=0, updated_at=other.created_at, updated_by=None
        )


class NotReady(Unavailable):
    """The registry is not loaded yet."""

    reason = "NOT_READY"


SCALARS: Final = tuple(name for name in RouterExtension.__slots__ if name not in ("config", "metadata"))


class ExtensionNotFound(NotFound):
    """There is no such router extension."""

    reason = "EXTENSION_NOT_FOUND"


class ExtensionDisabled(ExtensionNotFound):
    """The router extension is disabled."""


class RevisionNotFound(NotFound):
    """There is no such revision of the router extension."""

    reason = "REVISION_NOT_FOUND"


class ExtensionExists(AlreadyExists):
    """There is a router extension with that id."""

    reason = "EXTENSION_ALREADY_EXISTS"


class SubjectInUse(AlreadyExists):
    """An enabled router extension has that subject."""

    reason = "SUBJECT_IN_USE"


class RevisionConflict(FailedPrecondition):
    """It is at another revision than If-Match names."""

    code, reason = 412, "REVISION_CONFLICT"

    def __init__(self, revision: int) -> None:
        """`revision` is the one that it is at."""
        super().__init__()
        self.tag = tag_of(revision)


def tag_of(revision: int) -> str:
    """The entity tag of a record: its revision in quotes (R-6a)."""
    return f'"{revision}"'
