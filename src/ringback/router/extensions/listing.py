"""Which records a list holds, and its pages: by type and id."""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

from ringback.kit.errors import InvalidPageToken
from ringback.router.extensions.health import Health
from ringback.router.extensions.model import RouterExtension

place_of: Final[Callable[[RouterExtension], tuple[str, str]]] = attrgetter("type", "id")
"""Where it stands in a list; `page` goes by it."""


def chosen(records: Iterable[RouterExtension], asked: Any, known: Mapping[str, Health]) -> list[RouterExtension]:
    """Those that the filters of a list (`type`, `enabled`, `status`, `tag`, `q`) leave, in their order."""

    def fits(one: RouterExtension) -> bool:
        return (
            asked.type in (None, one.type)
            and asked.enabled in (None, one.enabled)
            and (asked.status is None or asked.status == (known[one.id].status if one.id in known else "unknown"))
            and (asked.tag is None or asked.tag in one.metadata.get("tags", ()))
            and (asked.q is None or _says(one, asked.q))
        )

    return list(filter(fits, records))


def page(records: Sequence[RouterExtension], token: str | None, size: int) -> tuple[Sequence[RouterExtension], str]:
    """One page behind the place that the token names, and the token of the next one."""
    start = bisect_right(records, _place(token), key=place_of) if token else 0
    found, more = records[start : start + size], len(records) > start + size
    return found, _token(found[-1]) if more else ""


def _says(record: RouterExtension, text: str) -> bool:
    """Whether one of its texts holds this, in whatever letter case."""
    words = (record.id, record.subject, str(record.metadata.get("description", "")))
    return any(text.lower() in word.lower() for word in words)


def _token(record: RouterExtension) -> str:
    return base64.urlsafe_b64encode("/".join(place_of(record)).encode()).decode().rstrip("=")


def _place(token: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidPageToken from None
    type, slash, id = text.partition("/")
    if not slash:
        raise InvalidPageToken
    return type, id
