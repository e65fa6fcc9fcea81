"""Structured logs in the field names of Google's Cloud Logging, with request ids, without secrets."""

import base64
import logging
import re
import secrets
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ringback.kit.secret import Secret

REDACTED: Final = "[REDACTED]"
Rewrite = tuple[re.Pattern[str], str]
"""What to look for in a text, and what a log shows instead."""

HIDDEN_KEYS: Final = re.compile(r"password|secret|token|cred|ha1|digest|authorization|_key$|hash$")
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
REWRITES: Final[tuple[Rewrite, ...]] = (
    (re.compile(r"://\S{1,512}@"), "://"),
    (re.compile(r"(?<!\S)\S{1,512}@tcp\("), "tcp("),
    (re.compile(r"\br[brs]_[A-Za-z0-9_-]{20,}"), REDACTED),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), REDACTED),  # a JSON Web Token
)


def new_request_id() -> str:
    """`req_` and 26 base32 characters."""
    return "req_" + base64.b32encode(secrets.token_bytes(17)).decode()[:26]


def request_id_of(given: str | None) -> str:
    """The caller's own request id where it is a usable one, else a new one."""
    return given if given and REQUEST_ID.fullmatch(given) else new_request_id()


class Redact:
    """Hides what must not be read in a log: values of telling keys, and patterns within texts."""

    def __init__(self, *more: Rewrite) -> None:
        self._rewrites = (*REWRITES, *more)

    def __call__(self, logger: WrappedLogger, method: str, event: MutableMapping[str, Any]) -> EventDict:
        return {key: clean(key, value, self._rewrites) for key, value in event.items()}


def clean(key: str, value: Any, rewrites: tuple[Rewrite, ...] = REWRITES) -> Any:
    """A value as a log may show it."""
    if isinstance(value, Secret) or HIDDEN_KEYS.search(key.lower()):
        return REDACTED
    if isinstance(value, str):
        for pattern, shown in rewrites:
            value = pattern.sub(shown, value)
        return value
    if isinstance(value, Mapping):
        return {inner: clean(str(inner), item, rewrites) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(key, item, rewrites) for item in value]
    return value


def cloud_names(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["severity"] = str(event.pop("level", method)).upper()
    event["message"] = event.pop("event", "")
    if "request_id" in event:
        event["logging.googleapis.com/trace"] = event["request_id"]
    return event


class Named:
    """Adds `service` to each line."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, logger: WrappedLogger, method: str, event: MutableMapping[str, Any]) -> EventDict:
        event.setdefault("service", self._service)
        return event


def set_up(service: str, level: str, form: str, *rewrites: Rewrite) -> None:
    """Send our logs and those of libraries to stderr, as JSON lines (`json`) or for eyes (`console`)."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        Named(service),
        Redact(*rewrites),
    ]
    last: list[Processor] = [cloud_names, structlog.processors.JSONRenderer()]
    if form == "console":
        last = [structlog.dev.ConsoleRenderer(timestamp_key="time", exception_formatter=structlog.dev.plain_traceback)]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for loud in ("uvicorn.access", "alembic", "asyncio", "uvicorn.error"):
        logging.getLogger(loud).setLevel(logging.WARNING)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # the transport tells of a broker that is away, once
