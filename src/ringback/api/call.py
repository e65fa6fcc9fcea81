"""What a REST route gets and gives: the slices' side of the gateway."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from ringback.customers.keys.model import FREE, OPERATOR, Limits
from ringback.customers.rights import Right, require
from ringback.kit.errors import FailedPrecondition, Failure
from ringback.kit.reading import Asked
from ringback.kit.secret import Discreet
from ringback.kit.uow import UnitOfWork, Work

U = TypeVar("U", bound=UnitOfWork)


class Nothing(Asked, frozen=True):
    """A request without fields."""


class PreconditionFailed(FailedPrecondition):
    """The object is not what If-Match says it is."""

    code, reason = 412, "PRECONDITION_FAILED"


class PreconditionRequired(FailedPrecondition):
    """Say by If-Match which state of the object is meant."""

    code, reason = 428, "PRECONDITION_REQUIRED"


def is_object(shape: type[msgspec.Struct]) -> bool:
    """Whether it is a thing with an identity, not a list of things: those carry an ETag."""
    return not {"id", "customer_id"}.isdisjoint(shape.__struct_fields__)


def without_secrets(data: msgspec.Struct | msgspec.Raw) -> msgspec.Struct | msgspec.Raw:
    """An object as everybody may see it: what is shown once is empty."""
    return data.without_secrets() if isinstance(data, Discreet) else data


def etag(data: msgspec.Struct) -> str:
    """A strong entity tag of an object as everybody may see it: a password shown once does not count."""
    return f'"{sha256(msgspec.json.encode(without_secrets(data))).hexdigest()[:32]}"'


class Caller(msgspec.Struct, frozen=True):
    """Who is asking: a customer's own credential, or (`None`) the platform's; what it is called and what it may do.

    `identity` tells it from all others of the customer, or of the platform, whatever they are called.
    `limits` are what the credential is held to beside its roles, `address` is where they came from. Of a key there is
    a `key_id`, of somebody who has signed in a `person_id` and a `session_id`.
    """

    customer_id: UUID | None
    name: str = ""
    roles: frozenset[str] = frozenset()
    identity: str = ""
    limits: Limits = FREE
    address: str = ""
    key_id: UUID | None = None
    person_id: UUID | None = None
    session_id: UUID | None = None

    @property
    def is_operator(self) -> bool:
        """The platform's own: no customer's key is, whatever it says of itself."""
        return self.customer_id is None and OPERATOR in self.roles

    def require(self, right: Right) -> None:
        """`PermissionDenied` unless the roles have it, and the scopes where there are any."""
        require(self.roles, right, self.limits.scopes)


@dataclass(frozen=True, slots=True)
class Flow(Generic[U]):
    """What a route gets that answers in more than one transaction: the work, and the body as it comes.

    `media` is the type of the body, in lower case and without parameters, `encoding` that of its text.
    """

    work: Work[U]
    parts: AsyncIterator[bytes]
    media: str
    encoding: str


class Call(msgspec.Struct, Generic[U], frozen=True):
    """One authenticated request; `body` and `query` are the shapes that the route declares.

    `customer_id` is nil where the platform asks for what is no customer's. A route that is declared with `streams`
    has a `flow` and no `uow`. `accept`, `user_agent` and `traceparent` are those headers; with `is_head` nothing is
    changed.
    """

    uow: U
    customer_id: UUID
    path: dict[str, Any]
    query: Any
    body: Any
    if_match: str | None = None
    caller: Caller = Caller(None)
    request_id: str = ""
    user_agent: str = ""
    traceparent: str = ""
    accept: str = ""
    is_head: bool = False
    flow: Flow[U] | None = None

    @property
    def id(self) -> Any:
        """What the path names, on a route whose path names one thing."""
        (id,) = self.path.values()
        return id

    def require_match(self, current: msgspec.Struct | None) -> None:
        """Go on only if the caller's `If-Match`, when there is one, names this state; `None` is nothing at all yet."""
        if self.if_match is None or (current and self.if_match.strip() == "*"):
            return
        if current is None or etag(current) not in (tag.strip() for tag in self.if_match.split(",")):
            raise PreconditionFailed


@dataclass(frozen=True, slots=True)
class Listening:
    """Which events are wanted as they happen: of one customer or (`None`) of all, of some types or (none) of all."""

    customer_id: UUID | None
    types: frozenset[str] = frozenset()


class Answer(msgspec.Struct, frozen=True):
    """What goes back. `location` is where a new object lives, `tag` the state of one that has a revision of its own.

    `data` is JSON already where it was answered before; `added` are fields of it that are known after the commit only.
    `refused` is told in its place, though what was done stays done; `listening` are events that follow in its place.
    `content` is what comes instead of all that, of the type `media`; `stream` is the same bit by bit.
    """

    data: msgspec.Struct | msgspec.Raw
    status: int = 200
    location: str | None = None
    tag: str | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    added: dict[str, Any] = {}
    refused: Failure | None = None
    listening: Listening | None = None
    content: bytes | None = None
    stream: AsyncIterator[bytes] | None = None
    media: str = "application/json"

    @property
    def entity_tag(self) -> str | None:
        """The state of the object, if it is one."""
        if self.tag or isinstance(self.data, msgspec.Raw) or not is_object(type(self.data)):
            return self.tag
        return etag(self.data)

    @property
    def body(self) -> bytes:
        """The object as JSON."""
        data = msgspec.json.encode(self.data)
        return data[:-1] + b"," + msgspec.json.encode(self.added)[1:] if self.added else data


Route = Callable[[Call[Any]], Awaitable[Answer]]
Verb = Callable[[Any], Awaitable[Answer]]
"""A route with all that was asked of it: what is left to give is the unit of work."""
