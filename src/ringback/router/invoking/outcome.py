"""What becomes of one call of a router extension."""

import re
from collections.abc import Mapping
from typing import Final, Generic, Literal, TypeVar
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
PLAIN: Final = re.compile(r"[a-z_]{1,32}|[1-5]\d\d")
"""Codes that are shown in a log: a word or a status, nothing that could be somebody's number."""
SPARED: Final[Mapping[str, Cause]] = {"not_configured": "not_configured", "too_large": "too_large"}
"""Codes of error replies that say nothing of the router extension: a setting lacks, or it refuses what it was asked."""


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


class Outcome(msgspec.Struct, Generic[T]):
    """What came of a call so far. `value` is what was read of the reply; `None` and a `cause` where there is none.

    `why` is a sentence of ours about that, `told` the one of a router extension that says so itself, as a dry run shows
    it: without PII as far as a scan finds it, and for no log. `reason` is a pipeline's word for the cause.
    """

    value: T | None = None
    cause: Cause | None = None
    why: str = ""
    told: str = ""
    reason: str = ""
    attempts: int = 0
    latency_ms: float = 0.0
    """Of all of it, pauses and all."""
    last_ms: float = 0.0
    """Of its last attempt."""
    succeeded: bool | None = None
    """`None` while no attempt says anything of the router extension."""

    def fails(self, cause: Cause, why: str, told: str = "") -> None:
        self.cause, self.why, self.told = cause, why, told

    def errs(self, code: str, told: str = "") -> bool | None:
        """An error reply: a failure, unless its code is one that counts as neither (R-8d)."""
        why = "it answered with an error"
        if code != "error" and PLAIN.fullmatch(code):
            why = f"it answered with the error {code}"
        self.fails(SPARED.get(code, "error"), why, told)
        return None if code in SPARED else False

    def refused(self, cause: Cause, why: str) -> Literal[False]:
        """There is no further attempt; if there was none at all, this is why."""
        if self.cause is None:
            self.fails(cause, why)
        return False
