"""What the operations of the API's description have in common: parameters, headers, refusals, the error envelope."""

from typing import Any, Final

import msgspec

from ringback.api.repeat import HEADER, KEY
from ringback.router.pipelines.wire import Executed

REFUSALS: Final = {
    400: "The request is wrong; every faulty field is named.",
    401: "There is no valid access key.",
    403: "The account is frozen, the key may not do this, or the current password is wrong.",
    404: "There is no such thing here.",
    409: "It exists already, the state of things does not allow this, or its first try is still running.",
    412: "The object is not what `If-Match` says.",
    429: "Requests come too often: wait for `Retry-After`; without it, the customer has as many as allowed.",
    413: "The body is larger than 1 MiB; that of an import, than 64 MiB. Of a run: the message, or the context.",
    415: "The body is not sent as application/json; that of an import, as text/csv or application/x-ndjson neither.",
    422: "The `Idempotency-Key` stands for another request.",
    500: "Something has failed that was needed: on our side, or a router extension.",
    503: "The database, or another service that is needed, does not answer.",
    504: "It was not done in the time that it may take.",
}


class ErrorDetail(msgspec.Struct, frozen=True):
    """One field that is wrong; of an import in which line."""

    field: str
    description: str
    rule: str | msgspec.UnsetType = msgspec.UNSET
    line: int | msgspec.UnsetType = msgspec.UNSET


class RunFault(msgspec.Struct, frozen=True):
    """Where a run ended: `cause` is the reason of the call that failed, or what a validator said."""

    stage: str | None
    extension_id: str | None
    cause: str
    retryable: bool
    policy_id: str | None
    executed_extensions: list[Executed]


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong: `reason` is for programs, `message` for people."""

    status: str
    reason: str
    message: str
    request_id: str
    details: list[ErrorDetail] = []
    run: RunFault | msgspec.UnsetType = msgspec.UNSET
    """Of a run alone."""


class Error(msgspec.Struct, frozen=True):
    """The envelope of every error."""

    error: ErrorBody


KEYS: Final = "An access key (`rb_` and 43 characters), or the access token of a person who has signed in."
REQUEST_ID: Final = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
RATE: Final = '^"key";r=[0-9]+;t=[0-9]+$'
POLICY: Final = '^"key";q=[0-9]+;w=[0-9]+$'
PARAMETERS: Final[dict[str, Any]] = {
    "customer_id": {
        "name": "customer_id",
        "in": "query",
        "description": "Which customer: required with the platform operator's key, refused with a customer's.",
        "schema": {"type": "string", "format": "uuid"},
    },
    "if_none_match": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The `ETag` of what you have: 304 if it is still so.",
        "schema": {"type": "string"},
    },
    "last_event_id": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The last `id` that you have got: what came after it is told first.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    },
    "idempotency_key": {
        "name": HEADER,
        "in": "header",
        "description": "The same request under the same key is done once and answered as it was then, for 24 hours.",
        "schema": {"type": "string", "pattern": f"^{KEY}$"},
    },
}
HEADERS: Final[dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The request's own id if it sent a usable one, else a new one; our logs have it too.",
        "schema": REQUEST_ID,
    },
    "ETag": {"description": "Names this state of the object.", "schema": {"type": "string"}},
    "Location": {"description": "Where the new object lives.", "schema": {"type": "string"}},
    "X-Registry-Revision": {
        "description": "The revision of the registry that answers; of a change the one that it has made.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "RateLimit": {
        "description": "`r`: requests that this key may send at once now; `t`: seconds until that is all of them.",
        "schema": {"type": "string", "pattern": RATE},
    },
    "RateLimit-Policy": {
        "description": "A key may send `q` requests at once, and as many in each `w` seconds.",
        "schema": {"type": "string", "pattern": POLICY},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
    "Idempotent-Replay": {
        "description": "`true`: this was done before, and is answered as it was then, without passwords.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
