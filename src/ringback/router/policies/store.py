"""SQL of policies."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, insert, or_, select, update

from ringback.kit.db import Row, Session, Statement
from ringback.router.policies.deadlines import OF_CALLS
from ringback.router.policies.document import declared
from ringback.router.policies.model import Policy
from ringback.router.tables import policies

PAGE: Final = 100
"""Rows of one read."""
COLUMNS: Final = tuple(column.name for column in policies.columns)
KEY: Final = ("customer_id", "policy_id")
WHOLE: Final = select(policies)
IS_ONE: Final = (policies.c.customer_id == bindparam("customer")) & (policies.c.policy_id == bindparam("policy"))
IS_BEHIND: Final = or_(
    policies.c.customer_id > bindparam("customer"),
    (policies.c.customer_id == bindparam("customer")) & (policies.c.policy_id > bindparam("policy")),
)

ADD = Statement(insert(policies), *COLUMNS)
CHANGE = Statement(update(policies).where(IS_ONE), *(name for name in COLUMNS if name not in KEY))
ONE = Statement(WHOLE.where(IS_ONE))
OF_CALLS_NOW = Statement(
    select(policies.c.policy_id).where(
        policies.c.customer_id == bindparam("customer"),
        policies.c.purpose == "direct_call",
        policies.c.enabled,
        policies.c.deleted_at.is_(None),
    )
)
BEHIND = Statement(WHOLE.where(IS_BEHIND).order_by(policies.c.customer_id, policies.c.policy_id).limit(PAGE))
SINCE = Statement(WHOLE.where(policies.c.registry_revision > bindparam("after")))


def to_row(policy: Policy, registry_revision: int) -> dict[str, Any]:
    """Its columns; `fails` and `deadline_ms` are for whoever decides of a call without reading documents (P-6)."""
    row = {name: getattr(policy, name) for name in Policy.__slots__}
    row |= {"customer_id": str(policy.customer_id), "document": dict(policy.document)}
    row |= {"registry_revision": registry_revision, "fails": None, "deadline_ms": None}
    if policy.purpose == "direct_call":
        said = declared(policy.document)
        row |= {"fails": "closed" if said.fails_closed else "open", "deadline_ms": said.deadline_ms or OF_CALLS}
    return row


def from_row(row: Row) -> Policy:
    """The policy of a row that nobody has broken."""
    same = {name: row[name] for name in Policy.__slots__ if name != "customer_id"}
    return Policy(customer_id=UUID(row["customer_id"]), **same)


async def put(session: Session, policy: Policy, registry_revision: int) -> None:
    """Write it, new or not."""
    row = to_row(policy, registry_revision)
    if await one(session, policy.customer_id, policy.policy_id) is None:
        await session.run(ADD, **row)
    else:
        values = {name: row[name] for name in CHANGE.columns}
        await session.run(CHANGE, customer=row["customer_id"], policy=policy.policy_id, **values)


async def one(session: Session, customer_id: UUID, policy_id: str) -> Row | None:
    """Its row as it stands, also that of a deleted one."""
    return await session.one(ONE, customer=str(customer_id), policy=policy_id)


async def of_calls(session: Session, customer_id: UUID) -> str | None:
    """The id of the enabled policy that the customer's calls go through, whether it can be served or not."""
    found = await session.all(OF_CALLS_NOW, customer=str(customer_id))
    return found[0]["policy_id"] if found else None


async def pages(session: Session) -> AsyncIterator[list[Row]]:
    """All rows by customer and id, deleted ones included, a page at a time; others have their turn after each."""
    customer = policy = ""
    while page := await session.all(BEHIND, customer=customer, policy=policy):
        yield page
        customer, policy = page[-1]["customer_id"], page[-1]["policy_id"]
        await asyncio.sleep(0)


async def since(session: Session, revision: int) -> list[Row]:
    """Those that were changed after that registry revision."""
    return list(await session.all(SINCE, after=revision))
