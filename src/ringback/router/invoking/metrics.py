"""What Prometheus reads of calls, breakers and health of this node: from memory, when somebody asks (router 4.2)."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ringback.router.invoking.breaker import STATES
from ringback.router.invoking.circuits import Circuit, Circuits
from ringback.router.invoking.tally import BOUNDS

ID = ("extension_id",)
TYPED = (*ID, "type")


class Calls(Collector):
    """Each call is counted once, whatever came of it. Series of a router extension end with it."""

    def __init__(self, circuits: Circuits, *, by_customer: bool) -> None:
        self._circuits = circuits
        self._by_customer = by_customer

    def describe(self) -> Iterable[Metric]:
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        circuits = list(self._circuits.by_id.values())
        yield self._calls(circuits)
        yield _latencies(circuits)
        yield from _tries(circuits)
        yield from self._health(circuits)

    def _calls(self, circuits: list[Circuit]) -> Metric:
        labels = (*TYPED, "status", *(("tenant_id",) if self._by_customer else ()))
        calls = CounterMetricFamily("router_extension_invocation", "Calls by what came of them", labels=labels)
        for one in circuits:
            for (status, customer), count in one.tally.by_status.items():
                calls.add_metric((one.id, one.type, status, *((customer,) if self._by_customer else ())), count)
        return calls

    def _health(self, circuits: list[Circuit]) -> Iterator[Metric]:
        rate = GaugeMetricFamily(
            "router_extension_health_success_rate", "Share of calls of the last 300 s that succeeded", labels=ID
        )
        slow = GaugeMetricFamily(
            "router_extension_health_latency_p95_ms", "Within which 95 of 100 of them ended", labels=ID
        )
        for one in circuits:
            figures = one.window.figures(self._circuits.clock())
            success_rate, p95 = figures.success_rate, figures.latency(0.95)
            if success_rate is not None and p95 is not None:
                rate.add_metric((one.id,), success_rate)
                slow.add_metric((one.id,), p95)
        yield rate
        yield slow


def _latencies(circuits: list[Circuit]) -> Metric:
    found = HistogramMetricFamily(
        "router_extension_invocation_latency_ms", "How long calls took that asked somebody", labels=TYPED
    )
    for one in circuits:
        counts = map(float, accumulate(one.tally.latencies))
        buckets = list(zip((*(str(float(bound)) for bound in BOUNDS), "+Inf"), counts, strict=True))
        found.add_metric((one.id, one.type), buckets, one.tally.milliseconds)
    return found


def _tries(circuits: list[Circuit]) -> Iterator[Metric]:
    retries = CounterMetricFamily(
        "router_extension_retries", "Attempts after the first, by their number", labels=(*ID, "retry_count")
    )
    states = GaugeMetricFamily(
        "router_extension_circuit_breaker_state", "1 for the state that its breaker is in", labels=(*ID, "state")
    )
    opened = CounterMetricFamily(
        "router_extension_circuit_breaker_opened", "How often its breaker has opened, and why", labels=(*ID, "reason")
    )
    for one in circuits:
        for number, count in one.tally.retries.items():
            retries.add_metric((one.id, str(number)), count)
        now = one.breaker.state
        for state in STATES:
            states.add_metric((one.id, state), now == state)
        for reason, count in one.tally.opened.items():
            opened.add_metric((one.id, reason), count)
    yield retries
    yield states
    yield opened


def watch_calls(registry: CollectorRegistry, circuits: Circuits, *, by_customer: bool) -> None:
    """Show what this node counts of calls, whenever somebody asks; `by_customer` names customers, too."""
    registry.register(Calls(circuits, by_customer=by_customer))
