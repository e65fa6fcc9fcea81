"""What a node writes of the calls of one router extension: a row of `extension_health`."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from ringback.kit.db import Row
from ringback.router.invoking.circuits import Circuit

NOTHING: Final[Row] = MappingProxyType(
    {"success_count": 0, "failure_count": 0, "avg_latency_ms": None, "last_latency_ms": None, "last_success": None,
     "last_failure": None}
)  # fmt: skip
SHARES: Final[Mapping[str, float]] = MappingProxyType({"p50": 0.5, "p95": 0.95, "p99": 0.99})


def row_of(circuit: Circuit, node: str, now: datetime, ticks: float, stored: Row | None) -> dict[str, Any]:
    """What is `stored` and what was counted since. `now` is the time, `ticks` the same by the clock of the circuits."""
    before = stored or NOTHING
    figures, breaker = circuit.window.figures(ticks), circuit.breaker
    state = breaker.state

    def time_of(moment: float | None, otherwise: datetime | None = None) -> datetime | None:
        return otherwise if moment is None else now - timedelta(seconds=ticks - moment)

    return {
        "extension_id": circuit.id,
        "node_id": node,
        "success_count": before["success_count"] + circuit.successes,
        "failure_count": before["failure_count"] + circuit.failures,
        "avg_latency_ms": _mean(before, circuit),
        "window_success": figures.successes,
        "window_failure": figures.failures,
        **{f"{name}_latency_ms": figures.latency(share) for name, share in SHARES.items()},
        "last_latency_ms": before["last_latency_ms"] if circuit.last_ms is None else circuit.last_ms,
        "latency_samples": figures.samples,
        "histogram": {str(bucket): count for bucket, count in figures.histogram.items()},
        "last_success": time_of(circuit.last_success, before["last_success"]),
        "last_failure": time_of(circuit.last_failure, before["last_failure"]),
        "circuit_breaker_state": state,
        "circuit_breaker_opened_at": time_of(breaker.opened_at),
        "circuit_breaker_reason": breaker.reason,
        "updated_at": now,
    }


def _mean(before: Row, circuit: Circuit) -> float | None:
    """Milliseconds of all calls there ever were, as far as they are known."""
    known = before["avg_latency_ms"]
    calls = 0 if known is None else before["success_count"] + before["failure_count"]
    more = circuit.successes + circuit.failures
    return ((known or 0) * calls + circuit.milliseconds) / (calls + more) if calls + more else None
