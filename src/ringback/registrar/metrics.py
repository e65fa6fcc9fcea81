"""What the registrar counts (registrar 21). Labels never hold ids, numbers, hashes or names of customers."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PREFIX = "registrar_manager"
BUCKETS = (50, 100, 500, 1000, 3000)
"""Milliseconds."""


class Metrics:
    """The counters of one process, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"{PREFIX}_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"{PREFIX}_{name}", text, labels, registry=registry)

        def milliseconds(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(f"{PREFIX}_{name}", f"Milliseconds {text}", labels, buckets=BUCKETS, registry=registry)

        self.registry = registry
        self.extension_create = counter("extension_create", "Extensions created")
        self.extension_delete = counter("extension_delete", "Extensions deleted")
        self.trunk_create = counter("trunk_create", "Trunks created")
        self.trunk_delete = counter("trunk_delete", "Trunks deleted")
        self.request_time = milliseconds(
            "receive_request_process_time", "from a request to its reply", "type", "method"
        )
        self._request_time_of = cache(self.request_time.labels)
        self.event_time = milliseconds(
            "receive_subscribe_event_process_time", "from an event of others to its end", "publisher", "type"
        )
        self.asked_time = milliseconds(
            "request_process_time", "from a request of ours to its reply", "target", "resource", "method"
        )
        self.breaker_state = gauge("circuitbreaker_state", "0 closed, 1 open, 2 probing", "target")
        self.breaker_rejected = counter("circuitbreaker_rejected", "Requests that were not sent", "target")
        self.outbox_pending = gauge("outbox_pending", "Events that wait")
        self.outbox_age = gauge("outbox_oldest_age_seconds", "Age of the oldest that waits")
        self.event_publish = counter("event_publish", "Events given to the bus", "event_type", "exchange", "result")
        self.reconcile_pending = gauge("reconcile_pending", "SIP rows that differ from our truth")
        self.reconcile_actions = counter("reconcile_actions", "SIP rows repaired", "table", "action")
        self.reconcile_success = gauge("reconcile_last_success_timestamp_seconds", "End of the last whole pass")
        self.asterisk_connected = gauge("asterisk_connected", "1 while an Asterisk tells its events", "asterisk")
        self.contacts_live = gauge("contacts_live", "Phones with a live contact")
        self.contact_events = counter("contact_events", "Contacts that came or went", "type")
        self.calls_ended = counter("calls_ended", "Calls that ended", "direction", "reason")
        self.redis_failure = counter("redis_failure", "Answers of Redis that did not come", "use")
        self.direct_lookup = counter("direct_lookup", "Lookups of direct hashes", "result")

    def observe_request(self, pattern: str, method: str, milliseconds: float) -> None:
        self._request_time_of(pattern, method).observe(milliseconds)

    def observe_heard(self, publisher: str, event_type: str, milliseconds: float) -> None:
        self.event_time.labels(publisher, event_type).observe(milliseconds)

    def observe_event(self, exchange: str, event_type: str, taken: bool) -> None:
        self.event_publish.labels(event_type, exchange, "ok" if taken else "failed").inc()

    def observe_asked(self, target: str, resource: str, method: str, milliseconds: float) -> None:
        self.asked_time.labels(target, resource, method).observe(milliseconds)

    def observe_breaker(self, target: str, state: int) -> None:
        self.breaker_state.labels(target).set(state)

    def observe_redis_failure(self, use: str) -> None:
        self.redis_failure.labels(use).inc()

    def observe_rejected(self, target: str) -> None:
        self.breaker_rejected.labels(target).inc()
