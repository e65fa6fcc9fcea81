"""Which provider a request goes to: a weighted choice that every node makes alike (router P-3)."""

import math
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

BITS: Final = 52


def chosen(key: str, candidates: Iterable[tuple[str, float]]) -> str | None:
    """Of (id, weight) one, with a chance of its weight's share over all keys, and for one key always the same.

    Each id draws its own lot, so whoever comes or goes changes the choice of nobody but those who go to it or come
    from it. A weight of 0 is never chosen; `None` where nobody can be.
    """
    lots = [(_lot(key, id, weight), id) for id, weight in candidates if weight > 0]
    return min(lots, key=lambda lot: (-lot[0], lot[1]))[1] if lots else None


def _lot(key: str, id: str, weight: float) -> float:
    digest = sha256(key.encode() + b"\0" + id.encode()).digest()
    u = ((int.from_bytes(digest[:8]) >> (64 - BITS)) + 0.5) / (1 << BITS)
    return weight / -math.log(u)
