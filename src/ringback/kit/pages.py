"""Pages of a list: newest first, by (tm_create, id), with tokens of two kinds."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, Generic, TypeVar
from uuid import UUID

import msgspec

from ringback.kit.errors import Fault, InvalidPageToken, ValidationFailed

T = TypeVar("T")

LARGEST: Final = 100
TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z")
FULL_SIZE: Final = f"a whole number from 1 to {LARGEST}"

PageSize = Annotated[str, msgspec.Meta(pattern=r"\A([1-9][0-9]?|100)\Z", description=FULL_SIZE, examples=["20"])]


@dataclass(frozen=True, slots=True)
class Cursor:
    """Rows older than `before`; of those made at that very moment, the ones whose id is below `id` (none: None)."""

    before: datetime
    id: UUID | None = None

    def token(self) -> str:
        """Opaque base64url over (tm_create, id)."""
        assert self.id is not None
        micros = int(self.before.timestamp()) * 1_000_000 + self.before.microsecond
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


def cursor_of(token: str | None) -> Cursor | None:
    """The place that a token names: ours, or a timestamp as VoIPbin's; `InvalidPageToken` otherwise."""
    if not token:
        return None
    try:
        if TIMESTAMP.fullmatch(token):
            seconds, _, fraction = token.rstrip("Z").partition(".")
            micros = int(fraction[:6].ljust(6, "0")) if fraction else 0
            return Cursor(datetime.fromisoformat(seconds).replace(microsecond=micros, tzinfo=UTC))
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        if len(raw) != 24:
            raise ValueError(token)
        seconds_, micros = divmod(int.from_bytes(raw[:8], "big", signed=True), 1_000_000)
        return Cursor(datetime.fromtimestamp(seconds_, UTC).replace(microsecond=micros), UUID(bytes=raw[8:]))
    except (ValueError, OverflowError, OSError, binascii.Error):
        raise InvalidPageToken from None


def size_of(text: str | None) -> int:
    """1 to 100, 100 when absent; `ValidationFailed` otherwise."""
    if text is None:
        return LARGEST
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text) or int(text) > LARGEST:
        raise ValidationFailed(Fault("page_size", f"must be {FULL_SIZE}"))
    return int(text)
