"""A worker: what answers the requests of one built-in router extension, and how it says that it cannot."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")
Answer = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""A request of router 5.5 to its reply; `CannotAnswer` for a reply that says why there is none."""
PLACE: Final = re.compile(r"`\$\.?([\w.\[\]]*)`$")


class CannotAnswer(Exception):
    """Why there is no result: a code for programs, and a sentence of ours that holds no word of the request."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Worker:
    """`id`, `type` and `subject` are those of the initial row (router 2.5)."""

    id: str
    type: str
    subject: str
    answer: Answer


def understood(shape: type[T], request: Mapping[str, Any], name: str) -> T:
    """The part of a request under that name, read as a shape; what is absent is empty, what is unknown is left out."""
    try:
        return msgspec.convert(request.get(name) or {}, shape)
    except msgspec.ValidationError as error:
        place = PLACE.search(str(error))  # the rest of the text might quote a value
        where = ".".join(filter(None, (name, place and place[1])))
        raise CannotAnswer(f"invalid_{name}", f"{where} is not what it must be") from None
