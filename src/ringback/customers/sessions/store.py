"""SQL of sessions and of failed tries to begin one."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CHAR, Column, Index, Integer, MetaData, String, Table, bindparam, delete, insert, select, update

from ringback.customers.sessions.model import Session
from ringback.kit import db
from ringback.kit.columns import Id, Time
from ringback.kit.db import OWN, Statement
from ringback.kit.listing import Listing
from ringback.kit.lookups import Lookup

metadata = MetaData(schema=OWN)
sessions = Table(
    "customer_sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("person_id", Id, nullable=False),
    Column("family_hash", CHAR(64), nullable=False),
    Column("refresh_hash", CHAR(64), nullable=False),
    Column("tm_create", Time, nullable=False),
    Column("tm_expire", Time, nullable=False),
    Column("tm_refresh", Time),
    Column("address", String(64)),
    Column("user_agent", String(255)),
    Index("idx_customer_sessions_person", "person_id"),
    Index("idx_customer_sessions_end", "tm_expire"),
)
failures = Table(
    "customer_sign_in_failures",
    metadata,
    Column("email_hash", CHAR(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("tm_begin", Time, nullable=False),
    Index("idx_customer_sign_in_failures_begin", "tm_begin"),
)
IS: Final = sessions.c.id == bindparam("of")
OF_EMAIL: Final = failures.c.email_hash == bindparam("of")

ADD = Statement(insert(sessions), *(column.name for column in sessions.columns))
GET = Lookup(select(sessions), sessions.c.id, "of")
RENEW = Statement(
    update(sessions).where(IS, sessions.c.refresh_hash == bindparam("before")),
    *("refresh_hash", "tm_refresh", "address", "user_agent"),
)
DROP = Statement(delete(sessions).where(IS))
OF_PERSON: Final = sessions.c.person_id == bindparam("whose")
DROP_ALL = Statement(delete(sessions).where(OF_PERSON))
DROP_OTHERS = Statement(delete(sessions).where(OF_PERSON, sessions.c.id != bindparam("but")))
DROP_ENDED = Statement(delete(sessions).where(sessions.c.tm_expire <= bindparam("now")))
FAILED = Statement(select(failures).where(OF_EMAIL))
FAIL_FIRST = Statement(insert(failures), "email_hash", "failures", "tm_begin")
FAIL = Statement(update(failures).where(OF_EMAIL), "failures", "tm_begin")
FORGET = Statement(delete(failures).where(OF_EMAIL))
FORGET_OLD = Statement(delete(failures).where(failures.c.tm_begin <= bindparam("before")))
FAILED_LOCKED = Statement(select(failures).where(OF_EMAIL).with_for_update())


async def add(session: db.Session, one: Session) -> None:
    await session.run(ADD, **asdict(one))


async def get(session: db.Session, id: UUID) -> Session | None:
    row = await session.one(GET, of=id)
    return Session(**row) if row else None


async def renew(session: db.Session, id: UUID, before: str, after: Mapping[str, Any]) -> bool:
    """Another refresh token from now on, seen then and there; whether that of `before` was still the one."""
    return await session.run(RENEW, of=id, before=before, **after) == 1


async def drop(session: db.Session, id: UUID) -> None:
    await session.run(DROP, of=id)


async def drop_all(session: db.Session, person_id: UUID, but: UUID | None = None) -> int:
    """Sessions of the person, but for that one; how many."""
    if but is None:
        return await session.run(DROP_ALL, whose=person_id)
    return await session.run(DROP_OTHERS, whose=person_id, but=but)


async def drop_old(session: db.Session, now: datetime, failed_before: datetime) -> None:
    """Sessions that have ended, and failures that mean nothing any more."""
    await session.run(DROP_ENDED, now=now)
    await session.run(FORGET_OLD, before=failed_before)


async def failed(session: db.Session, email: str, *, lock: bool = False) -> tuple[int, datetime] | None:
    """How often, and since when, or locked since when."""
    row = await session.one(FAILED_LOCKED if lock else FAILED, of=email)
    return (int(row["failures"]), row["tm_begin"]) if row else None


async def fail(session: db.Session, email: str, count: int, begin: datetime) -> None:
    await session.run(FAIL, of=email, failures=count, tm_begin=begin)


async def begin_failing(session: db.Session, email: str, now: datetime) -> None:
    """Have a row to lock, so that of several first failures each is counted."""
    await session.insert_if_new(FAIL_FIRST, email_hash=email, failures=0, tm_begin=now)


async def forget(session: db.Session, email: str) -> None:
    await session.run(FORGET, of=email)


LISTING: Final = Listing(
    sessions, select(sessions).where(sessions.c.tm_expire > bindparam("now")), lambda row: Session(**row)
)
