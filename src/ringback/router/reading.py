"""A whole read of one kind of record: what its rows say, which are broken, and which nobody of us has written so."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from ringback.kit.db import Row
from ringback.kit.errors import ValidationFailed
from ringback.router.extensions.reports import RouterRejected

R = TypeVar("R", bound="Record")


class Record(Protocol):
    """A record of the registry."""

    @property
    def key(self) -> str: ...
    @property
    def checksum(self) -> str: ...


class Last(NamedTuple):
    """How a record was written last: its checksum, and its document as canonical JSON."""

    checksum: str
    document: str

    @property
    def is_live(self) -> bool:
        return msgspec.json.decode(self.document)["deleted_at"] is None


@dataclass(slots=True)
class Shelf(Generic[R]):
    """What a whole read has found so far. Making it takes its time, so that is done off the loop's thread.

    `known` is what is served now: records that say the same stay the same, so nothing new is kept of what has not
    changed. `key_of` is the key of a row; `unjudged` is its record where it says what is served already, which was
    judged before; `judged` is that of any row, or `ValidationFailed`.
    """

    known: Mapping[str, R]
    key_of: Callable[[Row], str]
    unjudged: Callable[[Row], R]
    judged: Callable[[Row], R]
    records: dict[str, R] = field(default_factory=dict)
    rejected: dict[str, RouterRejected] = field(default_factory=dict)

    def add(self, rows: Iterable[Row]) -> None:
        """Some rows; one that was there before is replaced."""
        for row in rows:
            key = self.key_of(row)
            before = self.known.get(key)
            self.rejected.pop(key, None)
            try:
                self.take(before if before and before == self.unjudged(row) else self.judged(row))
            except ValidationFailed as failure:
                told = "; ".join(f"{fault.field} {fault.description}" for fault in failure.faults)
                self.records.pop(key, None)
                self.rejected[key] = RouterRejected(key, told)

    def take(self, record: R) -> None:
        """A record that is good."""
        before = self.known.get(record.key)
        self.rejected.pop(record.key, None)
        self.records[record.key] = before if before is not None and before == record else record

    def strange(self, kept: Mapping[str, Last]) -> list[str]:
        """Keys of what is not as we wrote it last, and of what somebody has taken away."""
        seen = {key: record.checksum for key, record in self.records.items()}
        other = [key for key, checksum in seen.items() if key not in kept or kept[key].checksum != checksum]
        gone = [key for key in kept if key not in seen and key not in self.rejected]
        return other + [key for key in gone if kept[key].is_live]
