"""Which status of a router extension is published: one that has held for a while (R-7b)."""

from collections.abc import Container
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

Status = Literal["healthy", "degraded", "unhealthy", "unknown"]
HOLD: Final = timedelta(seconds=10)


class Held(NamedTuple):
    """What is published, what it would be by now, and since when."""

    published: Status
    found: Status
    since: datetime


class Statuses:
    """Of all of whom this node has told or been asked."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def publish(self, id: str, found: Status, now: datetime) -> Status:
        """What is published of it from now on. The first one is at once, and so is that there was no call ever."""
        held = self._held.get(id)
        if held is None or "unknown" in (found, held.published) or held.published == found:
            held = Held(found, found, now)
        elif held.found != found:
            held = Held(held.published, found, now)
        elif now - held.since >= HOLD:
            held = Held(found, found, now)
        self._held[id] = held
        return held.published

    def published(self, id: str, otherwise: Status) -> Status:
        """What was published of it last."""
        held = self._held.get(id)
        return held.published if held else otherwise

    def waiting(self) -> list[str]:
        """Those that will have another one, if that holds."""
        return [id for id, held in self._held.items() if held.published != held.found]

    def keep(self, ids: Container[str]) -> None:
        """Forget all others."""
        for id in [id for id in self._held if id not in ids]:
            del self._held[id]
