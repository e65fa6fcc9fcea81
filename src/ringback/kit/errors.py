"""The one family of errors that a caller may be shown."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Self


class Fault(NamedTuple):
    """One field of a request that is wrong, and what it must be; `rule` names the rule where a contract does."""

    field: str
    description: str
    rule: str = ""


class Failure(Exception):
    """The request could not be done.

    A subclass's first docstring line is the sentence shown to callers, `status` and `code` come from the closed set
    of the contract (registrar 3.2), `reason` is the promise to programs, and the keywords are the faulty fields.
    """

    status: str = "INTERNAL"
    code: int = 500
    reason: str = "INTERNAL"
    told: str = ""
    domain: str | None = None
    """The service whose words these are, as it calls itself; `None` for our own."""
    tag: str | None = None
    """The entity tag of what is there now, where that is why it could not be done."""
    seconds: int = 0
    """After so many it may be tried again; 0 where nobody can say."""
    more: Mapping[str, object] = MappingProxyType({})
    """What the error of REST has besides: names that it does not have by itself."""

    def __init__(self, *faults: Fault, **details: str) -> None:
        self.faults = (*faults, *(Fault(field, text) for field, text in details.items()))
        super().__init__(self.sentence)

    @classmethod
    def of(cls, reason: str, sentence: str, faults: Iterable[Fault] = (), domain: str | None = None) -> Self:
        """The same in another's words: the reason and the sentence are theirs."""
        failure = cls(*faults)
        failure.reason, failure.told, failure.domain = reason, sentence, domain
        return failure

    @classmethod
    def after(cls, seconds: int) -> Self:
        """The same, and when it may be tried again."""
        failure = cls()
        failure.seconds = max(seconds, 1)
        return failure

    @property
    def sentence(self) -> str:
        return self.told or (type(self).__doc__ or "").strip().splitlines()[0]

    def detail_objects(self) -> list[dict[str, str]]:
        return [
            {name: text for name, text in fault._asdict().items() if text or name != "rule"} for fault in self.faults
        ]

    def __str__(self) -> str:
        return "; ".join([self.sentence, *(f"{fault.field} {fault.description}" for fault in self.faults)])


class InvalidArgument(Failure):
    """The request is not understood."""

    status, code, reason = "INVALID_ARGUMENT", 400, "VALIDATION_FAILED"


class ValidationFailed(InvalidArgument):
    """One or more fields are invalid."""


class InvalidJsonBody(InvalidArgument):
    """The body must be a JSON object."""

    reason = "INVALID_JSON_BODY"

    @classmethod
    def too_deep(cls) -> Self:
        """It may be one: nobody looked to its end."""
        return cls.of(cls.reason, "The body is nested too deeply.")


class InvalidPageToken(InvalidArgument):
    """The page token is not one of ours."""

    reason = "INVALID_PAGE_TOKEN"


class Unauthenticated(Failure):
    """An access key is needed."""

    status, code, reason = "UNAUTHENTICATED", 401, "AUTHENTICATION_REQUIRED"


class PaymentRequired(Failure):
    """This has to be paid for first."""

    status, code, reason = "PAYMENT_REQUIRED", 402, "PAYMENT_REQUIRED"


class PermissionDenied(Failure):
    """This is not allowed."""

    status, code, reason = "PERMISSION_DENIED", 403, "PERMISSION_DENIED"


class NotFound(Failure):
    """There is no such thing."""

    status, code, reason = "NOT_FOUND", 404, "NOT_FOUND"


class RouteNotFound(NotFound):
    """No such route."""

    reason = "ROUTE_NOT_FOUND"


class AlreadyExists(Failure):
    """It exists already."""

    status, code, reason = "ALREADY_EXISTS", 409, "ALREADY_EXISTS"


class FailedPrecondition(Failure):
    """The state of things does not allow this."""

    status, code, reason = "FAILED_PRECONDITION", 409, "FAILED_PRECONDITION"


class ResourceExhausted(Failure):
    """Too much of it."""

    status, code, reason = "RESOURCE_EXHAUSTED", 429, "RESOURCE_EXHAUSTED"


class Unavailable(Failure):
    """Something that is needed does not answer."""

    status, code, reason = "UNAVAILABLE", 503, "UNAVAILABLE"


class DeadlineExceeded(Failure):
    """It was not done in time."""

    status, code, reason = "DEADLINE_EXCEEDED", 504, "DEADLINE_EXCEEDED"


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""

    reason = "DATABASE_UNAVAILABLE"


class TableMissing(DatabaseUnavailable):
    """The database lacks a table or a view that is needed: 'ringback doctor' names it, and says what to do."""

    reason = "DATABASE_TABLE_MISSING"


class BrokerUnavailable(Unavailable):
    """The broker does not answer."""

    reason = "BROKER_UNAVAILABLE"


class PeerUnavailable(Unavailable):
    """Another service that is needed does not answer.

    `asked` is false where the request has not left us: nothing was done, and it may be sent again.
    """

    reason = "PEER_UNAVAILABLE"

    def __init__(self, *faults: Fault, asked: bool = True) -> None:
        super().__init__(*faults)
        self.asked = asked


class Internal(Failure):
    """Something went wrong on our side."""


class CannotStart(Exception):
    """The start is refused for a reason that the operator can mend; its text is one line, shown as it is."""


class DatabaseAway(CannotStart):
    """The database does not answer, so nobody can say whether anything else is wrong."""
