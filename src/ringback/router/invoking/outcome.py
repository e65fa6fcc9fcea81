"""What becomes of one call of a router extension."""

from collections.abc import Mapping
from typing import Generic, Literal, TypeVar
from uuid import UUID

import msgspec

from ringback.kit.bus import NONE
from ringback.router.extensions.model import RouterExtension

T = TypeVar("T")

Cause = Literal[
    "timeout", "no_responders", "error", "malformed", "unavailable", "overloaded", "disabled", "not_configured",
    "too_large",
]  # fmt: skip
"""Why a call failed, in the words of a policy's fallbacks (router P-3); `too_large` is the caller's own fault."""


class Malformed(Exception):
    """A reply is not what its type of router extension answers. Its text is ours, and holds no word of the reply."""


class Refused(Exception):
    """A reply says that the router extension could not do it: `code` as it says, `told` cut and without PII."""

    def __init__(self, code: str, told: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.told = told


class Asked(msgspec.Struct, frozen=True):
    """One call: of whom, what, how long and how often, and until when at the latest (`ends`, of the invoker's clock).

    `timeout_ms` and `retry` are those of the pipeline's step. `headers` go with each try.
    """

    record: RouterExtension
    body: bytes
    timeout_ms: int
    retry: int
    ends: float
    headers: Mapping[str, str] = NONE
    is_dry: bool = False
    customer_id: UUID | None = None
    """Whose request it is, for what is counted."""


class Outcome(msgspec.Struct, Generic[T], frozen=True):
    """`value` is what was read of the reply; `None` and a `cause` where there is none.

    `why` is a sentence of ours about that, `told` the one of a router extension that says so itself, as a dry run shows
    it: without PII as far as a scan finds it, and for no log.
    """

    value: T | None
    cause: Cause | None
    attempts: int
    latency_ms: float
    why: str = ""
    told: str = ""
