"""Bytes of a reply envelope to what was asked for, or to the error that the other side meant."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from ringback.kit.errors import (
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
    Failure,
    Fault,
    Internal,
    InvalidArgument,
    NotFound,
    PaymentRequired,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)

TYPED: Final = "voipbin_error"
KINDS: Final[tuple[type[Failure], ...]] = (
    InvalidArgument,
    Unauthenticated,
    PaymentRequired,
    PermissionDenied,
    NotFound,
    FailedPrecondition,
    AlreadyExists,
    ResourceExhausted,
    Unavailable,
    DeadlineExceeded,
    Internal,
)
"""The closed set of statuses (registrar 3.2), a class each; of two with one code the first stands for it."""
BY_STATUS: Final = {kind.status: kind for kind in KINDS}
BY_CODE: Final = {kind.code: kind for kind in reversed(KINDS)}


class UnreadableReply(Unavailable):
    """The other service answered something that is not understood."""

    reason = "UNREADABLE_REPLY"


class MethodNotServed(InvalidArgument):
    """The other service knows the URI, and not with this method."""

    code, reason = 405, "METHOD_NOT_SERVED"


class Envelope(msgspec.Struct):
    """A reply as it comes: `data` is embedded JSON, a string that holds JSON, or not there."""

    status_code: int
    data_type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")

    @property
    def json(self) -> bytes:
        """The JSON of `data`, by whichever way it came; empty when there is none."""
        raw = bytes(self.data).strip()
        if raw.startswith(b'"'):
            raw = msgspec.json.decode(raw, type=str).strip().encode()
        return b"" if raw == b"null" else raw


class Refusal(msgspec.Struct):
    """The data of a typed error; `details` may hold more than the faults we know."""

    reason: str
    status: str = ""
    domain: str = ""
    message: str = ""
    details: Any = None

    @property
    def faults(self) -> list[Fault]:
        details = self.details if isinstance(self.details, list) else []
        pairs = [(one.get("field"), one.get("description")) for one in details if isinstance(one, dict)]
        return [Fault(field, text) for field, text in pairs if isinstance(field, str) and isinstance(text, str)]


def data_of(answer: bytes, known: Iterable[type[Failure]]) -> bytes:
    """The JSON in a reply of success; a refusal is raised as one of `known`, or as the class of its status.

    One with a typed body has a `domain`, which is empty where the body names none.
    """
    try:
        envelope = msgspec.json.decode(answer, type=Envelope)
        json = envelope.json
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UnreadableReply from None
    if envelope.data_type == TYPED:
        raise _typed(envelope.status_code, json, known)
    if not 200 <= envelope.status_code < 300:
        raise _bare(envelope.status_code)
    return json


def _typed(code: int, json: bytes, known: Iterable[type[Failure]]) -> Failure:
    try:
        refusal = msgspec.json.decode(json, type=Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _bare(code)
    for kind in known:
        if kind.reason == refusal.reason and refusal.status in (kind.status, ""):
            return kind.of(kind.reason, refusal.message, refusal.faults, refusal.domain)
    kind = BY_STATUS.get(refusal.status) or _of_code(code)
    return kind.of(refusal.reason or kind.status, refusal.message, refusal.faults, refusal.domain)


def _bare(code: int) -> Failure:
    if code == MethodNotServed.code:
        return MethodNotServed()
    kind = _of_code(code)
    return kind.of(kind.status, "")


def _of_code(code: int) -> type[Failure]:
    return BY_CODE.get(code) or (InvalidArgument if 400 <= code < 500 else Internal)
