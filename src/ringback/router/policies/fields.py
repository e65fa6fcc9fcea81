"""Reads the objects of a policy's document: what is known of each is taken, what is wrong is noted with its place."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from ringback.kit.errors import Fault

T = TypeVar("T", bound=str)


class Fields:
    """One object of a document at `place`; `faults` are those of the whole document. Null counts as absent."""

    def __init__(self, faults: list[Fault], place: str, raw: object, known: Iterable[str]) -> None:
        self.faults = faults
        self.place = place
        self._raw: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
        self.is_object = isinstance(raw, Mapping)
        if not self.is_object:
            self._wrong("", "must be an object")
        for name in self._raw.keys() - set(known):
            self._wrong(name[:64], "is not a field of this object", "unknown_field")

    def has(self, name: str) -> bool:
        return self._raw.get(name) is not None

    def text(self, name: str, rule: str = "wrong_type") -> str | None:
        """A text of 1 to 255 characters."""
        value: Any = self._raw.get(name)
        if value is None:
            return None
        if isinstance(value, str) and 0 < len(value) <= 255:
            return value
        self._wrong(name, "must be a text of 1 to 255 characters", rule)
        return None

    def word(self, name: str, words: tuple[T, ...], default: T, rule: str) -> T:
        """One of these words."""
        value: Any = self._raw.get(name)
        for word in words:
            if value == word:
                return word
        if value is not None:
            self._wrong(name, f"must be one of {', '.join(words)}", rule)
        return default

    def words(self, name: str, words: tuple[str, ...]) -> tuple[str, ...]:
        """One or more of these words: a word, or a list of them."""
        value: Any = self._raw.get(name)
        given = [value] if isinstance(value, str) else value
        if isinstance(given, list) and given and all(one in words for one in given):
            return tuple(given)
        if value is not None:
            self._wrong(name, f"must be one or more of {', '.join(words)}")
        return ()

    def whole(self, name: str, bounds: tuple[int, int], rule: str) -> int | None:
        """A whole number; `rule` is that of its bounds."""
        value: Any = self._raw.get(name)
        if value is None:
            return None
        if type(value) is not int:
            self._wrong(name, "must be a whole number")
        elif not bounds[0] <= value <= bounds[1]:
            self._wrong(name, f"must be {bounds[0]} to {bounds[1]}", rule)
        else:
            return value
        return None

    def number(self, name: str, most: int, default: int) -> int | float:
        """A number from 0 on."""
        value: Any = self._raw.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most:
            return value
        if value is not None:
            self._wrong(name, f"must be a number, 0 to {most}")
        return default

    def object(self, name: str) -> Mapping[str, Any]:
        value: Any = self._raw.get(name)
        if value is not None and not isinstance(value, Mapping):
            self._wrong(name, "must be an object")
        return value if isinstance(value, Mapping) else {}

    def items(self, name: str) -> Iterator[tuple[str, Any]]:
        """The items of a list, each with its place."""
        value: Any = self._raw.get(name)
        if value is not None and not isinstance(value, list):
            self._wrong(name, "must be a list")
        for number, item in enumerate(value if isinstance(value, list) else ()):
            yield f"{self.place}.{name}[{number}]", item

    def at(self, name: str) -> str:
        """The place of a field."""
        return f"{self.place}.{name}" if name else self.place

    def _wrong(self, name: str, told: str, rule: str = "wrong_type") -> None:
        self.faults.append(Fault(self.at(name), told, rule))
