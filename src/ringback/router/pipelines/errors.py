"""Why a run failed: reasons, statuses, and what `error.run` tells (router 5.6)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ringback.kit.errors import Failure, Fault, InvalidArgument
from ringback.router.invoking.outcome import Cause
from ringback.router.pipelines.wire import Executed
from ringback.router.policies.model import Stage


@dataclass(frozen=True, slots=True)
class Kind:
    """How a reason is told: status, code and sentence; whether the same may go well a little later."""

    status: str
    code: int
    sentence: str
    is_retryable: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "PAYLOAD_TOO_LARGE": Kind("INVALID_ARGUMENT", 413, "The message is too large."),
    "METADATA_TOO_LARGE": Kind("INVALID_ARGUMENT", 413, "The context is too large."),
    "VALIDATOR_BLOCKED": Kind("PERMISSION_DENIED", 403, "A validator has blocked the request."),
    "EXTENSION_TIMEOUT": Kind("DEADLINE_EXCEEDED", 504, "A router extension did not answer in time.", True),
    "DEADLINE_EXCEEDED": Kind("DEADLINE_EXCEEDED", 504, "The pipeline took longer than it may.", True),
    "EXTENSION_UNAVAILABLE": Kind("UNAVAILABLE", 503, "A router extension cannot be reached.", True),
    "EXTENSION_OVERLOADED": Kind("UNAVAILABLE", 503, "A router extension has too much to do.", True),
    "EXTENSION_DISABLED": Kind("UNAVAILABLE", 503, "A router extension that is needed is disabled."),
    "PROVIDER_NOT_CONFIGURED": Kind("UNAVAILABLE", 503, "A provider lacks its configuration."),
    "NO_PROVIDER_AVAILABLE": Kind("UNAVAILABLE", 503, "No provider can be asked.", True),
    "EXTENSION_ERROR": Kind("INTERNAL", 500, "A router extension failed."),
    "EXTENSION_NOT_FOUND": Kind("NOT_FOUND", 404, "A router extension that is needed is not there."),
}
FAILED: Final[Mapping[Stage, tuple[str, str]]] = {
    "pre": ("PRE_PROCESSOR_FAILED", "A step before the provider failed."),
    "providers": ("PROVIDER_FAILED", "The provider and its fallbacks failed."),
    "post": ("POST_PROCESSOR_FAILED", "A step after the provider failed, so its reply is withheld."),
}
"""What a stage's failure is called; code and status are those of its cause."""
LATE: Final = "DEADLINE_EXCEEDED"
"""The run's own time is over, whatever the router extension has of its own."""
VALIDATOR_FAILED: Final = "validator_failed"
"""The cause where a validator did not say why: what became of its call stands in the trace."""
REASONS: Final[Mapping[Cause, str]] = {
    "timeout": "EXTENSION_TIMEOUT",
    "no_responders": "EXTENSION_UNAVAILABLE",
    "error": "EXTENSION_ERROR",
    "malformed": "EXTENSION_ERROR",
    "unavailable": "EXTENSION_UNAVAILABLE",
    "overloaded": "EXTENSION_OVERLOADED",
    "disabled": "EXTENSION_DISABLED",
    "not_configured": "PROVIDER_NOT_CONFIGURED",
    "too_large": "PAYLOAD_TOO_LARGE",
}
"""What the cause of a failed call is called."""


class PayloadTooLarge(InvalidArgument):
    """The message is too large."""

    code, reason = 413, "PAYLOAD_TOO_LARGE"


class RunFailed(Failure):
    """The pipeline failed."""

    def __init__(
        self,
        reason: str,
        *faults: Fault,
        policy_id: str | None,
        stage: Stage | None = None,
        extension_id: str | None = None,
        cause: str | None = None,
        trace: Iterable[Executed] = (),
        is_reject: bool = False,
    ) -> None:
        """`cause` is the reason of the failed call, if it is another one; it says how the failure is told.

        `is_reject`: a validator said no, and did not merely fail.
        """
        super().__init__(*faults)
        known = KINDS.get(reason) or KINDS[cause or reason]
        sentences = dict(FAILED.values())
        self.reason, self.status, self.code = reason, known.status, known.code
        self.told = sentences.get(reason, known.sentence)
        self.extension_id, self.cause = extension_id, cause or reason
        self.trace = list(trace)
        self.is_reject = is_reject
        why = self.trace[-1].reason if self.trace and self.cause == VALIDATOR_FAILED else self.cause
        self.run: dict[str, Any] = {
            "stage": stage,
            "extension_id": extension_id,
            "cause": self.cause,
            "retryable": KINDS.get(why or "", known).is_retryable,
            "policy_id": policy_id,
            "executed_extensions": msgspec.to_builtins(self.trace),
        }
        self.more = {"run": self.run}
