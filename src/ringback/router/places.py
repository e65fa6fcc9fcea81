"""Pages of lists that are in memory, by two texts that say where each of their records stands."""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TypeVar

from ringback.kit.errors import InvalidPageToken

T = TypeVar("T")
Place = tuple[str, str]


def page(records: Sequence[T], place_of: Callable[[T], Place], token: str | None, size: int) -> tuple[Sequence[T], str]:
    """One page of records in the order of their places, behind that of the token; and the token of the next one."""
    start = bisect_right(records, _place(token), key=place_of) if token else 0
    found, more = records[start : start + size], len(records) > start + size
    return found, _token(place_of(found[-1])) if more else ""


def _token(place: Place) -> str:
    return base64.urlsafe_b64encode("/".join(place).encode()).decode().rstrip("=")


def _place(token: str) -> Place:
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidPageToken from None
    first, slash, second = text.partition("/")
    if not slash:
        raise InvalidPageToken
    return first, second
