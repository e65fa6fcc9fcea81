"""What the router counts (router 4.2)."""

from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge

from ringback.kit.events import Publisher


class Nats(Protocol):
    """The way to NATS, as the rest of the process sees it."""

    @property
    def is_connected(self) -> bool: ...

    def publishing(self) -> Publisher: ...


def watch_nats(registry: CollectorRegistry, nats: Nats) -> None:
    """Show whether NATS is reached, whenever somebody asks."""
    connected = Gauge("router_nats_connected", "1 while NATS is reached", registry=registry)
    connected.set_function(lambda: nats.is_connected)
