"""A policy: a customer's stored declaration of a pipeline (router 5.1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ringback.kit.errors import AlreadyExists, FailedPrecondition, NotFound
from ringback.router.canonical import checksum_of, is_same, part_of, text_of, time_of

Purpose = Literal["direct_call"]
Stage = Literal["pre", "validators", "providers", "post"]
Mode = Literal["required", "optional"]
OnFail = Literal["block", "warn", "ignore"]


@dataclass(frozen=True, slots=True)
class Step:
    """One item of pre, validators or post. `timeout_ms` and `retry` are the router extension's own where `None`."""

    id: str
    mode: Mode = "required"
    on_fail: OnFail = "block"
    """Of validators alone; the others have a mode."""
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Merged into the config of the registry (P-2)."""
    when: Mapping[str, Any] = field(default_factory=dict, hash=False)
    timeout_ms: int | None = None
    retry: int | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """A candidate, and its share of the requests. `config` as that of a step."""

    id: str
    weight: int | float = 1
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    timeout_ms: int | None = None
    retry: int | None = None


@dataclass(frozen=True, slots=True)
class Fallback:
    """Who is asked instead of a provider that failed for one of these causes; `any` is each of them."""

    to: str
    statuses: tuple[str, ...] = ("any",)
    retry: int | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """A policy's document as it was understood: every word known, every default filled in but the deadline."""

    pre: tuple[Step, ...] = ()
    validators: tuple[Step, ...] = ()
    providers: tuple[Provider, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    post: tuple[Step, ...] = ()
    sticky: str | None = None
    deadline_ms: int | None = None

    @property
    def ids(self) -> frozenset[str]:
        """All router extensions that it names."""
        steps = (one.id for one in (*self.pre, *self.validators, *self.post))
        return frozenset((*steps, *(one.id for one in self.providers), *(one.to for one in self.fallbacks)))

    def target(self, fallback: Fallback) -> Provider:
        """Whom a fallback asks: as they stand among the providers, or with nothing of their own."""
        return next((one for one in self.providers if one.id == fallback.to), Provider(fallback.to))

    def requires(self, id: str) -> bool:
        """Whether it is a required step, a blocking validator, or the only provider."""
        steps = any(one.id == id and one.mode == "required" for one in (*self.pre, *self.post))
        blocks = any(one.id == id and one.on_fail == "block" for one in self.validators)
        return steps or blocks or {one.id for one in self.providers if one.weight} == {id}

    @property
    def fails_closed(self) -> bool:
        """Whether a request that could not be run must not go on: something in it is needed."""
        has_required = any(one.mode == "required" for one in (*self.pre, *self.post))
        return has_required or any(one.on_fail == "block" for one in self.validators) or bool(self.providers)


@dataclass(frozen=True, slots=True)
class Policy:
    """One record as it stands at `revision`; `document` is JSON as it was sent, that nobody changes."""

    customer_id: UUID
    policy_id: str
    document: Mapping[str, Any] = field(hash=False)
    created_at: datetime
    updated_at: datetime
    purpose: Purpose | None = None
    enabled: bool = True
    revision: int = 1
    created_by: str | None = None
    updated_by: str | None = None
    deleted_at: datetime | None = None

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, Policy):
            return self is other
        return is_same(self.document, other.document) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__ if name != "document"
        )

    @property
    def place(self) -> tuple[UUID, str]:
        """Where it stands in a registry."""
        return self.customer_id, self.policy_id

    @property
    def key(self) -> str:
        """What the audit log and the checksum of the registry call it."""
        return key_of(self.customer_id, self.policy_id)

    @property
    def is_live(self) -> bool:
        return self.deleted_at is None

    def record(self) -> dict[str, Any]:
        """All of it as a JSON object: what a checksum is made of."""
        return {
            "customer_id": str(self.customer_id),
            "policy_id": self.policy_id,
            "purpose": self.purpose,
            "enabled": self.enabled,
            "document": dict(self.document),
            "revision": self.revision,
            "created_at": time_of(self.created_at),
            "created_by": self.created_by,
            "updated_at": time_of(self.updated_at),
            "updated_by": self.updated_by,
            "deleted_at": self.deleted_at and time_of(self.deleted_at),
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Policy":
        """The policy of a record that was kept."""
        times = ("created_at", "updated_at", "deleted_at")
        moments = {name: text and datetime.fromisoformat(text) for name in times for text in [record[name]]}
        return cls(**{**record, **moments, "customer_id": UUID(record["customer_id"])})

    def is_as(self, other: "Policy") -> bool:
        """Whether it says the same; its revision and who changed it last do not count."""
        said = ("purpose", "enabled", "deleted_at")
        return is_same(self.document, other.document) and all(
            getattr(self, name) == getattr(other, name) for name in said
        )

    @property
    def checksum(self) -> str:
        return checksum_of(text_of(self.record()))

    @property
    def part(self) -> int:
        """What it adds to the checksum of the registry: nothing once it is deleted."""
        return part_of(self.key, self.revision, self.checksum) if self.is_live else 0


def key_of(customer_id: UUID | str, policy_id: str) -> str:
    """What the audit log and the checksum of the registry call a policy."""
    return f"{customer_id}/{policy_id}"


class PolicyNotFound(NotFound):
    """There is no such policy."""

    reason = "POLICY_NOT_FOUND"


class PolicyExists(AlreadyExists):
    """There is a policy with that id."""

    reason = "POLICY_ALREADY_EXISTS"


class InUse(FailedPrecondition):
    """Policies use it."""

    reason = "IN_USE"
