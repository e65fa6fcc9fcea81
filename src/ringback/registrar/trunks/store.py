"""SQL of trunks."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select, update

from ringback.kit.db import Duplicate, Row, Session, Statement, among
from ringback.kit.erasing import Erasing
from ringback.kit.listing import Listing
from ringback.kit.lookups import Lookup
from ringback.registrar.tables import trunks
from ringback.registrar.trunks.model import DomainTaken, Trunk
from ringback.sip.digest import Kept

COLUMNS: Final = tuple(column.name for column in trunks.columns)
WHOLE: Final = select(trunks)
LIVING: Final = WHOLE.where(trunks.c.tm_delete.is_(None))
IS_TRUNK: Final = trunks.c.id == bindparam("trunk_id")
IS_PLAIN: Final = trunks.c.password.is_not(None)

ADD = Statement(insert(trunks), *COLUMNS)
CHANGE = Statement(
    update(trunks).where(IS_TRUNK),
    "name",
    "detail",
    "auth_types",
    "username",
    "password",
    "allowed_ips",
    "ha1",
    "ha1_sha256",
    "outbound",
    "tm_update",
)
END = Statement(update(trunks).where(IS_TRUNK), "tm_update", "tm_delete")
RESTORE = Statement(update(trunks).where(IS_TRUNK), *CHANGE.columns, "tm_delete")
LIVE = Lookup(LIVING, trunks.c.id, "trunk_id")
GONE = Statement(WHOLE.where(trunks.c.tm_delete.is_not(None), IS_TRUNK).with_for_update())
OF_CUSTOMER = LIVING.where(trunks.c.customer_id == bindparam("of_customer")).order_by(trunks.c.tm_create, trunks.c.id)
ALL = Statement(OF_CUSTOMER)
LOCK_ALL = Statement(OF_CUSTOMER.with_for_update())
LOCKED = Statement(LIVING.where(IS_TRUNK).with_for_update())
BY_DOMAIN = Statement(LIVING.where(func.lower(trunks.c.domain_name) == func.lower(bindparam("name"))))
GOES_OUT: Final = LIVING.where(trunks.c.customer_id == bindparam("of_customer"), trunks.c.outbound.is_(True))
OUTBOUND = Statement(GOES_OUT)
LOCK_OUTBOUND = Statement(GOES_OUT.with_for_update())
AT_REALM = Statement(LIVING.where(trunks.c.realm == bindparam("of_realm")))
BY_DOMAINS = Statement(LIVING.where(among(func.lower(trunks.c.domain_name), "names")))
PLAIN = Statement(WHOLE.where(IS_PLAIN).order_by(trunks.c.id).limit(bindparam("size")).with_for_update())
COUNT_PLAIN = Statement(select(func.count().label("count")).select_from(trunks).where(IS_PLAIN))


def to_row(trunk: Trunk) -> dict[str, Any]:
    same = ("id", "customer_id", "name", "detail", "domain_name", "realm", "username")
    return {
        **{name: getattr(trunk, name) for name in same},
        "auth_types": list(trunk.auth_types),
        "allowed_ips": list(trunk.allowed_ips),
        **trunk.kept.columns(),
        "outbound": trunk.outbound or None,
        "tm_create": trunk.tm_create,
        "tm_update": trunk.tm_update,
        "tm_delete": trunk.tm_delete,
    }


def from_row(row: Row) -> Trunk:
    return Trunk(
        id=row["id"],
        customer_id=row["customer_id"],
        domain_name=row["domain_name"],
        realm=row["realm"],
        auth_types=_items(row["auth_types"]),
        username=row["username"] or "",
        kept=Kept.from_row(row),
        allowed_ips=_items(row["allowed_ips"]),
        tm_create=row["tm_create"],
        name=row["name"] or "",
        detail=row["detail"] or "",
        outbound=bool(row["outbound"]),
        tm_update=row["tm_update"],
        tm_delete=row["tm_delete"],
    )


async def add(session: Session, trunk: Trunk) -> None:
    await _with_domain(session, ADD, to_row(trunk))


async def restore(session: Session, trunk: Trunk) -> None:
    """The row of a deleted trunk is that of a live one again."""
    row = to_row(trunk)
    await _with_domain(session, RESTORE, {"trunk_id": trunk.id, **{name: row[name] for name in RESTORE.columns}})


async def _with_domain(session: Session, statement: Statement, values: dict[str, Any]) -> None:
    try:
        await session.run(statement, **values)
    except Duplicate as clash:
        if clash.rule != "domain":
            raise
        raise DomainTaken(domain_name="is taken") from None


async def gone(session: Session, id: UUID) -> Trunk | None:
    """A deleted trunk, locked."""
    return _maybe(await session.one(GONE, trunk_id=id))


async def of_customer(session: Session, customer_id: UUID, *, lock: bool) -> list[Trunk]:
    """All live trunks of the customer, oldest first."""
    return [from_row(row) for row in await session.all(LOCK_ALL if lock else ALL, of_customer=customer_id)]


async def change(session: Session, trunk: Trunk) -> None:
    row = to_row(trunk)
    await session.run(CHANGE, trunk_id=trunk.id, **{name: row[name] for name in CHANGE.columns})


async def end(session: Session, trunk: Trunk) -> None:
    await session.run(END, trunk_id=trunk.id, tm_update=trunk.tm_update, tm_delete=trunk.tm_delete)


async def live(session: Session, id: UUID, *, lock: bool = False) -> Trunk | None:
    return _maybe(await session.one(LOCKED if lock else LIVE, trunk_id=id))


async def by_domain(session: Session, name: str) -> Trunk | None:
    """The live trunk of that domain name, in whatever letter case."""
    return _maybe(await session.one(BY_DOMAIN, name=name))


async def at_realm(session: Session, realm: str) -> Trunk | None:
    """The live trunk of that realm."""
    return _maybe(await session.one(AT_REALM, of_realm=realm))


async def by_domains(session: Session, names: list[str]) -> list[Trunk]:
    """The live trunks of anybody with one of these domain names, in lower case."""
    return [from_row(row) for row in await session.all(BY_DOMAINS, names=names)]


async def outbound(session: Session, customer_id: UUID, *, lock: bool = False) -> list[Trunk]:
    """Those of the customer that calls go out by: one, or none."""
    return [from_row(row) for row in await session.all(LOCK_OUTBOUND if lock else OUTBOUND, of_customer=customer_id)]


async def plain(session: Session, limit: int) -> list[Trunk]:
    """Some trunks that are kept with a clear password, deleted ones included, locked."""
    return [from_row(row) for row in await session.all(PLAIN, size=limit)]


async def count_plain(session: Session) -> int:
    row = await session.one(COUNT_PLAIN)
    return int(row["count"]) if row else 0


def _maybe(row: Row | None) -> Trunk | None:
    return from_row(row) if row else None


def _items(value: Any) -> tuple[Any, ...]:
    """A list as another writer may have left it: NULL and what is no list are none."""
    return tuple(value) if isinstance(value, list) else ()


LISTING: Final = Listing(trunks, WHOLE, from_row)
ERASING: Final = Erasing(
    trunks,
    "customer_id",
    ("name", "detail", "domain_name", "realm", "username"),
    {**dict.fromkeys(("password", "ha1", "ha1_sha256")), "allowed_ips": []},
)
