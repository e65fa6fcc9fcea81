"""What the registrar counts (registrar 21). Labels never hold ids, numbers, hashes or names of customers."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = (50, 100, 500, 1000, 3000)
"""Milliseconds."""


class Metrics:
    """The counters of one process, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        name = "registrar_manager"
        self.extension_create = Counter(f"{name}_extension_create", "Extensions created", registry=registry)
        self.extension_delete = Counter(f"{name}_extension_delete", "Extensions deleted", registry=registry)
        self.request_time = Histogram(
            f"{name}_receive_request_process_time",
            "Milliseconds from a request to its reply",
            ("type", "method"),
            buckets=BUCKETS,
            registry=registry,
        )
        self.outbox_pending = Gauge(f"{name}_outbox_pending", "Events that wait", registry=registry)
        self.outbox_age = Gauge(f"{name}_outbox_oldest_age_seconds", "Age of the oldest that waits", registry=registry)
        self.event_publish = Counter(
            f"{name}_event_publish", "Events given to the bus", ("event_type", "exchange", "result"), registry=registry
        )
        self.reconcile_pending = Gauge(
            f"{name}_reconcile_pending", "SIP rows that differ from our truth", registry=registry
        )
        self.reconcile_actions = Counter(
            f"{name}_reconcile_actions", "SIP rows repaired", ("table", "action"), registry=registry
        )
        self.reconcile_success = Gauge(
            f"{name}_reconcile_last_success_timestamp_seconds", "End of the last whole pass", registry=registry
        )
        self.contacts_live = Gauge(f"{name}_contacts_live", "Phones with a live contact", registry=registry)
        self.direct_lookup = Counter(
            f"{name}_direct_lookup", "Lookups of direct hashes", ("result",), registry=registry
        )

    def observe_request(self, pattern: str, method: str, milliseconds: float) -> None:
        self.request_time.labels(pattern, method).observe(milliseconds)

    def observe_event(self, event_type: str, taken: bool) -> None:
        self.event_publish.labels(event_type, "memory", "ok" if taken else "failed").inc()
