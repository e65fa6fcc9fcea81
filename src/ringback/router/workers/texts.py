"""The text of a payload: the string itself or, of an object, every string at any depth; keys and the rest stay."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

from ringback.router.workers.model import Answer, CannotAnswer

LONG: Final = 16_384
"""Characters of text, or values, from which on others shall not wait until it is read."""
MOST: Final = 65_536
"""Characters of text, and values, that are looked through: more takes longer than its router extension has (2.5)."""
Work = Callable[[Mapping[str, Any]], dict[str, Any]]


def processor(work: Work, beside: Callable[..., Awaitable[dict[str, Any]]] = asyncio.to_thread) -> Answer:
    """What reads texts, as a worker: a long one is read beside the event loop, which may have phones to serve."""

    async def answer(request: Mapping[str, Any]) -> dict[str, Any]:
        return await beside(work, request) if is_larger(text_of(request), LONG) else work(request)

    return answer


def is_larger(value: Any, most: int) -> bool:
    """Whether it holds more values than that, or more characters in all its strings; nobody looks any further."""
    values, characters = [value], 0
    for one in values:
        if isinstance(one, str):
            characters += len(one)
        elif isinstance(one, Mapping | list):
            values += one.values() if isinstance(one, Mapping) else one
        if characters > most or len(values) > most:
            return True
    return False


def require_few(request: Mapping[str, Any]) -> None:
    """`CannotAnswer` where the text is too long to be looked through in time."""
    if is_larger(text_of(request), MOST):
        raise CannotAnswer("too_large", f"more than {MOST} characters, or values, in the text")


def strings(value: Any) -> Iterator[str]:
    """Every string in it, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from strings(inner)


def changed(value: Any, change: Callable[[str], str]) -> Any:
    """The same with every string in it changed, keys left alone."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: changed(inner, change) for name, inner in value.items()}
    return [changed(inner, change) for inner in value] if isinstance(value, list) else value


def text_of(request: Mapping[str, Any]) -> Any:
    """What a processor works on: `payload.payload` of its request, whatever that is."""
    return _message(request).get("payload")


def with_text(request: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """The reply of a processor: its request's `payload` with the text changed; without a text nothing is."""
    message = _message(request)
    if message.get("payload") is None:
        return {}
    return {"payload": {**message, "payload": changed(message["payload"], change)}}


def _message(request: Mapping[str, Any]) -> Mapping[str, Any]:
    message = request.get("payload")
    if not isinstance(message, Mapping):
        raise CannotAnswer("invalid_request", "payload must be an object")
    return message
