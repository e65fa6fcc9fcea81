"""Calls to direct addresses go through their customer's own pipeline before they ring (router P-6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from ringback.kit.reading import Asked
from ringback.kit.uow import Work
from ringback.router.extensions.registry import Registry
from ringback.router.pipelines.errors import RunFailed
from ringback.router.pipelines.running import Pipelines, Run
from ringback.router.policies import service
from ringback.router.policies.model import PolicyNotFound, Purpose
from ringback.router.work import Uow

PURPOSE: Final[Purpose] = "direct_call"
LONGEST: Final = 80
"""Characters of a caller's number or name."""
ANONYMOUS: Final = "anonymous"
"""What phones are shown of a caller whose number was taken away, since an address needs some user."""
NEVER: Final = frozenset('"\\<>${}[]|')
"""What would mean something to a SIP server's own files, or in a header."""


class Question(Asked, frozen=True, kw_only=True):
    """What Asterisk asks. `deadline_ms` is how long it waits."""

    customer_id: UUID
    policy_id: str
    extension_id: UUID
    deadline_ms: Annotated[int, Meta(ge=1, le=330_000)]
    caller: str = ""
    caller_name: str = ""


@dataclass(frozen=True, slots=True)
class Passed:
    """The call goes on, with that number and name of the caller; `None` leaves what is there."""

    caller: str | None = None
    caller_name: str | None = None


class Rejected(Exception):
    """A validator that may block has rejected the call."""


async def screen(registry: Registry, work: Work[Uow], asked: Question) -> Passed:
    """The call as the policy lets it pass. `Rejected`, or the `Failure` of the run: then whoever asks decides.

    Asterisk has read of the policy a moment ago. One that is not there has gone since, or is not known here yet: then
    the database says which one the customer has now. So it does of one that is not for calls."""
    try:
        if registry.served().policy(asked.customer_id, asked.policy_id).purpose != PURPOSE:
            raise PolicyNotFound
        return await _screened(registry.pipelines, asked)
    except PolicyNotFound:
        now = await work.read(partial(service.of_calls, customer_id=asked.customer_id))
    if now is None:
        return Passed()
    await registry.keeper.catch_up()
    return await _screened(registry.pipelines, replace(asked, policy_id=now))


async def _screened(pipelines: Pipelines, asked: Question) -> Passed:
    payload = {
        "caller": plain(asked.caller),
        "caller_name": plain(asked.caller_name),
        "extension_id": str(asked.extension_id),
    }
    message = {"message_type": PURPOSE, "payload": payload}
    try:
        ran = await pipelines.run(Run(asked.customer_id, asked.policy_id, message, deadline_ms=asked.deadline_ms))
    except RunFailed as failure:
        if failure.is_reject:
            raise Rejected from None
        raise
    final = ran.message.get("payload")
    said = final if isinstance(final, Mapping) else {}
    caller, name = _changed(asked.caller, said.get("caller")), _changed(asked.caller_name, said.get("caller_name"))
    return Passed(ANONYMOUS if caller == "" else caller, name)


def plain(text: str) -> str:
    """Printable and bounded, whatever was sent."""
    return "".join(filter(str.isprintable, text))[:LONGEST]


def _changed(before: str, text: object) -> str | None:
    """What the phones are shown instead, if it is a text and another one."""
    if not isinstance(text, str) or text == before:
        return None
    return plain("".join(character for character in text if character not in NEVER))
