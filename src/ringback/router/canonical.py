"""One spelling for everything that is hashed, compared or kept for ever: JSON, times, checksums."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import reduce
from hashlib import sha256
from operator import xor
from typing import Any

import msgspec

ENCODER = msgspec.json.Encoder(order="deterministic")


def text_of(document: Any) -> str:
    """JSON with sorted keys and no spaces (R-5b)."""
    return ENCODER.encode(document).decode()


def plain(value: Any) -> Any:
    """The same JSON with the numbers that every engine gives back as it got them: 1.0 and 1e22 as whole numbers."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def is_same(one: Any, other: Any) -> bool:
    """Whether they are the same JSON: 1.0 is 1, and true is not, whatever Python says."""
    return one == other and (text_of(one) == text_of(other) or text_of(plain(one)) == text_of(plain(other)))


def time_of(moment: datetime) -> str:
    """RFC 3339 in UTC with six digits."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def checksum_of(text: str) -> str:
    """SHA-256 hex of a canonical text."""
    return sha256(text.encode()).hexdigest()


def part_of(key: str, revision: int, checksum: str) -> int:
    """What one record adds to the checksum of a whole registry, and takes away again."""
    return int(sha256(f"{key}\n{revision}\n{checksum}".encode()).hexdigest(), 16)


def whole_checksum(parts: Iterable[int]) -> str:
    """Of a whole registry: the XOR of its parts, so that their order does not count."""
    return f"{reduce(xor, parts, 0):064x}"


def moved_checksum(before: str, parts: Iterable[int]) -> str:
    """The checksum after these parts have come or gone."""
    return whole_checksum([int(before, 16), *parts])
