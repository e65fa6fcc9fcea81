"""What the router counts and knows of its registry, read when somebody asks for it (router 4.2)."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ringback.kit.bus import Bus, Services
from ringback.kit.events import Publisher
from ringback.router.audit.daily import Daily
from ringback.router.extensions.loading import Loader
from ringback.router.extensions.model import TYPES
from ringback.router.nodes.presence import Presence


class Nats(Protocol):
    """The way to NATS, as the rest of the process sees it."""

    @property
    def is_connected(self) -> bool: ...

    def publishing(self) -> Publisher: ...

    def bus(self) -> Bus: ...

    def services(self) -> Services: ...


class Node(Protocol):
    """What goes on around the registry of this process, as far as somebody watches it."""

    presence: Presence
    daily: Daily


def watch_nats(registry: CollectorRegistry, nats: Nats) -> None:
    """Show whether NATS is reached, whenever somebody asks."""
    connected = Gauge("router_nats_connected", "1 while NATS is reached", registry=registry)
    connected.set_function(lambda: nats.is_connected)


class Watched(Collector):
    """The registry of this process: all from memory, so nobody waits for a database, and no lookup counts for it."""

    def __init__(self, loader: Loader, node: Node) -> None:
        self._loader = loader
        self._node = node

    def describe(self) -> Iterable[Metric]:
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        stats, known = self._loader.stats(), self._loader.registry.snapshot
        extensions = GaugeMetricFamily(
            "router_extension_registry_extensions_total",
            "Router extensions that are not deleted, and where this node has them from",
            labels=("source", "type"),
        )
        kinds = [one.type for one in known.by_id.values()]
        for type in TYPES:
            extensions.add_metric((stats.source, type), kinds.count(type))
        yield extensions
        yield _counts(
            "router_extension_registry_sync", "Whole loads", "status", ok=stats.load_count, error=stats.error_count
        )
        yield _counts("router_registry_lookups", "Lookups by id", "result", hit=stats.hits, miss=stats.misses)
        yield GaugeMetricFamily("router_registry_revision", "The registry revision that is served", stats.revision)
        yield GaugeMetricFamily("router_registry_degraded", "1 while the database does not answer", stats.degraded)
        yield GaugeMetricFamily(
            "router_registry_snapshot_age_seconds",
            "Since what is served was known to be what the database says",
            self._loader.age,
        )
        yield GaugeMetricFamily("router_registry_nack", "Rows that this node cannot serve", len(self._loader.rejected))
        yield GaugeMetricFamily(
            "router_nodes_stale", "Other nodes that have not been heard of for 15 s", self._node.presence.stale
        )
        last = self._node.daily.last
        yield GaugeMetricFamily(
            "router_audit_verify_ok", "1 if the audit log was as written the last time", last.ok if last else None
        )


def _counts(name: str, text: str, label: str, **counts: int) -> CounterMetricFamily:
    found = CounterMetricFamily(name, text, labels=(label,))
    for value, count in counts.items():
        found.add_metric((value,), count)
    return found


def watch_registry(registry: CollectorRegistry, loader: Loader, node: Node) -> None:
    """Show how the registry of this process does, whenever somebody asks."""
    registry.register(Watched(loader, node))
