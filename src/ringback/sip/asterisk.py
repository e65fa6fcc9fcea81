"""An endpoint as Asterisk's rows: put, dropped, compared; and the contacts that Asterisk wrote."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Final

from sqlalchemy import BigInteger, String, Table, and_, bindparam, cast, delete, distinct, func, insert, select, update

from ringback.kit.clock import clock_beside
from ringback.kit.db import Row, Session, Statement, among
from ringback.kit.rights import WRITES
from ringback.sip.differences import Difference, differences
from ringback.sip.endpoint import AsteriskDigest, Endpoint, columns_of, rows_of
from ringback.sip.tables import MANAGED, metadata, ps_contacts

DECISIVE: Final = {"ps_endpoints": ("allow", "context"), "ps_aors": ("maximum_expiration",)}
"""Columns of the operator's that decide whether a phone works."""


class Asterisk:
    """Writes and reads Asterisk's tables in the session of the unit of work.

    `endpoint_defaults` are further columns of `ps_endpoints`, set when a row is made and the operator's from then on.
    `changed` hears the name of every endpoint that is written, or whose contacts are; `rewritten` only of those whose
    own rows are, which Asterisk may have cached.
    """

    def __init__(
        self,
        session: Session,
        form: AsteriskDigest,
        endpoint_defaults: Mapping[str, str],
        changed: Callable[[str], None],
        rewritten: Callable[[str], None],
    ) -> None:
        self._session = session
        self._form = form
        self._extra = {"ps_endpoints": dict(endpoint_defaults)}
        self._changed = changed
        self._rewritten = rewritten

    async def put(self, *endpoints: Endpoint) -> None:
        """Make the rows say this, whether they are there or not. Unmanaged columns of existing rows stay."""
        for endpoint in endpoints:
            self._changed(endpoint.id)
            self._rewritten(endpoint.id)
        each = [(endpoint.id, rows_of(endpoint, self._form)) for endpoint in endpoints]
        for table in MANAGED:
            new = [{"id": id, **self._extra.get(table, {}), **ours[table]} for id, ours in each]
            add = adding(table, tuple(new[0]))
            if await self._session.insert_if_all_new(add, new):
                continue
            for row, (id, ours) in zip(new, each, strict=True):
                if not await self._session.run(CHANGE[table], row_id=id, **ours[table]):
                    await self._session.insert_if_new(add, **row)

    async def drop(self, id: str) -> int:
        """Remove the endpoint, how many rows it was; a contact left behind would ring a phone that is gone."""
        self._rewritten(id)
        rows = [await self._session.run(DROP[table], row_id=id) for table in reversed(MANAGED)]
        return sum(rows) + await self.purge(id)

    async def forget_clear(self, suffix: str) -> None:
        """Take every clear password out of the rows of ours."""
        for row in await self._session.all(CLEAR, suffix=like_suffix(suffix)):
            self._changed(row["id"])
            self._rewritten(row["id"])
        await self._session.run(FORGET_CLEAR, password=None, suffix=like_suffix(suffix))

    async def purge(self, *ids: str) -> int:
        """Forget where the phones are; with valid credentials they may register again."""
        for id in ids:
            self._changed(id)
        return await self._session.run_each(PURGE, [{"endpoint": id} for id in ids])

    async def drop_contact(self, id: str, endpoint_id: str) -> None:
        """Forget one contact of the endpoint by the id of its row."""
        self._changed(endpoint_id)
        await self._session.run(DROP_CONTACT, contact_id=id)

    async def live_contacts(self, suffix: str, after: str, limit: int, now: datetime) -> list[Row]:
        """Where phones of ours are: up to `limit` rows that have not expired, by id, behind `after`."""
        seconds = int(now.timestamp())
        return await self._session.all(LIVE_CONTACTS, suffix=like_suffix(suffix), after=after, size=limit, now=seconds)

    async def rename(self, old: str, endpoint: Endpoint) -> None:
        """The same endpoint under another name: the columns that are the operator's go with it."""
        self._changed(old)
        self._rewritten(old)
        if old != endpoint.id:
            await self.drop(endpoint.id)
            for table in MANAGED:
                await self._session.run(RENAME[table], old_id=old, id=endpoint.id)
        await self.put(endpoint)

    async def rows(self, id: str) -> dict[str, Row | None]:
        """Table → our columns of the endpoint's row, and what else decides whether it can be called."""
        return {table: await self._session.one(ROW[table], row_id=id) for table in MANAGED}

    async def all_contacts(self, id: str) -> list[Row]:
        """The rows of `ps_contacts`, those that have expired and were left there too."""
        return await self._session.all(ALL_CONTACTS, endpoint=id)

    async def clock(self) -> datetime:
        """What time it is where Asterisk's tables are."""
        (row,) = await self._session.all(CLOCK)
        now: datetime = row["now"]
        return now

    async def contacts(self, endpoint_ids: Sequence[str], now: datetime) -> list[Row]:
        """The rows of `ps_contacts` of up to `CHUNK` endpoints that have not expired, as they stand."""
        return await self._session.all(CONTACTS, now=int(now.timestamp()), endpoints=endpoint_ids)

    async def contact_names(self, ids: list[str], now: datetime) -> dict[str, str]:
        """Whose contacts of up to `CHUNK` endpoints have not expired: an endpoint's name by the id of each row."""
        rows = await self._session.all(CONTACT_NAMES, now=int(now.timestamp()), endpoints=ids)
        return {row["id"]: row["endpoint"] for row in rows}

    async def online(self, suffix: str, now: datetime) -> int:
        """How many of our endpoints have a live contact."""
        row = await self._session.one(ONLINE, suffix=like_suffix(suffix), now=int(now.timestamp()))
        return int(row["count"]) if row else 0

    async def probe(self) -> None:
        """Raises `DatabaseUnavailable` unless Asterisk's tables can be read."""
        await self._session.one(PROBE)

    async def owned(self, table: str, suffix: str, after: str, limit: int) -> list[str]:
        """Ids of up to `limit` rows of ours (they end in `suffix`), in order, behind `after`."""
        rows = await self._session.all(OWNED[table], after=after, suffix=like_suffix(suffix), size=limit)
        return [row["id"] for row in rows]

    async def known(self, table: str, ids: list[str]) -> dict[str, Row]:
        """Our columns of the rows of up to `CHUNK` ids."""
        rows = await self._session.all(KNOWN[table], ids=ids)
        return {row["id"]: row for row in rows}

    async def contacts_of(self, ids: list[str], now: datetime) -> dict[str, Row]:
        """Where those of up to `CHUNK` contacts lead that have not expired, by id."""
        rows = await self._session.all(CONTACTS_OF, now=int(now.timestamp()), ids=ids)
        return {row["id"]: row for row in rows}

    async def believed(self, suffix: str) -> int:
        """How many endpoints of ours are rung wherever their phone says that it is."""
        row = await self._session.one(BELIEVED, suffix=like_suffix(suffix))
        return int(row["count"]) if row else 0

    async def stray_contacts(self, suffix: str) -> list[str]:
        """Endpoint names of ours that contacts speak of and that no endpoint row has."""
        return [row["endpoint"] for row in await self._session.all(STRAY, suffix=like_suffix(suffix))]


def differing(row: Row, table: str, endpoint: Endpoint, form: AsteriskDigest) -> tuple[Difference, ...]:
    """The managed columns of the row that are not what they should be."""
    return differences(row, columns_of(table, endpoint, form))


def like_suffix(suffix: str) -> str:
    escaped = suffix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}"


def table_of(name: str) -> Table:
    return metadata.tables[f"{metadata.schema}.{name}"]


@cache
def adding(table: str, columns: tuple[str, ...]) -> Statement:
    return Statement(insert(table_of(table)), *columns)


CHANGE: Final = {
    name: Statement(update(table_of(name)).where(table_of(name).c.id == bindparam("row_id")), *columns)
    for name, columns in MANAGED.items()
}
DROP: Final = {
    name: Statement(delete(table_of(name)).where(table_of(name).c.id == bindparam("row_id"))) for name in MANAGED
}
RENAME: Final = {
    name: Statement(update(table_of(name)).where(table_of(name).c.id == bindparam("old_id")), "id") for name in MANAGED
}
OWNED: Final = {
    name: Statement(
        select(table_of(name).c.id)
        .where(table_of(name).c.id > bindparam("after"), table_of(name).c.id.like(bindparam("suffix"), escape="\\"))
        .order_by(table_of(name).c.id)
        .limit(bindparam("size"))
    )
    for name in MANAGED
}
KNOWN: Final = {
    name: Statement(
        select(table_of(name).c.id, *(table_of(name).c[column] for column in MANAGED[name])).where(
            among(table_of(name).c.id, "ids")
        )
    )
    for name in MANAGED
}
IS_CLEAR: Final = and_(
    table_of("ps_auths").c.password.is_not(None), table_of("ps_auths").c.id.like(bindparam("suffix"), escape="\\")
)
ROW: Final = {
    name: Statement(
        select(
            table_of(name).c.id, *(table_of(name).c[column] for column in (*MANAGED[name], *DECISIVE.get(name, ())))
        ).where(table_of(name).c.id == bindparam("row_id"))
    )
    for name in MANAGED
}
CLEAR = Statement(select(table_of("ps_auths").c.id).where(IS_CLEAR))
FORGET_CLEAR = Statement(update(table_of("ps_auths")).where(IS_CLEAR), "password")
PLACE: Final = (
    *("id", "endpoint", "uri", "user_agent", "via_addr", "via_port", "reg_server", "call_id"),
    *("expiration_time", "path"),
)
LIVE = ps_contacts.c.expiration_time > bindparam("now")
LASTS = cast(ps_contacts.c.expiration_time, BigInteger) > bindparam("now")
PURGE = Statement(delete(ps_contacts).where(ps_contacts.c.endpoint == bindparam("endpoint")))
DROP_CONTACT = Statement(delete(ps_contacts).where(ps_contacts.c.id == bindparam("contact_id")))
LIVE_CONTACTS = Statement(
    select(*(ps_contacts.c[name] for name in PLACE))
    .where(
        ps_contacts.c.id > bindparam("after"),
        ps_contacts.c.endpoint.like(bindparam("suffix"), escape="\\"),
        LASTS,
    )
    .order_by(ps_contacts.c.id)
    .limit(bindparam("size"))
)
NAMES = select(ps_contacts.c.id, ps_contacts.c.endpoint).where(LASTS)
CONTACTS_OF = Statement(NAMES.where(among(ps_contacts.c.id, "ids")))
CONTACT_NAMES = Statement(NAMES.where(among(ps_contacts.c.endpoint, "endpoints")))
CONTACTS = Statement(
    select(ps_contacts).where(among(ps_contacts.c.endpoint, "endpoints"), LIVE).order_by(ps_contacts.c.id)
)
ALL_CONTACTS = Statement(
    select(ps_contacts).where(ps_contacts.c.endpoint == bindparam("endpoint")).order_by(ps_contacts.c.id)
)
CLOCK = clock_beside(table_of("ps_aors"))
ONLINE = Statement(
    select(func.count(distinct(ps_contacts.c.endpoint)).label("count")).where(
        LASTS,
        ps_contacts.c.endpoint.like(bindparam("suffix"), escape="\\"),
    )
)
REWRITES: Final = func.coalesce(cast(table_of("ps_endpoints").c.rewrite_contact, String(5)), "no")
BELIEVED = Statement(
    select(func.count().label("count")).where(
        *(REWRITES.is_distinct_from(word) for word in ("yes", "on", "true", "1")),
        table_of("ps_endpoints").c.id.like(bindparam("suffix"), escape="\\"),
    )
)
RIGHTS: Final = {table_of(name): WRITES for name in MANAGED} | {ps_contacts: ("SELECT", "DELETE")}
"""What we must be allowed to: contacts are Asterisk's to make."""
PROBE = Statement(select(table_of("ps_aors").c.id).limit(1))
STRAY = Statement(
    select(ps_contacts.c.endpoint)
    .where(
        ps_contacts.c.endpoint.like(bindparam("suffix"), escape="\\"),
        ps_contacts.c.endpoint.not_in(select(table_of("ps_endpoints").c.id)),
    )
    .distinct()
)
