"""Shapes of router extensions: what is asked for, and what is shown (router 6.3)."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from ringback.api.wait import Wait
from ringback.kit.errors import Fault
from ringback.kit.merging import merged
from ringback.router.canonical import time_of
from ringback.router.extensions import rules
from ringback.router.extensions.health import SECONDS, Health
from ringback.router.extensions.model import RouterExtension
from ringback.router.invoking.breaker import Recent
from ringback.router.nodes.model import Applied
from ringback.router.ruled import Ruled
from ringback.router.secrets import redacted

Object = dict[str, Any]
Comment = Annotated[str, msgspec.Meta(max_length=1024, description="a text of at most 1024 characters")]
ReadOnly = Annotated[Any, msgspec.Meta(description="read-only: ignored when it is sent")]


class Sent(Ruled, frozen=True, kw_only=True):
    """The fields that a create and a change have in common; what a read gave may be sent back whole."""

    timeout_ms: int | None = None
    retry: int | None = None
    enabled: bool | None = None
    share_subject: bool | None = None
    config: Object | None = None
    metadata: Object | None = None
    comment: Comment | None = None

    required: ClassVar[Mapping[str, str]] = {"id": "invalid_id", "type": "invalid_type", "subject": "subject_grammar"}

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        return rules.faults(values)


class NewRouterExtension(Sent, frozen=True, kw_only=True):
    """A router extension that shall be there."""

    id: str
    type: str
    subject: str


class ChangeRouterExtension(Sent, frozen=True, kw_only=True):
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
    applied: ReadOnly = None

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        """Null within config and metadata removes, where they are merged: what that makes of them is judged later."""
        return rules.faults({name: merged({}, value) for name, value in values.items()})


class RouterRollback(Ruled, frozen=True, kw_only=True):
    """To which revision."""

    to_revision: Annotated[int, msgspec.Meta(ge=1)]
    comment: Comment | None = None


class Forced(Wait, frozen=True, kw_only=True):
    """Whether it is done although policies name it, or require it; and whether to wait."""

    force: Annotated[bool, msgspec.Meta(description="true: even if policies name it, or require it")] = False


class HealthSummary(msgspec.Struct, frozen=True):
    """How it does: `unknown` and no score without any call ever."""

    status: str
    health_score: float | None


class RouterBreakerForce(Ruled, frozen=True, kw_only=True):
    """Whether a breaker is open or closed whatever happens, or goes by itself."""

    force: Annotated[Literal["open", "closed", "none"], msgspec.Meta(description="open, closed or none")]
    comment: Comment | None = None


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
    applied: Applied | msgspec.UnsetType | None = msgspec.UNSET
    """Of a change that was asked to wait: `None` where the database went away after the commit."""


def shown(
    record: RouterExtension, health: HealthSummary, breaker: str, *, whole: bool, warnings: Iterable[str] = ()
) -> RouterExtensionRecord:
    """A record for eyes; references to secrets are shown to the operator (`whole`) alone (S-8)."""
    document = record.document() if whole else redacted(record.document())
    return RouterExtensionRecord(
        **document, version=record.version, health=health, breaker=BreakerState(breaker), warnings=list(warnings)
    )


class NodeBreaker(msgspec.Struct, frozen=True):
    """The breaker of one node."""

    node_id: str
    state: str
    reason: str | None
    opened_at: str | None


class RouterBreaker(msgspec.Struct, frozen=True):
    """A breaker: its state is the worst of all nodes; counts are attempts of the last minute on the answering node."""

    extension_id: str
    state: str
    reason: str | None
    opened_at: str | None
    failure_count: int
    error_rate: float | None
    breaker_override: str | None
    nodes: list[NodeBreaker]


def told_breaker(record: RouterExtension, one: Health, recent: Recent | None) -> RouterBreaker:
    nodes = [
        NodeBreaker(
            row["node_id"],
            row["circuit_breaker_state"],
            row["circuit_breaker_reason"],
            row["circuit_breaker_opened_at"] and time_of(row["circuit_breaker_opened_at"]),
        )
        for row in one.nodes
        if row["circuit_breaker_state"]
    ]
    state = one.circuit_breaker_state
    worst = next((node for node in nodes if node.state == state), None)
    return RouterBreaker(
        extension_id=record.id,
        state=state,
        reason=worst.reason if worst else None,
        opened_at=worst.opened_at if worst else None,
        failure_count=recent.failures if recent else 0,
        error_rate=recent.failures / recent.attempts if recent and recent.attempts else None,
        breaker_override=record.breaker_override,
        nodes=nodes,
    )


class HealthWindow(msgspec.Struct, frozen=True):
    """The last seconds, of all nodes together; percentiles are of the node that answers, if it has called it."""

    seconds: int
    success_count: int
    failure_count: int
    success_rate: float | None
    p50_latency_ms: float | None
    p95_latency_ms: float | None
    p99_latency_ms: float | None
    latency_samples: int


class NodeHealth(msgspec.Struct, frozen=True):
    """What one node has counted."""

    node_id: str
    success_count: int
    failure_count: int
    last_latency_ms: float | None
    circuit_breaker_state: str


class RouterExtensionHealth(msgspec.Struct, frozen=True):
    """How a router extension does: `health_score` is 100 x successes / calls of its whole life."""

    extension_id: str
    status: str
    basis: str
    health_score: float | None
    success_count: int
    failure_count: int
    avg_latency_ms: float | None
    last_latency_ms: float | None
    last_success: str | None
    last_failure: str | None
    circuit_breaker_state: str
    window: HealthWindow
    nodes: list[NodeHealth]


def told_health(one: Health) -> RouterExtensionHealth:
    nearest = one.nearest
    calls = one.window_success + one.window_failure
    success, failure = one.latest("last_success"), one.latest("last_failure")
    return RouterExtensionHealth(
        extension_id=one.extension_id,
        status=one.status,
        basis=one.basis,
        health_score=one.health_score,
        success_count=one.success_count,
        failure_count=one.failure_count,
        avg_latency_ms=one.mean_latency,
        last_latency_ms=nearest.get("last_latency_ms"),
        last_success=time_of(success) if success else None,
        last_failure=time_of(failure) if failure else None,
        circuit_breaker_state=one.circuit_breaker_state,
        window=HealthWindow(
            seconds=SECONDS,
            success_count=one.window_success,
            failure_count=one.window_failure,
            success_rate=one.window_success / calls if calls else None,
            **{f"{name}_latency_ms": nearest.get(f"{name}_latency_ms") for name in ("p50", "p95", "p99")},
            latency_samples=nearest.get("latency_samples", 0),
        ),
        nodes=[
            NodeHealth(
                row["node_id"],
                row["success_count"],
                row["failure_count"],
                row["last_latency_ms"],
                row["circuit_breaker_state"] or "closed",
            )
            for row in one.nodes
        ],
    )


def told(record: RouterExtension) -> Object:
    return {**redacted(record.document()), "version": record.version}
