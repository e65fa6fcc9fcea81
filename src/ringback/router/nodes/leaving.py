"""A node that will not come back goes, and leaves what it has counted (router 2.3)."""

from datetime import datetime
from typing import Any, Final

from ringback.kit.db import Row
from ringback.router.invoking import store as counting
from ringback.router.nodes import store
from ringback.router.work import Uow

ALL: Final = ""
"""The name under which stands what nodes have counted that are no more."""
SUMS: Final = ("success_count", "failure_count")
LATEST: Final = ("last_success", "last_failure", "updated_at")


async def leave(uow: Uow, id: str) -> bool:
    """Add some of its counts to those of all, and remove it when none is left; whether there is more to do.

    Of several nodes that do so at the same time each moves what the others have left, and nothing is added twice.
    """
    node = await store.one(uow.session, id)
    if node is None or not node.is_gone(uow.now):
        return False
    rows = await counting.counts(uow.session, id)
    for row in rows:
        before = await counting.count(uow.session, row["extension_id"], ALL)
        await counting.put_count(uow.session, together(before, row), new=before is None)
        await counting.drop_count(uow.session, row)
    if not rows:
        await store.remove(uow.session, id)
    return bool(rows)


def together(before: Row | None, row: Row) -> dict[str, Any]:
    """Lifetime counts of both, the mean of their latencies, the latest times; its window and its breaker have ended."""
    both = [one for one in (before, row) if one]
    calls = [sum(one[name] for name in SUMS) for one in both]
    means = [(one["avg_latency_ms"], weight) for one, weight in zip(both, calls, strict=True)]
    told = [(mean, weight) for mean, weight in means if mean is not None and weight]
    return {
        **max(both, key=lambda one: one["updated_at"]),
        **counting.ENDED,
        "node_id": ALL,
        **{name: sum(one[name] for one in both) for name in SUMS},
        **{name: _latest(one[name] for one in both) for name in LATEST},
        "avg_latency_ms": sum(mean * weight for mean, weight in told) / sum(weight for _, weight in told)
        if told
        else None,
    }


def _latest(moments: Any) -> datetime | None:
    return max((moment for moment in moments if moment), default=None)
