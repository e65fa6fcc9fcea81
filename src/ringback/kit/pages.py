"""Pages of a list: newest first, by (tm_create, id), with tokens of two kinds."""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Generic, TypeVar
from uuid import UUID

import msgspec

from ringback.kit.errors import Fault, InvalidPageToken, ValidationFailed
from ringback.kit.reading import Faults

T = TypeVar("T")

LARGEST: Final = 100
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z")
FULL_SIZE: Final = f"a whole number from 1 to {LARGEST}"

SIZE: Final = re.compile(r"[1-9][0-9]?|100")

PageSize = Annotated[
    int,
    msgspec.Meta(ge=1, le=LARGEST, description=FULL_SIZE, examples=[20], extra_json_schema={"default": LARGEST}),
]
PageToken = Annotated[
    str,
    msgspec.Meta(
        description="`next_page_token` of the page before, empty for the first page; a timestamp is taken as well",
        extra_json_schema={"pattern": "^(A[A-Za-v][A-Za-z0-9_-]{30})?$"},
    ),
]
"""The pattern is that of our own tokens up to the year 8815."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Rows older than `before`; of those made at that very moment, the ones whose id is below `id` (none: None)."""

    before: datetime
    id: UUID | None = None

    def token(self) -> str:
        """Opaque base64url over (tm_create, id)."""
        assert self.id is not None
        micros = (self.before - EPOCH) // MICROSECOND
        raw = micros.to_bytes(8, "big", signed=True) + self.id.bytes
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list, and where the next page starts; `None` on the last page."""

    items: Sequence[T]
    next: Cursor | None

    @property
    def next_token(self) -> str:
        return self.next.token() if self.next else ""


async def every(page: Callable[[Cursor | None], Awaitable[Page[T]]]) -> list[T]:
    """All items of a list that is not long, page by page."""
    found: list[T] = []
    cursor: Cursor | None = None
    while True:
        some = await page(cursor)
        found += some.items
        if (cursor := some.next) is None:
            return found


def cursor_of(token: str | None) -> Cursor | None:
    """The place that a token names: ours, or a timestamp as VoIPbin's; `InvalidPageToken` otherwise.

    A timestamp finer than ours is rounded up, since rows of the microsecond it lies in are older than it.
    """
    if not token:
        return None
    try:
        if TIMESTAMP.fullmatch(token):
            seconds, _, fraction = token.rstrip("Z").partition(".")
            nanos = int(fraction.ljust(9, "0"))
            return Cursor(datetime.fromisoformat(seconds).replace(tzinfo=UTC) + (nanos + 999) // 1000 * MICROSECOND)
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        if len(raw) != 24:
            raise ValueError(token)
        micros = int.from_bytes(raw[:8], "big", signed=True)
        return Cursor(EPOCH + micros * MICROSECOND, UUID(bytes=raw[8:]))
    except (ValueError, OverflowError, binascii.Error):
        raise InvalidPageToken from None


def size_of(text: str | None) -> int:
    """1 to 100, 100 when absent; `ValidationFailed` otherwise."""
    if text is None:
        return LARGEST
    if not SIZE.fullmatch(text):
        raise ValidationFailed(Fault("page_size", f"must be {FULL_SIZE}"))
    return int(text)


def page_of(size: str | None, token: str | None, filters: Callable[[], T]) -> tuple[T, Cursor | None, int]:
    """What a list is asked for: its filters, where the page starts, how large it is; the faults of all at once."""
    faults = Faults()
    wanted = faults.of(filters)
    limit = faults.of(lambda: size_of(size))
    if wanted is None or limit is None:
        raise ValidationFailed(*faults.found)
    return wanted, cursor_of(token), limit
