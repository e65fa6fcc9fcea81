"""What one service is called at the broker: its queues and its exchanges (registrar 2.1)."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Topology:
    """`service` is its consumer tag as well; `upstreams` are the exchanges whose events it follows."""

    service: str
    requests: str
    subscription: str
    events: str
    upstreams: tuple[str, ...] = ()

    @classmethod
    def of(cls, service: str, *upstreams: str, requests: str = "", events: str = "", subscription: str = "") -> Self:
        """The names that every service of the platform has, unless others are given; `upstreams` are services."""
        return cls(
            service,
            requests or f"bin-manager.{service}.request",
            subscription or f"bin-manager.{service}.subscribe",
            events or f"bin-manager.{service}.event",
            tuple(f"bin-manager.{upstream}.event" for upstream in upstreams),
        )
