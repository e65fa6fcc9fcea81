"""Structured logs in the field names of Google's Cloud Logging, with request ids, without secrets."""

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ringback.kit.secret import Secret

REDACTED: Final = "[REDACTED]"
Scans = Mapping[str, Callable[[str], str]]
"""By the package that a line comes from: what a log shows of its texts (router S-4)."""

HIDDEN_KEYS: Final = re.compile(r"password|secret|token|cred|ha1|digest|authorization|bearer|[_-]key$|hash$")
PERSONAL: Final = frozenset(("credit_card", "ssn", "email", "phone"))
"""Names of values that tell of people (router S-4)."""
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
BASE32: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 8
"""The digit of each byte: every digit stands for as many of them."""


class Rewrite(NamedTuple):
    """What to look for in a text, and what a log shows instead; it is nowhere where its `mark`, a pattern, is not."""

    pattern: re.Pattern[str]
    shown: str
    mark: str = ""


class Rewritten:
    """A text as a log shows it; one without any mark is looked through once, however many rewrites there are."""

    def __init__(self, *rewrites: Rewrite) -> None:
        self._rewrites = rewrites
        self._mark = re.compile("|".join(rewrite.mark for rewrite in rewrites))

    def __call__(self, text: str) -> str:
        if self._mark.search(text):
            for pattern, shown, _ in self._rewrites:
                text = pattern.sub(shown, text)
        return text


REWRITES: Final = (
    Rewrite(re.compile(r"://\S{1,512}@"), "://", "://"),
    Rewrite(re.compile(r"(?<!\S)\S{1,512}@tcp\("), "tcp(", r"@tcp\("),
    Rewrite(re.compile(r"\br[brs]_[A-Za-z0-9_-]{20,}"), REDACTED, "r[brs]_"),
    Rewrite(  # a JSON Web Token
        re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), REDACTED, "eyJ"
    ),
)
ALWAYS: Final = Rewritten(*REWRITES)


def new_request_id() -> str:
    """`req_` and 26 base32 characters."""
    return "req_" + os.urandom(26).translate(BASE32).decode()


def request_id_of(given: str | None) -> str:
    """The caller's own request id where it is a usable one, else a new one."""
    return given if given and REQUEST_ID.fullmatch(given) else new_request_id()


class Redact:
    """Hides what must not be read in a log: values of telling keys, and patterns within texts."""

    def __init__(self, *more: Rewrite, scans: Scans = MappingProxyType({})) -> None:
        self._rewritten = Rewritten(*REWRITES, *more)
        self._scans = scans

    def __call__(self, logger: WrappedLogger, method: str, event: MutableMapping[str, Any]) -> EventDict:
        scan = self._scan_of(getattr(logger, "name", ""))
        return {key: clean(key, value, self._rewritten, scan, PERSONAL) for key, value in event.items()}

    def _scan_of(self, name: str) -> Callable[[str], str] | None:
        return next((scan for room, scan in self._scans.items() if f"{name}.".startswith(f"{room}.")), None)


def clean(
    key: str,
    value: Any,
    rewritten: Callable[[str], str] = ALWAYS,
    scan: Callable[[str], str] | None = None,
    hidden: frozenset[str] = frozenset(),
) -> Any:
    """A value without secrets, and without what stands under a `hidden` name."""
    if isinstance(value, Secret) or is_telling(key, hidden):
        return REDACTED
    if isinstance(value, str):
        value = rewritten(value)
        return scan(value) if scan else value
    if value is None or isinstance(value, int | float):  # to ask whether it is a mapping takes ten times as long
        return value
    if isinstance(value, Mapping):
        return {inner: clean(str(inner), item, rewritten, scan, hidden) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(key, item, rewritten, scan, hidden) for item in value]
    return value


@lru_cache(1024)
def is_telling(key: str, hidden: frozenset[str] = frozenset()) -> bool:
    """Whether what stands under that name is a secret, or is one of those that are `hidden`."""
    return HIDDEN_KEYS.search(key.lower()) is not None or key.lower() in hidden


def cloud_names(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["severity"] = str(event.pop("level", method)).upper()
    event["message"] = event.pop("event", "")
    if "request_id" in event:
        event["logging.googleapis.com/trace"] = event["request_id"]
    return event


def stamped(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """The library's own stamp takes five times as long."""
    event["time"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return event


class Named:
    """Adds `service` to each line."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, logger: WrappedLogger, method: str, event: MutableMapping[str, Any]) -> EventDict:
        event.setdefault("service", self._service)
        return event


def as_json(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """A line of JSON; what JSON has no word for is shown as Python does."""
    try:
        return msgspec.json.format(msgspec.json.encode(event, enc_hook=repr), indent=0).decode()
    except (TypeError, ValueError):  # a name that is no text, or half a letter
        return json.dumps(event, default=repr, skipkeys=True)


class Line:
    """What one package says: each line goes out at once, and is lost where nobody takes it."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self.name = name
        self._write = stream.write

    def say(self, line: str) -> None:
        with suppress(OSError, ValueError):
            self._write(line + "\n")

    debug = info = warning = error = critical = say


class Lines:
    """Makes the lines of whoever asks; the stream sends each of them by itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._named = structlog.stdlib.LoggerFactory([__name__])

    def __call__(self, *names: str) -> Line:
        return Line(self._named(*names).name, self._stream)


def _is_news(record: logging.LogRecord) -> bool:
    """Not what each end of a TLS connection is told by that the client of NATS has opened."""
    return "eof_received" not in str(record.msg)


def set_up(
    service: str,
    level: str,
    form: str,
    *rewrites: Rewrite,
    scans: Scans = MappingProxyType({}),
    stream: TextIO | None = None,
) -> None:
    """Send our logs and those of libraries to stderr, as JSON lines (`json`) or for eyes (`console`)."""
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.format_exc_info,
        Redact(*rewrites, scans=scans),  # what follows is ours, and a time looks like a number of somebody
        structlog.stdlib.add_log_level,
        stamped,
        Named(service),
    ]
    last: list[Processor] = [cloud_names, as_json]
    if form == "console":
        last = [structlog.dev.ConsoleRenderer(timestamp_key="time", exception_formatter=structlog.dev.plain_traceback)]
    structlog.configure(
        processors=[*shared, *last],
        logger_factory=Lines(stream),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for loud in ("uvicorn.access", "alembic", "asyncio", "uvicorn.error", "httpx", "httpcore"):
        logging.getLogger(loud).setLevel(logging.WARNING)
    logging.getLogger("asyncio").addFilter(_is_news)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # the transport tells of a broker that is away, once
