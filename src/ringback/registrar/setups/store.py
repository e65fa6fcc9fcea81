"""SQL of setup links."""

from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select

from ringback.kit.db import Session, Statement
from ringback.registrar.setups.model import SetupLink
from ringback.registrar.tables import setup_links

OF_EXTENSION: Final = setup_links.c.extension_id == bindparam("of")
OF_TOKEN: Final = setup_links.c.token_hash == bindparam("of")

ADD = Statement(insert(setup_links), *(column.name for column in setup_links.columns))
GET = Statement(select(setup_links).where(OF_EXTENSION))
FIND = Statement(select(setup_links).where(OF_TOKEN))
DROP = Statement(delete(setup_links).where(OF_TOKEN))
DROP_OLD = Statement(delete(setup_links).where(setup_links.c.tm_expire <= bindparam("now")))


async def add(session: Session, link: SetupLink) -> None:
    await session.run(ADD, **asdict(link))


async def of_extension(session: Session, id: UUID) -> SetupLink | None:
    row = await session.one(GET, of=id)
    return SetupLink(**row) if row else None


async def by_hash(session: Session, token_hash: str) -> SetupLink | None:
    row = await session.one(FIND, of=token_hash)
    return SetupLink(**row) if row else None


async def drop(session: Session, token_hash: str) -> bool:
    """Whether it was there: of two who open a link at once one is told so."""
    return await session.run(DROP, of=token_hash) == 1


async def drop_old(session: Session, now: datetime) -> None:
    await session.run(DROP_OLD, now=now)
