"""How a router extension does: what all nodes have counted of its calls (router R-7b)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from ringback.kit.db import Row, spread
from ringback.kit.pages import LARGEST
from ringback.router.extensions import store
from ringback.router.work import Uow

Status = Literal["healthy", "degraded", "unhealthy", "unknown"]
HEALTHY, DEGRADED = 0.95, 0.80
"""The least share of successes."""
SECONDS: Final = 300
"""Of the window."""
WORST_FIRST: Final = ("open", "half_open", "closed")
COUNTS: Final = ("success_count", "failure_count", "window_success", "window_failure", "latency_samples")


@dataclass(frozen=True, slots=True)
class Health:
    """Counts are those of all nodes together; latencies are milliseconds, of the node that answered last."""

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

    @property
    def newest(self) -> Mapping[str, Any]:
        """The figures of the node that has told of it last."""
        return max(self.nodes, key=lambda row: row["updated_at"], default={})

    def latest(self, name: str) -> datetime | None:
        """The latest of a time that each node knows."""
        return max((row[name] for row in self.nodes if row[name]), default=None)


def health_of(id: str, rows: Iterable[Row]) -> Health:
    """From what the nodes have counted; without any call ever it is unknown, and has no score."""
    nodes = tuple(rows)
    won, lost, lately, not_lately = (
        sum(row[name] for row in nodes)
        for name in ("success_count", "failure_count", "window_success", "window_failure")
    )
    score = 100 * won / (won + lost) if won + lost else None
    basis: Literal["window", "lifetime", "none"] = (
        "window" if lately + not_lately else "lifetime" if score is not None else "none"
    )
    share = lately / (lately + not_lately) if basis == "window" else None if score is None else score / 100
    states = {row["circuit_breaker_state"] for row in nodes}
    return Health(
        extension_id=id,
        status=_status(share),
        basis=basis,
        health_score=None if score is None else round(score, 2),
        success_count=won,
        failure_count=lost,
        window_success=lately,
        window_failure=not_lately,
        circuit_breaker_state=next((state for state in WORST_FIRST if state in states), "closed"),
        nodes=nodes,
    )


def _status(share: float | None) -> Status:
    if share is None:
        return "unknown"
    return "healthy" if share >= HEALTHY else "degraded" if share >= DEGRADED else "unhealthy"


async def health(uow: Uow, id: str) -> Health:
    """Of one, be it deleted: its counts stay with its row."""
    return health_of(id, await uow.session.all(store.HEALTH_OF, of=id))


async def healths(uow: Uow) -> dict[str, Health]:
    """Of all of whom something has been counted, by id."""
    return _by_id(await uow.session.all(store.HEALTH))


async def healths_of(uow: Uow, ids: Sequence[str]) -> dict[str, Health]:
    """The same of those of one page."""
    return _by_id(await uow.session.all(store.HEALTH_AMONG, **spread("id", ids, LARGEST))) if ids else {}


def _by_id(found: Iterable[Row]) -> dict[str, Health]:
    rows: dict[str, list[Row]] = {}
    for row in found:
        rows.setdefault(row["extension_id"], []).append(row)
    return {id: health_of(id, some) for id, some in rows.items()}
