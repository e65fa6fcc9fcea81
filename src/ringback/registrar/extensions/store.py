"""SQL of extensions; each is read together with its live direct address."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, bindparam, func, insert, select, update

from ringback.kit.db import Duplicate, Row, Session, Statement, all_among, among
from ringback.kit.erasing import Erasing
from ringback.kit.listing import Listing
from ringback.kit.lookups import Lookup
from ringback.kit.secret import Secret
from ringback.registrar.directs.model import Direct
from ringback.registrar.extensions.model import Extension, Listed, NumberTaken
from ringback.registrar.tables import directs, extensions
from ringback.sip.digest import Kept

COLUMNS: Final = tuple(column.name for column in extensions.columns)
NAMES: Final = ("endpoint_id", "aor_id", "auth_id")
"""Columns that are written and not read: they say once more what number and realm say."""
DIRECT: Final = {name: f"direct_{name}" for name in ("id", "customer_id", "hash", "tm_create", "tm_update")}
"""What a live direct address has of its own, and what it is called beside its extension."""
WITH_DIRECT: Final = extensions.outerjoin(
    directs, and_(directs.c.extension_id == extensions.c.id, directs.c.tm_delete.is_(None))
)
WHOLE: Final = select(
    *(column for column in extensions.columns if column.name not in NAMES),
    *(directs.c[name].label(label) for name, label in DIRECT.items()),
).select_from(WITH_DIRECT)
SHOWN: Final = select(
    *(extensions.c[name] for name in ("id", "customer_id", "name", "detail", "extension", "domain_name", "realm")),
    *(extensions.c[name] for name in ("username", "password", "tm_create", "tm_update", "tm_delete")),
    *(directs.c[name].label(DIRECT[name]) for name in ("id", "hash")),
).select_from(WITH_DIRECT)
LIVING: Final = WHOLE.where(extensions.c.tm_delete.is_(None))


ADD = Statement(insert(extensions), *COLUMNS)
CHANGE = Statement(
    update(extensions).where(extensions.c.id == bindparam("extension_id")),
    "name",
    "detail",
    "endpoint_id",
    "aor_id",
    "auth_id",
    "domain_name",
    "realm",
    "password",
    "ha1",
    "ha1_sha256",
    "tm_update",
)
END = Statement(update(extensions).where(extensions.c.id == bindparam("extension_id")), "tm_update", "tm_delete")
RESTORE = Statement(
    update(extensions).where(extensions.c.id == bindparam("extension_id")), *CHANGE.columns, "tm_delete"
)
IS_EXTENSION: Final = extensions.c.id == bindparam("extension_id")
HAS_NUMBER: Final = and_(
    extensions.c.customer_id == bindparam("of_customer"),
    func.lower(extensions.c.extension) == func.lower(bindparam("number")),
)
IS_OF_CUSTOMER: Final = extensions.c.customer_id == bindparam("of_customer")
IS_AT_ENDPOINTS: Final = among(extensions.c.endpoint_id, "endpoints")
LIVE = Lookup(LIVING, extensions.c.id, "extension_id")
GONE = Statement(select(extensions).where(extensions.c.tm_delete.is_not(None), IS_EXTENSION).with_for_update())
BY_NUMBER = Statement(LIVING.where(HAS_NUMBER))
AT_ENDPOINTS = Statement(LIVING.where(IS_AT_ENDPOINTS))
LIVE_NAMES = Statement(select(extensions.c.endpoint_id).where(extensions.c.tm_delete.is_(None), IS_AT_ENDPOINTS))
OF_CUSTOMER = Statement(LIVING.where(IS_OF_CUSTOMER).order_by(extensions.c.tm_create, extensions.c.id))
BY_NUMBERS = Statement(LIVING.where(IS_OF_CUSTOMER, among(func.lower(extensions.c.extension), "numbers")))
BY_USERNAMES = Statement(LIVING.where(IS_OF_CUSTOMER, among(func.lower(extensions.c.username), "usernames")))
IS_PLAIN: Final = extensions.c.password.is_not(None)
PLAIN = Statement(WHOLE.where(IS_PLAIN, among(extensions.c.id, "ids")).order_by(extensions.c.id))
COUNT_PLAIN = Statement(select(func.count().label("count")).select_from(extensions).where(IS_PLAIN))


def _locking(*conditions: Any, order: Any = None) -> Statement:
    """Waits for whoever changes them; what they are is read afterwards, since a row that was waited for comes with
    what stood beside it before. Who locks some of many does it in one `order`: nobody waits for each other."""
    found = select(extensions.c.id).where(extensions.c.tm_delete.is_(None), *conditions)
    return Statement(found.order_by(order).with_for_update())


LOCK = _locking(among(extensions.c.id, "ids"), order=extensions.c.id)
LOCK_NUMBER = _locking(HAS_NUMBER)
LOCK_ENDPOINTS = _locking(IS_AT_ENDPOINTS, order=extensions.c.id)
LOCK_CUSTOMER = _locking(IS_OF_CUSTOMER)
LOCK_PLAIN = Statement(
    select(extensions.c.id).where(IS_PLAIN).order_by(extensions.c.id).limit(bindparam("size")).with_for_update()
)


def to_row(extension: Extension) -> dict[str, Any]:
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
        **extension.kept.columns(),
        "tm_create": extension.tm_create,
        "tm_update": extension.tm_update,
        "tm_delete": extension.tm_delete,
        "contacts_version": extension.contacts_version,
    }


def from_row(row: Row) -> Extension:
    """By places, since names take twice as long, and a list has a hundred of them."""
    return Extension(
        row["id"],
        row["customer_id"],
        row["extension"],
        row["username"],
        row["domain_name"],
        row["realm"],
        Kept.from_row(row),
        row["tm_create"],
        row["name"] or "",
        row["detail"] or "",
        row["tm_update"],
        row["tm_delete"],
        _direct(row),
        row["contacts_version"],
    )


def _listed(row: Row) -> Listed:
    """By places, as `from_row`."""
    return Listed(
        row["id"],
        row["customer_id"],
        row["extension"],
        row["username"],
        row["domain_name"],
        row["realm"],
        None if row["password"] is None else Secret(row["password"]),
        row["tm_create"],
        row["name"] or "",
        row["detail"] or "",
        row["tm_update"],
        row["tm_delete"],
        row["direct_id"],
        row["direct_hash"] or "",
    )


def _direct(row: Row) -> Direct | None:
    if not row["direct_id"]:
        return None
    made, changed = row["direct_tm_create"], row["direct_tm_update"]
    return Direct(row["direct_id"], row["direct_customer_id"], row["id"], row["direct_hash"], made, changed)


async def add(session: Session, extensions: Sequence[Extension]) -> None:
    """All of them. Which one's number is taken is said where it is one alone."""
    try:
        await session.run_each(ADD, [to_row(one) for one in extensions])
    except Duplicate as clash:
        raise _taken(extensions[0], clash) if len(extensions) == 1 else NumberTaken() from None


async def restore(session: Session, extension: Extension) -> None:
    """The row of a deleted extension is that of a live one again."""
    row = to_row(extension)
    try:
        await session.run(RESTORE, extension_id=extension.id, **{name: row[name] for name in RESTORE.columns})
    except Duplicate as clash:
        raise _taken(extension, clash) from None


async def gone(session: Session, id: UUID) -> Extension | None:
    """A deleted extension, locked."""
    row = await session.one(GONE, extension_id=id)
    return from_row({**row, "direct_id": None}) if row else None


async def change(session: Session, extension: Extension) -> None:
    row = to_row(extension)
    await session.run(CHANGE, extension_id=extension.id, **{name: row[name] for name in CHANGE.columns})


async def end(session: Session, extension: Extension) -> None:
    await session.run(END, extension_id=extension.id, tm_update=extension.tm_update, tm_delete=extension.tm_delete)


async def live(session: Session, id: UUID, *, lock: bool = False) -> Extension | None:
    if lock:
        await session.all(LOCK, ids=[id])
    return _maybe(await session.one(LIVE, extension_id=id))


async def locked(session: Session, ids: Sequence[UUID]) -> list[Extension]:
    """Those of these ids that live."""
    await all_among(session, LOCK, "ids", ids)
    return [from_row(row) for row in await all_among(session, LIVE.several, "keys", ids)]


async def by_number(session: Session, customer_id: UUID, number: str, *, lock: bool = False) -> Extension | None:
    """The live extension with that number, in whatever letter case."""
    if lock:
        await session.one(LOCK_NUMBER, of_customer=customer_id, number=number)
    return _maybe(await session.one(BY_NUMBER, of_customer=customer_id, number=number))


async def by_numbers(session: Session, customer_id: UUID, numbers: list[str], usernames: list[str]) -> list[Extension]:
    """The live extensions with one of these numbers or usernames, in lower case."""
    rows = await session.all(BY_NUMBERS, of_customer=customer_id, numbers=numbers)
    rows += await session.all(BY_USERNAMES, of_customer=customer_id, usernames=usernames)
    return [from_row(row) for row in rows]


async def at_endpoints(session: Session, endpoint_ids: Sequence[str], *, lock: bool = False) -> list[Extension]:
    """The live extensions that Asterisk knows by these names."""
    if lock:
        await all_among(session, LOCK_ENDPOINTS, "endpoints", endpoint_ids)
    return [from_row(row) for row in await all_among(session, AT_ENDPOINTS, "endpoints", endpoint_ids)]


async def live_names(session: Session, endpoint_ids: list[str]) -> set[str]:
    """Those of up to `CHUNK` endpoint names that a live extension has."""
    return {row["endpoint_id"] for row in await session.all(LIVE_NAMES, endpoints=endpoint_ids)}


async def of_customer(session: Session, customer_id: UUID, *, lock: bool = True) -> list[Extension]:
    """All live extensions of the customer, oldest first."""
    if lock:
        await session.all(LOCK_CUSTOMER, of_customer=customer_id)
    return [from_row(row) for row in await session.all(OF_CUSTOMER, of_customer=customer_id)]


async def plain(session: Session, limit: int) -> list[Extension]:
    """Some extensions that are kept with a clear password, deleted ones included, locked; at most `CHUNK`."""
    ids = [row["id"] for row in await session.all(LOCK_PLAIN, size=limit)]
    return [from_row(row) for row in await session.all(PLAIN, ids=ids)] if ids else []


async def count_plain(session: Session) -> int:
    row = await session.one(COUNT_PLAIN)
    return int(row["count"]) if row else 0


def _taken(extension: Extension, clash: Duplicate) -> Exception:
    if clash.rule not in ("number", "username"):
        return clash
    both = extension.username == extension.number
    field = "extension" if both or clash.rule == "number" else "username"
    return NumberTaken(**{field: "is taken"})


def _maybe(row: Row | None) -> Extension | None:
    return from_row(row) if row else None


LISTING: Final = Listing(extensions, SHOWN, _listed)
WALKING: Final = Listing(extensions, WHOLE, from_row)
"""For who goes through all of them, and not to show them."""
ERASING: Final = Erasing(
    extensions,
    "customer_id",
    ("name", "detail", "endpoint_id", "aor_id", "auth_id", "extension", "domain_name", "realm", "username"),
    dict.fromkeys(("password", "ha1", "ha1_sha256")),
)
