"""Requests in, replies out on the admin subjects: finds who asks, reads the request, tells every failure alike."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog

from ringback.api.admission import Admission
from ringback.api.call import Caller
from ringback.api.limits import RateLimited
from ringback.customers.rights import Right, require
from ringback.kit.bus import Letter, Services
from ringback.kit.errors import Failure, Internal, PermissionDenied, ValidationFailed
from ringback.kit.log import request_id_of
from ringback.kit.reading import Asked, object_of, read
from ringback.kit.uow import Work
from ringback.router.work import Uow
from ringback.router.writing import PUBLISHER

ROOT: Final = "beamline.router.v1.admin."
QUEUE: Final = "router-admin"
NATS: Final = "nats"
"""Where requests come from: no address, so a key that is held to some networks is refused."""
ANONYMOUS: Final = "anonymous"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Question:
    """One request: what it says, and who asks. `traceparent` is W3C's, empty where none came.

    `body` is what the subject knows of what was `said`.
    """

    work: Work[Uow]
    caller: Caller
    said: Mapping[str, object]
    body: Any
    request_id: str
    traceparent: str

    def customer(self) -> UUID:
        """Whom it is for: the key's own customer, or whom the operator names, or a gateway that sends no key."""
        own: UUID | None = self.caller.customer_id
        named: UUID | None = self.body.tenant_id
        if self.caller.is_operator or self.caller.identity == ANONYMOUS:
            if named is None:
                raise ValidationFailed(tenant_id="is required without a key of that customer")
            return named
        if own is None:
            raise PermissionDenied
        if named not in (None, own):
            raise PermissionDenied(tenant_id="may be named by the platform's operator only")
        return own

    def whose(self) -> UUID | None:
        """The same where none need be named: `None` is all that the platform sees."""
        if self.caller.customer_id is None and self.body.tenant_id is None:
            return None
        return self.customer()


def refusal(failure: Failure) -> dict[str, Any]:
    """An error as these subjects tell it: the reason in lower case (router 5.6)."""
    return {"code": failure.reason.lower(), "message": failure.sentence, "details": details_of(failure)}


def details_of(failure: Failure) -> dict[str, Any]:
    """What else is known of a failure: the fields that are wrong, and what of a run had been done."""
    faults = failure.detail_objects()
    return {**({"fields": faults} if faults else {}), **failure.more}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is answered under a name: to whom, in which shape it is asked, and how failures are told.

    Those with `is_open` need no key where the settings give whoever has none a role. What mostly `waits` for router
    extensions has places of its own, as over REST.
    """

    name: str
    right: Right
    body: type[Asked]
    answer: Callable[[Question], Awaitable[object]]
    refused: Callable[[Failure], Mapping[str, Any]] = refusal
    is_open: bool = True
    waits: bool = False


class Door:
    """Answers subjects on a bus, each request by one of all nodes."""

    def __init__(self, work: Work[Uow], admission: Admission, anonymous: str) -> None:
        """`anonymous` is the role of those who send no key, empty for none."""
        self._work = work
        self._admission = admission
        self._roles = frozenset({anonymous} if anonymous else ())

    @asynccontextmanager
    async def serving(self, services: Services, subjects: tuple[Subject, ...]) -> AsyncIterator[None]:
        """Answer them, while inside."""
        async with AsyncExitStack() as stack:
            for one in subjects:
                serve = partial(self._serve, one)
                stack.push_async_callback(await services.serve(QUEUE, ROOT + one.name, serve, queue=QUEUE))
            yield

    async def _serve(self, subject: Subject, letter: Letter) -> Letter:
        request_id = request_id_of(_header(letter, "x-request-id"))
        with structlog.contextvars.bound_contextvars(request_id=request_id, action=f"NATS {subject.name}"):
            answer: object
            try:
                answer, code = await self._answer(subject, letter, request_id), 200
            except Failure as failure:
                if isinstance(failure, RateLimited):
                    await self._admission.limits.hold()
                answer, code = {"ok": False, "error": subject.refused(failure)}, failure.code
            except Exception as error:
                log.error("failed", exc_info=error)
                answer, code = {"ok": False, "error": subject.refused(Internal())}, Internal.code
            log.info("answered", status=code)
        return Letter(msgspec.json.encode(answer), {"X-Request-Id": request_id})

    async def _answer(self, subject: Subject, letter: Letter, request_id: str) -> object:
        caller = await self._caller(subject, letter)
        said = object_of(letter.body)
        body = read(subject.body, said)
        async with self._admission.limits.place(caller, waits=subject.waits):
            traceparent = _header(letter, "traceparent") or ""
            return await subject.answer(Question(self._work, caller, said, body, request_id, traceparent))

    async def _caller(self, subject: Subject, letter: Letter) -> Caller:
        credential = _header(letter, "authorization")
        if not credential and self._roles and subject.is_open:
            require(self._roles, subject.right)
            return Caller(None, ANONYMOUS, self._roles, ANONYMOUS, address=NATS)
        credentials = [credential] if credential else []
        return await self._admission.admit(credentials, NATS, subject.right, PUBLISHER, {})


def _header(letter: Letter, name: str) -> str | None:
    """The header, in whatever letters it is spelt."""
    return next((text for key, text in letter.headers.items() if key.lower() == name), None)
