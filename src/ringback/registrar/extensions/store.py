"""SQL of extensions; each is read together with its live direct address."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, func, insert, or_, select, update

from ringback.kit.db import Duplicate, Row, Session, Statement
from ringback.kit.pages import Cursor
from ringback.registrar.directs.model import Direct
from ringback.registrar.extensions.model import Extension, NumberTaken
from ringback.registrar.tables import directs, extensions
from ringback.sip.digest import Ha1

COLUMNS: Final = tuple(column.name for column in extensions.columns)
DIRECT: Final = tuple(column.name for column in directs.columns)
WHOLE: Final = select(extensions, *(directs.c[name].label(f"direct_{name}") for name in DIRECT)).outerjoin(
    directs, and_(directs.c.extension_id == extensions.c.id, directs.c.tm_delete.is_(None))
)
LIVING: Final = WHOLE.where(extensions.c.tm_delete.is_(None))
NEWEST_FIRST: Final = (extensions.c.tm_create.desc(), extensions.c.id.desc())

ADD = Statement(insert(extensions), *COLUMNS)
CHANGE = Statement(
    update(extensions).where(extensions.c.id == bindparam("extension_id")),
    "name",
    "detail",
    "ha1",
    "ha1_sha256",
    "tm_update",
)
END = Statement(update(extensions).where(extensions.c.id == bindparam("extension_id")), "tm_update", "tm_delete")
LIVE = Statement(LIVING.where(extensions.c.id == bindparam("extension_id")))
LOCKED = Statement(LIVING.where(extensions.c.id == bindparam("extension_id")).with_for_update(of=extensions))
BY_NUMBER = Statement(
    LIVING.where(
        extensions.c.customer_id == bindparam("of_customer"),
        func.lower(extensions.c.extension) == func.lower(bindparam("number")),
    )
)
COUNT = Statement(
    select(func.count().label("count")).where(
        extensions.c.customer_id == bindparam("of_customer"), extensions.c.tm_delete.is_(None)
    )
)
NEWEST = Statement(
    select(extensions.c.tm_create)
    .where(extensions.c.customer_id == bindparam("of_customer"))
    .order_by(*NEWEST_FIRST)
    .limit(1)
)
BEHIND = Statement(
    LIVING.where(extensions.c.endpoint_id > bindparam("after"))
    .order_by(extensions.c.endpoint_id)
    .limit(bindparam("size"))
)
BEHIND_ID = Statement(
    LIVING.where(extensions.c.id > bindparam("after")).order_by(extensions.c.id).limit(bindparam("size"))
)
AT_ENDPOINT = Statement(LIVING.where(extensions.c.endpoint_id == bindparam("of_endpoint")))


def to_row(extension: Extension) -> dict[str, Any]:
    """The password column stays NULL: only the digests are kept."""
    return {
        "id": extension.id,
        "customer_id": extension.customer_id,
        "name": extension.name,
        "detail": extension.detail,
        **dict.fromkeys(("endpoint_id", "aor_id", "auth_id"), extension.endpoint_id),
        "extension": extension.number,
        "domain_name": extension.label,
        "realm": extension.realm,
        "username": extension.username,
        "password": None,
        "ha1": extension.ha1.md5,
        "ha1_sha256": extension.ha1.sha256,
        "tm_create": extension.tm_create,
        "tm_update": extension.tm_update,
        "tm_delete": extension.tm_delete,
    }


def from_row(row: Row) -> Extension:
    return Extension(
        id=row["id"],
        customer_id=row["customer_id"],
        number=row["extension"],
        username=row["username"],
        label=row["domain_name"],
        realm=row["realm"],
        ha1=Ha1(row["ha1"], row["ha1_sha256"]),
        tm_create=row["tm_create"],
        name=row["name"] or "",
        detail=row["detail"] or "",
        tm_update=row["tm_update"],
        tm_delete=row["tm_delete"],
        direct=Direct(**{name: row[f"direct_{name}"] for name in DIRECT}) if row["direct_id"] else None,
    )


async def add(session: Session, extension: Extension) -> None:
    try:
        await session.run(ADD, **to_row(extension))
    except Duplicate as clash:
        if clash.rule not in ("number", "username"):
            raise
        both = extension.username == extension.number
        field = "extension" if both or clash.rule == "number" else "username"
        raise NumberTaken(**{field: "is taken"}) from None


async def change(session: Session, extension: Extension) -> None:
    row = to_row(extension)
    await session.run(CHANGE, extension_id=extension.id, **{name: row[name] for name in CHANGE.columns})


async def end(session: Session, extension: Extension) -> None:
    await session.run(END, extension_id=extension.id, tm_update=extension.tm_update, tm_delete=extension.tm_delete)


async def live(session: Session, id: UUID, *, lock: bool = False) -> Extension | None:
    return _maybe(await session.one(LOCKED if lock else LIVE, extension_id=id))


async def by_number(session: Session, customer_id: UUID, number: str) -> Extension | None:
    """The live extension with that number, in whatever letter case."""
    return _maybe(await session.one(BY_NUMBER, of_customer=customer_id, number=number))


async def at_endpoint(session: Session, endpoint_id: str) -> Extension | None:
    return _maybe(await session.one(AT_ENDPOINT, of_endpoint=endpoint_id))


async def behind(session: Session, endpoint_id: str, limit: int) -> list[Extension]:
    """Up to `limit` live extensions by endpoint name, behind `endpoint_id`."""
    return [from_row(row) for row in await session.all(BEHIND, after=endpoint_id, size=limit)]


async def behind_id(session: Session, id: UUID, limit: int) -> list[Extension]:
    """Up to `limit` live extensions by id, behind `id`."""
    return [from_row(row) for row in await session.all(BEHIND_ID, after=id, size=limit)]


async def count(session: Session, customer_id: UUID) -> int:
    row = await session.one(COUNT, of_customer=customer_id)
    return int(row["count"]) if row else 0


async def newest(session: Session, customer_id: UUID) -> datetime | None:
    """When the customer's newest extension was made, deleted ones included."""
    row = await session.one(NEWEST, of_customer=customer_id)
    return row["tm_create"] if row else None


async def page(
    session: Session, wanted: Mapping[str, Any], cursor: Cursor | None, limit: int, *, deleted: bool
) -> list[Extension]:
    """Up to `limit` extensions whose columns equal `wanted`, newest first, older than `cursor`."""
    values: dict[str, Any] = {f"is_{name}": value for name, value in wanted.items()}
    if cursor:
        values |= {"before": cursor.before} | ({"below": cursor.id} if cursor.id else {})
    statement = _paging(tuple(sorted(wanted)), deleted, bool(cursor), bool(cursor and cursor.id))
    return [from_row(row) for row in await session.all(statement, size=limit, **values)]


async def at_moment(
    session: Session, wanted: Mapping[str, Any], moment: datetime, below: UUID, *, deleted: bool
) -> list[Extension]:
    """The rest of those made at one microsecond: the ids below `below`."""
    values: dict[str, Any] = {f"is_{name}": value for name, value in wanted.items()}
    statement = _at_moment(tuple(sorted(wanted)), deleted)
    return [from_row(row) for row in await session.all(statement, moment=moment, below=below, **values)]


def _maybe(row: Row | None) -> Extension | None:
    return from_row(row) if row else None


def _filtered(names: tuple[str, ...], deleted: bool) -> Select[Any]:
    state = extensions.c.tm_delete.is_not(None) if deleted else extensions.c.tm_delete.is_(None)
    return WHOLE.where(state, *(extensions.c[name] == bindparam(f"is_{name}") for name in names)).order_by(
        *NEWEST_FIRST
    )


@cache
def _paging(names: tuple[str, ...], deleted: bool, before: bool, below: bool) -> Statement:
    statement = _filtered(names, deleted)
    older = extensions.c.tm_create < bindparam("before")
    if below:
        same = and_(extensions.c.tm_create == bindparam("before"), extensions.c.id < bindparam("below"))
        statement = statement.where(or_(older, same))
    elif before:
        statement = statement.where(older)
    return Statement(statement.limit(bindparam("size")))


@cache
def _at_moment(names: tuple[str, ...], deleted: bool) -> Statement:
    same = and_(extensions.c.tm_create == bindparam("moment"), extensions.c.id < bindparam("below"))
    return Statement(_filtered(names, deleted).where(same))
