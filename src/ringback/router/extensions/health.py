"""How a router extension does: what all nodes have counted of its calls, this one up to now (router R-7b)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from ringback.kit.db import Row
from ringback.router.extensions import store
from ringback.router.invoking.breaker import Recent
from ringback.router.invoking.rows import row_of
from ringback.router.invoking.statuses import Status
from ringback.router.invoking.store import ENDED
from ringback.router.work import Uow

HEALTHY, DEGRADED = 0.95, 0.80
"""The least share of successes."""
SECONDS: Final = 300
"""Of the window."""
WORST_FIRST: Final = ("open", "half_open", "closed")


@dataclass(frozen=True, slots=True)
class Health:
    """Counts are those of all nodes together; latencies are milliseconds, of the answering node where it has any."""

    extension_id: str
    status: Status
    basis: Literal["window", "lifetime", "none"]
    health_score: float | None
    success_count: int
    failure_count: int
    window_success: int
    window_failure: int
    circuit_breaker_state: str
    nodes: tuple[Row, ...]
    node: str
    """The one that answers."""

    @property
    def nearest(self) -> Mapping[str, Any]:
        """The figures of this node, or of the one that has told of it last."""
        mine = (row for row in self.nodes if row["node_id"] == self.node and row["latency_samples"])
        return next(mine, max(self.nodes, key=lambda row: row["updated_at"], default={}))

    @property
    def mean_latency(self) -> float | None:
        """Milliseconds of a call in its whole life, on all nodes."""
        told = [(row["avg_latency_ms"], row["success_count"] + row["failure_count"]) for row in self.nodes]
        known = [(mean, calls) for mean, calls in told if mean is not None and calls]
        return sum(mean * calls for mean, calls in known) / sum(calls for _, calls in known) if known else None

    def latest(self, name: str) -> datetime | None:
        """The latest of a time that each node knows."""
        return max((row[name] for row in self.nodes if row[name]), default=None)


def health_of(uow: Uow, id: str, stored: Iterable[Row] | None) -> Health:
    """From what the nodes have `stored` and this one has in memory; without any call ever it is unknown, without score.

    With `None`, where the database is away, the status is the one that was published last.
    """
    circuits = uow.registry.circuits
    nodes = _nodes(uow, id, stored or ())
    won, lost, lately, not_lately = (
        sum(row[name] for row in nodes)
        for name in ("success_count", "failure_count", "window_success", "window_failure")
    )
    score = 100 * won / (won + lost) if won + lost else None
    basis: Literal["window", "lifetime", "none"] = (
        "window" if lately + not_lately else "lifetime" if score is not None else "none"
    )
    status = _status(lately / (lately + not_lately) if basis == "window" else None if score is None else score / 100)
    states = {row["circuit_breaker_state"] for row in nodes}
    return Health(
        extension_id=id,
        status=circuits.statuses.published(id, status)
        if stored is None
        else circuits.statuses.publish(id, status, uow.now),
        basis=basis,
        health_score=None if score is None else round(score, 2),
        success_count=won,
        failure_count=lost,
        window_success=lately,
        window_failure=not_lately,
        circuit_breaker_state=next((state for state in WORST_FIRST if state in states), "closed"),
        nodes=nodes,
        node=uow.registry.node,
    )


def _nodes(uow: Uow, id: str, stored: Iterable[Row]) -> tuple[Row, ...]:
    """What each node says by now. Who was not heard of for a whole window has none, nor a breaker."""
    circuits, node = uow.registry.circuits, uow.registry.node
    old = uow.now - timedelta(seconds=SECONDS)
    rows = {row["node_id"]: row if row["updated_at"] >= old else {**row, **ENDED} for row in stored}
    ticks = circuits.clock()
    circuit = circuits.by_id.get(id)
    if circuit and (node in rows or circuit.is_news(ticks)):
        rows[node] = row_of(circuit, node, uow.now, ticks, rows.get(node))
    return tuple(rows[name] for name in sorted(rows))


def _status(share: float | None) -> Status:
    if share is None:
        return "unknown"
    return "healthy" if share >= HEALTHY else "degraded" if share >= DEGRADED else "unhealthy"


async def health(uow: Uow, id: str) -> Health:
    """Of one, be it deleted: its counts stay with its row."""
    return health_of(uow, id, await uow.session.all(store.HEALTH_OF, of=id))


async def healths(uow: Uow) -> dict[str, Health]:
    """Of all of whom something has been stored, by id."""
    return _by_id(uow, await uow.session.all(store.HEALTH))


async def healths_of(uow: Uow, ids: Sequence[str]) -> dict[str, Health]:
    """The same of those of one page."""
    return _by_id(uow, await uow.session.all(store.HEALTH_AMONG, ids=ids)) if ids else {}


def _by_id(uow: Uow, found: Iterable[Row]) -> dict[str, Health]:
    rows: dict[str, list[Row]] = {}
    for row in found:
        rows.setdefault(row["extension_id"], []).append(row)
    return {id: health_of(uow, id, some) for id, some in rows.items()}


def recent(uow: Uow, id: str) -> Recent | None:
    """The attempts of the last minute on this node, if there were any ever."""
    circuits = uow.registry.circuits
    circuit = circuits.by_id.get(id)
    if circuit is None:
        return None
    circuit.breaker.recent.look(circuits.clock())
    return circuit.breaker.recent
