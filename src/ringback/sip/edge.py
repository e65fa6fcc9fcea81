"""`registrar_sip_auths`: the credentials that the SIP edge (Kamailio) reads from our own database."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import CHAR, Column, Index, MetaData, String, Table, bindparam, delete, insert, select, update

from ringback.kit.columns import Id, Json, Time
from ringback.kit.db import OWN, Row, Session, Statement, among
from ringback.sip.differences import Difference, differences
from ringback.sip.digest import Kept

metadata = MetaData(schema=OWN)
sip_auths = Table(
    "registrar_sip_auths",
    metadata,
    Column("id", Id, primary_key=True),
    Column("reference_type", String(255)),
    Column("auth_types", Json),
    Column("realm", String(255)),
    Column("username", String(255)),
    Column("password", String(255)),
    Column("allowed_ips", Json),
    Column("ha1", CHAR(32)),
    Column("ha1_sha256", CHAR(64)),
    Column("tm_create", Time),
    Column("tm_update", Time),
    Index("ux_registrar_sip_auths_credential", "realm", "username", unique=True),
)

TABLE: Final = "registrar_sip_auths"
MANAGED: Final = ("reference_type", "auth_types", "realm", "username", "password", "allowed_ips", "ha1", "ha1_sha256")
ADD = Statement(insert(sip_auths), "id", *MANAGED, "tm_create")
CHANGE = Statement(update(sip_auths).where(sip_auths.c.id == bindparam("row_id")), *MANAGED, "tm_update")
DROP = Statement(delete(sip_auths).where(sip_auths.c.id == bindparam("row_id")))
DROP_OTHERS = Statement(
    delete(sip_auths).where(
        sip_auths.c.realm == bindparam("of_realm"),
        sip_auths.c.username == bindparam("of_username"),
        sip_auths.c.id != bindparam("row_id"),
    )
)
FORGET_CLEAR = Statement(update(sip_auths).where(sip_auths.c.password.is_not(None)), "password")
OURS: Final = select(sip_auths.c.id, *(sip_auths.c[column] for column in MANAGED))
ONE = Statement(OURS.where(sip_auths.c.id == bindparam("row_id")))
KNOWN = Statement(OURS.where(among(sip_auths.c.id, "ids")))


class Credential(msgspec.Struct, frozen=True):
    """What the edge must know of one extension or trunk; `id` is that object's."""

    id: UUID
    reference_type: Literal["extension", "trunk"]
    realm: str
    username: str
    kept: Kept
    auth_types: tuple[str, ...] = ("basic",)
    allowed_ips: tuple[str, ...] = ()

    def columns(self) -> dict[str, Any]:
        """Our columns of the row."""
        return {
            "reference_type": self.reference_type,
            "auth_types": list(self.auth_types),
            "realm": self.realm,
            "username": self.username,
            "allowed_ips": list(self.allowed_ips),
            **self.kept.columns(),
        }


async def put(session: Session, now: datetime, *credentials: Credential) -> None:
    """Make the rows say this. A stale row of somebody gone with the same credential must not block it."""
    each = [(one, one.columns()) for one in credentials]
    if await session.insert_if_all_new(ADD, [{"id": one.id, "tm_create": now, **ours} for one, ours in each]):
        return
    for one, ours in each:
        await session.run(DROP_OTHERS, of_realm=one.realm, of_username=one.username, row_id=one.id)
        if not await session.run(CHANGE, row_id=one.id, tm_update=now, **ours):
            await session.insert_if_new(ADD, id=one.id, tm_create=now, **ours)


async def drop(session: Session, id: object) -> int:
    """How many rows it was."""
    return await session.run(DROP, row_id=id)


async def forget_clear(session: Session) -> None:
    """Take every clear password out of the table."""
    await session.run(FORGET_CLEAR, password=None)


async def known(session: Session, ids: list[UUID]) -> dict[UUID, Row]:
    """Our columns of the rows of up to `CHUNK` ids."""
    return {row["id"]: row for row in await session.all(KNOWN, ids=ids)}


async def of(session: Session, id: UUID) -> Row | None:
    """Our columns of one row."""
    return await session.one(ONE, row_id=id)


def differing(row: Row, credential: Credential) -> tuple[Difference, ...]:
    """The columns of ours that are not what they should be."""
    return differences(row, credential.columns())
