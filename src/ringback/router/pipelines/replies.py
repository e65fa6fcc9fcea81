"""What router extensions answer, read strictly: whatever is not as it must be is `Malformed` (router 5.5)."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from ringback.kit.bus import Letter
from ringback.router import pii
from ringback.router.depth import DEEPEST, is_deep
from ringback.router.invoking.outcome import Malformed, Refused
from ringback.router.pipelines.compiling import LARGEST_METADATA

CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
WORD: Final = re.compile(r"[a-z][a-z0-9_.]{0,63}")
BETWEEN: Final = re.compile(r"[a-z_.]+")
"""What stands between the digits of an identifier."""
BEYOND: Final = 10**8
"""Numbers from here on tell of nothing that a validator counts, and may be somebody's."""
DETAILS: Final = ("field", "pattern", "count", "rule", "code")
"""What of a validator's details is passed on (S-5)."""
USAGE: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
MOST_USED: Final = (1 << 53) - 1
"""What every program that reads JSON counts to."""
FINE: Final = ("ok", "success")
decode: Final[Callable[[bytes], Any]] = msgspec.json.Decoder().decode


class Processed(msgspec.Struct, frozen=True):
    """What pre or post made of a payload: a new one, another inner text, or neither."""

    payload: Mapping[str, Any] | None = None
    text: str | None = None
    metadata: Mapping[str, Any] = {}


class Verdict(msgspec.Struct, frozen=True):
    """What a validator says; `details` are numbers and identifiers alone."""

    is_fine: bool
    reason: str | None = None
    details: Mapping[str, str | int | float] = {}


class Said(msgspec.Struct, frozen=True):
    """What a provider says."""

    output: Any
    usage: Mapping[str, Any] = {}
    metadata: Mapping[str, Any] = {}


def processed_reply(letter: Letter) -> Processed:
    """Of post behind a provider: a whole payload must say what becomes of its output."""
    done = processed(letter)
    if done.payload is not None and done.payload.get("payload") is None:
        raise Malformed("payload")
    return done


def processed(letter: Letter) -> Processed:
    """Of pre, and of post where there is no provider."""
    reply = _object(letter.body, DEEPEST + 1)
    if reply.get("status", "ok") not in FINE:
        raise Malformed("unknown status")
    metadata = _metadata(reply)
    if "payload" not in reply:
        return Processed(metadata=metadata)
    payload = reply["payload"]
    if isinstance(payload, str):
        return Processed(text=payload, metadata=metadata)
    if not isinstance(payload, dict):
        raise Malformed("payload")
    return Processed(payload, metadata=metadata)


def verdict(letter: Letter) -> Verdict:
    """Of a validator. No word but those of its contract is a yes (D-10)."""
    reply = _object(letter.body)
    if letter.body.count(b":") > _names(reply):
        _once_each(letter.body)
    status, valid, reason = reply.get("status"), reply.get("valid"), reply.get("reason")
    if status is None and "valid" not in reply:
        raise Malformed("neither status nor valid")
    if ("status" in reply and status not in ("ok", "reject")) or ("valid" in reply and not isinstance(valid, bool)):
        raise Malformed("status or valid")
    if not (reason is None or isinstance(reason, str)):
        raise Malformed("reason")
    details = reply.get("details")
    if not (details is None or isinstance(details, dict)):
        raise Malformed("details")
    if reason == "processing_error":
        raise Refused("processing_error")
    return Verdict(status != "reject" and valid is not False, reason and pii.told(reason), _passed_on(details or {}))


def said(letter: Letter) -> Said:
    """Of a provider, in either form."""
    reply = _object(letter.body)
    if not isinstance(reply.get("provider_id", ""), str):
        raise Malformed("provider_id")
    metadata = _metadata(reply)
    if reply.get("status", "ok") not in FINE:
        raise Malformed("unknown status")
    if "output" in reply:
        output = reply["output"]
    elif reply.get("status") == "success" and isinstance(reply.get("response"), dict):
        response = reply["response"]
        output = response.get("payload", response)
    else:
        raise Malformed("neither output nor response")
    if output is None:
        raise Malformed("output")
    return Said(output, _usage(reply.get("usage", {})), metadata)


def _object(body: bytes, levels: int = DEEPEST) -> dict[str, Any]:
    """The JSON object of a reply, unless it says that it failed. One with a message in it has a level more (S-2)."""
    try:
        reply = decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(reply, dict):
        raise Malformed("not an object")
    if body.count(b"{") + body.count(b"[") > levels and is_deep(reply, levels):
        raise Malformed("too deep")
    if "error" in reply:
        error = reply["error"]
        if not isinstance(error, dict):
            raise Malformed("error")
        raise _refused(error.get("code"), error.get("message"))
    if reply.get("status") == "error":
        raise _refused(reply.get("error_code"), reply.get("error_message"))
    return reply


def _refused(code: object, message: object) -> Refused:
    is_code = isinstance(code, str) and CODE.fullmatch(code) and pii.told(code) == code
    return Refused(str(code) if is_code else "error", pii.told(message) if isinstance(message, str) else "")


def _metadata(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = reply.get("metadata", {})
    if not isinstance(metadata, dict):
        raise Malformed("metadata")
    if metadata and len(msgspec.json.encode(metadata)) > LARGEST_METADATA:
        raise Malformed("metadata")
    return metadata


def _usage(usage: object) -> Mapping[str, Any]:
    if not isinstance(usage, dict):
        raise Malformed("usage")
    counts = {name: usage[name] for name in USAGE if name in usage}
    if not all(type(count) is int and 0 <= count <= MOST_USED for count in counts.values()):
        raise Malformed("usage")
    return counts


def _passed_on(details: Mapping[str, Any]) -> dict[str, str | int | float]:
    known = {name: details[name] for name in DETAILS if name in details}
    return {name: value for name, value in known.items() if _is_told(value)}


def _is_told(value: object) -> bool:
    """Whether it is a number or an identifier, and no number of a card or the like."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return abs(value) < BEYOND and not pii.places(pii.NOT_DIGITS.sub("", repr(value)))
    return isinstance(value, str) and WORD.fullmatch(value) is not None and not pii.places(BETWEEN.sub(" ", value))


def _names(value: object) -> int:
    """How many names the objects in it have."""
    if isinstance(value, dict):
        return len(value) + sum(map(_names, value.values()))
    return sum(map(_names, value)) if isinstance(value, list) else 0


def _once_each(body: bytes) -> None:
    """A validator's reply that says a thing twice may be read in two ways: then it says nothing."""

    def look(pairs: list[tuple[str, object]]) -> None:
        if len(pairs) > len(dict(pairs)):
            raise Malformed("a key twice")

    json.loads(body, object_pairs_hook=look, parse_int=len, parse_float=len)
