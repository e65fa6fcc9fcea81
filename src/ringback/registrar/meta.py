"""What an installation remembers of itself, so that a start with other settings cannot spoil it."""

from typing import Final

from sqlalchemy import bindparam, insert, select

from ringback.kit.db import Statement
from ringback.kit.errors import CannotStart
from ringback.registrar.tables import meta
from ringback.registrar.work import Uow

STORAGE: Final = "secret_storage"
GET = Statement(select(meta.c.value).where(meta.c.key == bindparam("name")))
ADD = Statement(insert(meta), "key", "value")


async def require_storage(uow: Uow, mode: str) -> None:
    """Record how credentials are kept, or refuse to go on in another mode than the recorded one."""
    if await uow.session.insert_if_new(ADD, key=STORAGE, value=mode):
        return
    row = await uow.session.one(GET, name=STORAGE)
    recorded = row["value"] if row else mode
    if recorded != mode:
        raise CannotStart(f"secret_storage: this database keeps credentials as {recorded}, not as {mode}")
