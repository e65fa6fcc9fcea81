"""Which records a list holds, and its pages: by type and id."""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ringback.kit.errors import InvalidPageToken
from ringback.router.extensions.health import Health
from ringback.router.extensions.model import RouterExtension


def place_of(record: RouterExtension) -> tuple[str, str]:
    """Where it stands in a list; `page` goes by it."""
    return record.type, record.id


def chosen(records: Iterable[RouterExtension], asked: Any, known: Mapping[str, Health]) -> list[RouterExtension]:
    """Those that the filters of a list (`type`, `enabled`, `status`, `tag`, `q`) leave, in their order."""

    def fits(one: RouterExtension) -> bool:
        health = known.get(one.id)
        words = (one.id, one.subject, str(one.metadata.get("description", "")))
        return (
            asked.type in (None, one.type)
            and asked.enabled in (None, one.enabled)
            and asked.status in (None, health.status if health else "unknown")
            and (asked.tag is None or asked.tag in one.metadata.get("tags", ()))
            and (asked.q is None or any(asked.q.lower() in word.lower() for word in words))
        )

    return list(filter(fits, records))


def page(records: Sequence[RouterExtension], token: str | None, size: int) -> tuple[Sequence[RouterExtension], str]:
    """One page behind the place that the token names, and the token of the next one."""
    behind = _place(token) if token else ("", "")
    rest = [one for one in records if place_of(one) > behind]
    return rest[:size], _token(rest[size - 1]) if len(rest) > size else ""


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
