"""How long a pipeline may take: the sum of what its steps may, unless its policy says otherwise (router 5.1)."""

from collections.abc import Mapping
from typing import Final

from ringback.router.extensions.model import RouterExtension
from ringback.router.invoking.retries import longest_ms as call_ms
from ringback.router.policies.model import Declared, Provider, Purpose, Step

LONGEST: Final = 330_000
"""Milliseconds that a whole pipeline may take."""
OF_CALLS: Final = 500
"""Those of a call's pipeline whose policy does not say (P-6)."""


def deadline_ms(declared: Declared, extensions: Mapping[str, RouterExtension], purpose: Purpose | None = None) -> int:
    """Milliseconds that a run may take: as the policy says, or 500 of a call, or what all steps together may."""
    if declared.deadline_ms is not None:
        return declared.deadline_ms
    return OF_CALLS if purpose == "direct_call" else longest_ms(declared, extensions)


def longest_ms(declared: Declared, extensions: Mapping[str, RouterExtension]) -> int:
    """All steps, the slowest provider and all fallbacks; what is not there takes no time."""

    def longest(item: Step | Provider, retry: int | None = None) -> int:
        known = extensions.get(item.id)
        if known is None:
            return 0
        tries = next(one for one in (retry, item.retry, known.retry) if one is not None)
        return call_ms(known.timeout_ms if item.timeout_ms is None else item.timeout_ms, tries)

    steps = sum(map(longest, (*declared.pre, *declared.validators, *declared.post)))
    slowest = max(map(longest, declared.providers), default=0)
    fallbacks = sum(longest(declared.target(one), one.retry) for one in declared.fallbacks)
    return min(steps + slowest + fallbacks, LONGEST)
