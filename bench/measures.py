"""What is measured, in this order."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from bench import (
    creates,
    growth,
    imports,
    lists,
    lookups,
    registrations,
    requests,
    rest,
    router,
    scale,
    starting,
    steady,
)
from bench.ground import Ground
from ringback.router.bench.figures import Found

Measure = Callable[[Ground], Awaitable[Found | list[dict[str, Any]]]]
"""Gives what it has found, or whole runs of its own: the router's, on three engines."""
MEASURED: Final[Mapping[str, Measure]] = {
    "M-1": requests.measure,
    "M-2": creates.measure,
    "M-3": rest.measure,
    "M-4": lookups.measure,
    "M-5": lists.measure,
    "M-6": registrations.measure,
    "M-7": imports.measure,
    "M-8": router.runs,
    "M-9": starting.measure,
    "M-10": growth.measure,
    "M-11": steady.measure,
    "scale": scale.measure,
}


def about(measure: Measure) -> str:
    """A sentence: the first of its module, behind its number."""
    text = sys.modules[measure.__module__].__doc__ or ""
    return text.partition(": ")[2].partition("\n")[0]
