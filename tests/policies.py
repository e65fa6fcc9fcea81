"""Policies that calls to direct addresses go through, as they stand in the database."""

import json
from typing import Any, Final, Protocol

OPEN: Final = {"version": "1.0", "pre": [{"id": "normalize_text", "mode": "optional"}]}
CLOSED: Final = {"version": "1.0", "validators": [{"id": "pii_guard"}]}


class Ground(Protocol):
    """What somebody with a SQL client has."""

    def sql(self, text: str, *values: Any) -> Any: ...


def screened_by(world: Ground, customer_id: str, policy_id: str, **more: Any) -> None:
    """From now on those of the customer are, as far as Asterisk and call-manager can see."""
    fails, deadline_ms = more.get("fails", "closed"), more.get("deadline_ms", 500)
    row = {
        "customer_id": customer_id,
        "policy_id": policy_id,
        "document": json.dumps((OPEN if fails == "open" else CLOSED) | {"deadline_ms": deadline_ms}),
        "purpose": "direct_call",
        "enabled": True,
        "fails": fails,
        "deadline_ms": deadline_ms,
        **more,
    }
    names, places = ", ".join(row), ", ".join("?" * len(row))
    world.sql(f"INSERT INTO router_policies ({names}) VALUES ({places})", *row.values())
