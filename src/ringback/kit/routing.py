"""Method and path to the function that answers, for RPC and REST alike."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any, Final, Generic, TypeVar
from urllib.parse import unquote
from uuid import UUID

from ringback.kit.errors import Fault

F = TypeVar("F", bound=Callable[..., Any])

SAME: Final = 3
"""Segments at the beginning that tell routes apart before all else: of `/v1/things/<thing-id>` the first two."""


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


@dataclass(frozen=True, slots=True)
class Found(Generic[F]):
    """The route of a request and the values in its path; `faults` names the ids that are none."""

    route: Route[F]
    path: dict[str, Any]
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class WrongMethod:
    """The path is known, with these methods."""

    allowed: tuple[str, ...]


class Routes(Generic[F]):
    """A table of routes, filled by decorators; several tables make one. `about` is true of each that is added."""

    def __init__(self, *tables: "Routes[F]", **about: Any) -> None:
        self._about = about
        self._routes: list[Route[F]] = []
        self._alike: dict[tuple[object, ...], list[Route[F]]] = {}
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
        self._alike.setdefault(_place(route.pattern), []).append(route)

    def find(self, method: str, path: str) -> Found[F] | WrongMethod | None:
        """A route without faulty ids wins over one with; each segment is percent-decoded once, `+` stays `+`."""
        given = path.split("/")
        likely = chain(self._alike.get((len(given), *given[:SAME]), ()), self._alike.get((len(given),), ()))
        matches = [found for route in likely if (found := _match(route, given))]
        clean = [found for found in matches if not found.faults] or matches
        for found in clean:
            if found.route.method == method:
                return found
        return WrongMethod(tuple(sorted({found.route.method for found in clean}))) if clean else None


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


def _match(route: Route[F], given: list[str]) -> Found[F] | None:
    wanted = _segments(route.pattern)
    if len(wanted) != len(given):
        return None
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, raw in zip(wanted, given, strict=True):
        if not name.startswith("<"):
            if name != raw:
                return None
        elif name.endswith(("-id>", "_id>")) and not raw:
            return None
        elif name.endswith("-id>"):
            try:
                values[key(name)] = parse_id(unquote(raw))
            except ValueError:
                faults.append(Fault(key(name), "must be a UUID"))
        else:
            values[key(name)] = unquote(raw)
    return Found(route, values, tuple(faults))


def key(segment: str) -> str:
    """`<some-id>` → `some_id`."""
    return segment.strip("<>").replace("-", "_")


def parse_id(text: str) -> UUID:
    """A UUID in its one spelling with hyphens, in either letter case; else `ValueError`."""
    id = UUID(text)
    if str(id) != text.lower():
        raise ValueError(text)
    return id
