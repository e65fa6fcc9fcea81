"""Which records a list holds, and where each of them stands in it: by type and id."""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Final

from ringback.router.extensions.health import Health
from ringback.router.extensions.model import RouterExtension

place_of: Final[Callable[[RouterExtension], tuple[str, str]]] = attrgetter("type", "id")
"""Where it stands in a list."""


def chosen(records: Iterable[RouterExtension], asked: Any, health_of: Callable[[str], Health]) -> list[RouterExtension]:
    """Those that the filters of a list (`type`, `enabled`, `status`, `tag`, `q`) leave, in their order."""

    def fits(one: RouterExtension) -> bool:
        return (
            asked.type in (None, one.type)
            and asked.enabled in (None, one.enabled)
            and (asked.status is None or asked.status == health_of(one.id).status)
            and (asked.tag is None or asked.tag in one.metadata.get("tags", ()))
            and (asked.q is None or _says(one, asked.q))
        )

    return list(filter(fits, records))


def _says(record: RouterExtension, text: str) -> bool:
    """Whether one of its texts holds this, in whatever letter case."""
    words = (record.id, record.subject, str(record.metadata.get("description", "")))
    return any(text.lower() in word.lower() for word in words)
