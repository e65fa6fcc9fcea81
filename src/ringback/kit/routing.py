"""Method and path to the function that answers, for RPC and REST alike."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any, Final, Generic, TypeVar
from urllib.parse import unquote
from uuid import UUID

import msgspec

from ringback.kit.errors import Fault

F = TypeVar("F", bound=Callable[..., Any])

SAME: Final = 3
"""Segments at the beginning that tell routes apart before all else: of `/v1/things/<thing-id>` the first two."""
LENGTH: Final = 36
"""Characters of a UUID."""


@dataclass(frozen=True, slots=True)
class Route(Generic[F]):
    """`pattern` has `<name>` for a segment of any text and `<some-id>` for one that is a UUID.

    `<some_id>` is an id of another form: any text, but not none.
    """

    method: str
    pattern: str
    answer: F
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def segments(self) -> list[str]:
        return _segments(self.pattern)


class Found(msgspec.Struct, Generic[F], frozen=True):
    """The route of a request and the values in its path; `faults` names the ids that are none."""

    route: Route[F]
    path: dict[str, Any]
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class WrongMethod:
    """The path is known, with these methods."""

    allowed: tuple[str, ...]


class Pattern(Generic[F]):
    """The routes of one pattern, by method."""

    def __init__(self, pattern: str) -> None:
        self.routes: dict[str, Route[F]] = {}
        segments = list(enumerate(_segments(pattern)))
        known = len(_place(pattern)) - 1  # those that are like it begin with the same
        self._plain = [(at, name) for at, name in segments[known:] if not name.startswith("<")]
        self._open = [
            (at, key(name), name.endswith("-id>"), name.endswith(("-id>", "_id>")))
            for at, name in segments
            if name.startswith("<")
        ]

    def match(self, given: list[str]) -> tuple[dict[str, Any], tuple[Fault, ...]] | None:
        """The values in a path of the same place (`_place`), and the ids in it that are none."""
        for at, name in self._plain:
            if given[at] != name:
                return None
        values: dict[str, Any] = {}
        faults: list[Fault] = []
        for at, name, is_uuid, is_id in self._open:
            raw = given[at]
            if is_id and not raw:
                return None
            if is_uuid:
                try:
                    values[name] = parse_id(unquote(raw))
                except ValueError:
                    faults.append(Fault(name, "must be a UUID"))
            else:
                values[name] = unquote(raw)
        return values, tuple(faults)


class Routes(Generic[F]):
    """A table of routes, filled by decorators; several tables make one. `about` is true of each that is added."""

    def __init__(self, *tables: "Routes[F]", **about: Any) -> None:
        self._about = about
        self._routes: list[Route[F]] = []
        self._alike: dict[tuple[object, ...], dict[str, Pattern[F]]] = {}
        for table in tables:
            for route in table:
                self._add(route)

    def __iter__(self) -> Iterator[Route[F]]:
        return iter(self._routes)

    def on(self, method: str, pattern: str, **about: Any) -> Callable[[F], F]:
        def add(answer: F) -> F:
            self._add(Route(method, pattern, answer, {**self._about, **about}))
            return answer

        return add

    def _add(self, route: Route[F]) -> None:
        self._routes.append(route)
        alike = self._alike.setdefault(_place(route.pattern), {})
        alike.setdefault(route.pattern, Pattern(route.pattern)).routes.setdefault(route.method, route)

    def find(self, method: str, path: str) -> Found[F] | WrongMethod | None:
        """A route without faulty ids wins over one with; each segment is percent-decoded once, `+` stays `+`."""
        given = path.split("/")
        none: dict[str, Pattern[F]] = {}
        likely = chain(
            self._alike.get((len(given), *given[:SAME]), none).values(), self._alike.get((len(given),), none).values()
        )
        matches = []
        for pattern in likely:
            if match := pattern.match(given):
                if not match[1] and (route := pattern.routes.get(method)):
                    return Found(route, match[0])
                matches.append((pattern, *match))
        clean = [match for match in matches if not match[2]] or matches
        for pattern, values, faults in clean:
            if route := pattern.routes.get(method):
                return Found(route, values, faults)
        return WrongMethod(tuple(sorted({known for match in clean for known in match[0].routes}))) if clean else None


@cache
def _segments(pattern: str) -> list[str]:
    return pattern.split("/")


@cache
def _place(pattern: str) -> tuple[object, ...]:
    """What paths of a route have in common: how many segments, and the first ones where those are plain."""
    segments = _segments(pattern)
    begin = segments[:SAME]
    is_plain = not any(name.startswith("<") for name in begin)
    return (len(segments), *(begin if is_plain else ()))


def key(segment: str) -> str:
    """`<some-id>` → `some_id`."""
    return segment.strip("<>").replace("-", "_")


def parse_id(text: str) -> UUID:
    """A UUID in its one spelling with hyphens, in either letter case; else `ValueError`."""
    try:
        if len(text) == LENGTH:
            return msgspec.convert(text, UUID)
    except msgspec.ValidationError:
        pass
    raise ValueError(text)
