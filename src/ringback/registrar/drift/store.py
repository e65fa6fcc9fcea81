"""SQL of drift: the rows of the edge that no extension and no trunk has."""

from typing import Any, Final

from sqlalchemy import bindparam, exists, select

from ringback.kit.db import Row, Session, Statement
from ringback.registrar.tables import extensions, trunks
from ringback.sip.edge import sip_auths

OF_NOBODY: Final = (
    select(sip_auths.c.id, sip_auths.c.reference_type)
    .where(*(~exists().where(of.c.id == sip_auths.c.id, of.c.tm_delete.is_(None)) for of in (extensions, trunks)))
    .order_by(sip_auths.c.id)
    .limit(bindparam("size"))
)
FIRST = Statement(OF_NOBODY)
AFTER = Statement(OF_NOBODY.where(sip_auths.c.id > bindparam("after")))


async def of_nobody(session: Session, after: Any, limit: int) -> list[Row]:
    """Up to `limit` of them behind an id, which may be none that we would make, or the first ones."""
    if after is None:
        return await session.all(FIRST, size=limit)
    return await session.all(AFTER, after=after, size=limit)
