"""Shapes of router extensions: what is asked for, and what is shown (router 6.3)."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec

from ringback.kit.errors import Fault
from ringback.kit.reading import Asked
from ringback.router.canonical import time_of
from ringback.router.extensions import rules
from ringback.router.extensions.model import RouterExtension
from ringback.router.secrets import redacted

REQUIRED: Final = {"id": "invalid_id", "type": "invalid_type", "subject": "subject_grammar"}
"""Which rule a new extension without the field breaks."""

Object = dict[str, Any]
ReadOnly = Annotated[Any, msgspec.Meta(description="read-only: ignored when it is sent")]


class Ruled(Asked, frozen=True, kw_only=True):
    """A request whose faults have the names of their rules (router 3)."""

    @staticmethod
    def ruled(fault: Fault) -> Fault:
        if fault.rule:
            return fault
        if fault.description == "is required":
            return fault._replace(rule=REQUIRED.get(fault.field, "wrong_type"))
        return fault._replace(rule="unknown_field" if fault.description.startswith("is not a field") else "wrong_type")

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        return rules.faults(values)


class Sent(Ruled, frozen=True, kw_only=True):
    """The fields that a create and a change have in common; what a read gave may be sent back whole."""

    timeout_ms: int | None = None
    retry: int | None = None
    enabled: bool | None = None
    share_subject: bool | None = None
    config: Object | None = None
    metadata: Object | None = None
    comment: Annotated[str, msgspec.Meta(max_length=1024)] | None = None


class NewExtension(Sent, frozen=True, kw_only=True):
    """A router extension that shall be there."""

    id: str
    type: str
    subject: str


class ChangeExtension(Sent, frozen=True, kw_only=True):
    """What shall be different; what is absent or null stays."""

    id: str | None = None
    type: str | None = None
    subject: str | None = None
    version: ReadOnly = None
    breaker_override: ReadOnly = None
    revision: ReadOnly = None
    created_at: ReadOnly = None
    created_by: ReadOnly = None
    updated_at: ReadOnly = None
    updated_by: ReadOnly = None
    deleted_at: ReadOnly = None
    health: ReadOnly = None
    breaker: ReadOnly = None
    warnings: ReadOnly = None


class Rollback(Ruled, frozen=True, kw_only=True):
    """To which revision."""

    to_revision: Annotated[int, msgspec.Meta(ge=1)]
    comment: Annotated[str, msgspec.Meta(max_length=1024)] | None = None


class HealthSummary(msgspec.Struct, frozen=True):
    """How it does: `unknown` and no score without any call ever."""

    status: str
    health_score: float | None


class BreakerState(msgspec.Struct, frozen=True):
    """Whether it is called at all."""

    state: str


class RouterExtensionRecord(msgspec.Struct, frozen=True):
    """A router extension as it is shown."""

    id: str
    type: str
    subject: str
    timeout_ms: int
    retry: int
    enabled: bool
    share_subject: bool
    version: str
    config: Object
    metadata: Object
    breaker_override: str | None
    revision: int
    created_at: str
    created_by: str | None
    updated_at: str
    updated_by: str | None
    deleted_at: str | None
    health: HealthSummary
    breaker: BreakerState
    warnings: list[str]


def shown(
    record: RouterExtension, health: HealthSummary, breaker: str, *, whole: bool, warnings: Iterable[str] = ()
) -> RouterExtensionRecord:
    """A record for eyes; references to secrets are shown to the operator (`whole`) alone (S-8)."""
    document = record.document() if whole else redacted(record.document())
    return RouterExtensionRecord(
        **document, version=record.version, health=health, breaker=BreakerState(breaker), warnings=list(warnings)
    )


class ExtensionEvent(msgspec.Struct, frozen=True):
    """News of the registry: what changed, at which registry revision, on which node."""

    registry_revision: int
    node: str
    at: str
    data: Object


def told(record: RouterExtension) -> Object:
    return {**redacted(record.document()), "version": record.version}


def at(record: RouterExtension) -> str:
    return time_of(record.updated_at)
