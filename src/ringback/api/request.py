"""What an HTTP request says: its path, its query and its body, with the faults of all three."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.types import Receive, Scope

from ringback.api.call import Nothing
from ringback.kit.errors import Fault, InvalidArgument, InvalidJsonBody, ValidationFailed
from ringback.kit.reading import MOST, Faults, fields_of, object_of, read
from ringback.kit.rows import ENCODINGS, encoding_of

READING: Final = ("GET", "HEAD")
LARGEST_BODY: Final = 1 << 20
LARGEST_UPLOAD: Final = 1 << 26
CSV: Final = "text/csv"
UPLOADS: Final = (CSV, "application/json", "application/x-ndjson")
JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
"""The media type of RFC 7396, which some clients send with a PATCH."""
NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
EVENT: Final = re.compile(r"[0-9]{1,18}")
HINTS: Final = {"page": "use page_token", "limit": "use page_size"}


class BodyTooLarge(InvalidArgument):
    """The body is larger than is allowed here."""

    code, reason = 413, "BODY_TOO_LARGE"


class UploadTooLarge(InvalidArgument):
    """The body is larger than 64 MiB."""

    code, reason = 413, "BODY_TOO_LARGE"


class UnknownMedia(InvalidArgument):
    """The body must be sent as text/csv in a known charset, or as application/json or application/x-ndjson in UTF-8."""

    code, reason = 415, "UNSUPPORTED_MEDIA_TYPE"


class NotJson(InvalidArgument):
    """The body must be sent as application/json in UTF-8."""

    code, reason = 415, "UNSUPPORTED_MEDIA_TYPE"


class Heard(Request):
    """A request whose headers are read once, all of them."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        self.said: dict[str, str] = {}
        """Each header by its name in lower case; the lines of one are a list (RFC 9110 5.3)."""
        for raw, value in scope["headers"]:
            name, text = raw.decode("latin-1"), value.decode("latin-1")
            self.said[name] = f"{self.said[name]}, {text}" if name in self.said else text

    @property
    def credentials(self) -> list[str]:
        """The lines of its `Authorization`: one, or it is none that we know."""
        return [value.decode("latin-1") for name, value in self.scope["headers"] if name == b"authorization"]

    @property
    def has_body(self) -> bool:
        """Whether one may come behind its head: of a request that only reads it is announced (RFC 9112 6.3)."""
        said = self.said
        return self.scope["method"] not in READING or "content-length" in said or "transfer-encoding" in said


def path_of(scope: Scope) -> str:
    """The path as it was sent, percent-encoded: the table of routes decodes each segment once."""
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("latin-1") if raw else quote(scope["path"])


def query_of(scope: Scope) -> tuple[dict[str, str], list[Fault]]:
    """The query, form-encoded (`+` is a space); names given twice and bytes that are not UTF-8 are its faults."""
    if not scope["query_string"]:
        return {}, []
    text = scope["query_string"].decode("utf-8", "surrogateescape")
    values: dict[str, str] = {}
    faults: list[Fault] = []
    for name, value in parse_qsl(text, keep_blank_values=True, errors="surrogateescape"):
        if not (_is_text(name) and _is_text(value)):
            faults.append(Fault(name.encode(errors="replace").decode(), "must be UTF-8"))
        elif name in values:
            faults.append(Fault(name, "is given more than once"))
        else:
            values[name] = value
    return values, faults


def read_query(shape: Any, values: Mapping[str, str]) -> Any:
    """The query in the shape that the route declares; names that other APIs use get a hint."""
    shape = shape or Nothing
    if not values:
        return _unsaid(shape)
    kinds = {field.name: field.bare for field in fields_of(shape)}
    typed = {name: _typed(kinds.get(name), text) for name, text in values.items()}
    try:
        return read(shape, typed, refuse_unknown=True)
    except ValidationFailed as failure:
        raise ValidationFailed(*(_hinted(fault) for fault in failure.faults)) from None


async def body_of(
    request: Heard, largest: int = LARGEST_BODY, too_large: type[InvalidArgument] = BodyTooLarge
) -> bytes:
    """The whole body as `bytes_of`; it must say that it is JSON."""
    raw = await bytes_of(request, largest, too_large) if request.has_body else b""
    if raw and not _is_json(request):
        raise NotJson
    return raw


async def bytes_of(
    request: Request, largest: int = LARGEST_BODY, too_large: type[InvalidArgument] = BodyTooLarge
) -> bytes:
    """The whole body, of at most `largest` bytes; a larger one is refused before it is read to its end."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > largest:
            raise too_large
        parts.append(part)
    return b"".join(parts)


def last_event_of(request: Heard) -> int | None:
    """The last event that a listener has got, if it says so."""
    text = request.said.get("last-event-id")
    if text is not None and not EVENT.fullmatch(text):
        raise ValidationFailed(**{"Last-Event-ID": "must be the id of an event, or 0"})
    return None if text is None else int(text)


async def upload_of(request: Request) -> AsyncIterator[bytes]:
    """The body of at most 64 MiB, bit by bit; one that says to be larger is refused at once."""
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > LARGEST_UPLOAD:
        raise UploadTooLarge
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_UPLOAD:
            raise UploadTooLarge
        yield part


def media_of(request: Request) -> tuple[str, str]:
    """What an upload is sent as, and in which encoding; only a CSV may have another one than UTF-8."""
    kind, charset = _media(request)
    encoding = encoding_of(charset)
    if kind not in UPLOADS or encoding not in (ENCODINGS if kind == CSV else ENCODINGS[:1]):
        raise UnknownMedia
    return kind, str(encoding)


def read_body(shape: Any, raw: bytes) -> Any:
    """The body in the shape that the route declares."""
    if not raw:
        return _unsaid(shape or Nothing)
    values = object_of(raw)
    faults = Faults([Fault(name, "is given more than once") for name in _repeated(raw.strip())])
    body = faults.of(lambda: read(shape or Nothing, values, refuse_unknown=True))
    if faults.found:
        raise ValidationFailed(*faults.found)
    return body


@cache
def _unsaid(shape: Any) -> Any:
    """The shape where nothing is said: always the same, or faults."""
    return read(shape, {}, refuse_unknown=True)


def _repeated(raw: bytes) -> list[str]:
    """Names that an object in the body has more than once, some of them: all but its last value would be lost."""
    if not raw:
        return []
    found: dict[str, None] = {}

    def look(pairs: list[tuple[str, object]]) -> None:
        if len(pairs) > len(dict(pairs)):
            found.update((name, None) for name, count in Counter(name for name, _ in pairs).items() if count > 1)

    try:
        json.loads(raw, object_pairs_hook=look, parse_int=len, parse_float=len)
    except RecursionError:
        raise InvalidJsonBody.too_deep() from None
    except ValueError:
        raise InvalidJsonBody from None
    return list(found)[:MOST]


def _typed(kind: Any, text: str) -> object:
    """What a text in a query means where a number or a flag is wanted; what it cannot mean stays text."""
    if kind is bool and text in ("true", "false"):
        return text == "true"
    return int(text) if kind is int and NUMBER.fullmatch(text) else text


def _is_json(request: Request) -> bool:
    kinds = (JSON, MERGE_PATCH) if request.method == "PATCH" else (JSON,)
    return _media(request) in [(kind, "utf-8") for kind in kinds]


def _media(request: Request) -> tuple[str, str]:
    """The media type of the body and its charset, UTF-8 if it names none; nothing where it is not sent as it is."""
    kind, *parameters = (part.strip().lower() for part in request.headers.get("content-type", "").split(";"))
    charsets = {part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset=")} or {"utf-8"}
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    return (kind if len(charsets) == 1 and coding == "identity" else "", charsets.pop())


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _hinted(fault: Fault) -> Fault:
    hint = HINTS.get(fault.field)
    return Fault(fault.field, f"{fault.description}: {hint}") if hint else fault
