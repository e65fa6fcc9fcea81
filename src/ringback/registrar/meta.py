"""What an installation remembers of itself, so that a start with other settings cannot spoil it."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, insert, select, update

from ringback.kit.clock import clock_beside
from ringback.kit.db import Statement
from ringback.kit.errors import CannotStart
from ringback.kit.uow import UnitOfWork
from ringback.registrar.tables import meta
from ringback.registrar.work import Uow

STORAGE: Final = "secret_storage"
FIXED: Final = (STORAGE, "domain_name_extension", "domain_name_trunk")
"""Settings that every credential depends on: they stay what they were at the first start."""
GET = Statement(select(meta.c.value).where(meta.c.key == bindparam("name")))
ADD = Statement(insert(meta), "key", "value")
CHANGE = Statement(update(meta).where(meta.c.key == bindparam("name")), "value")
CLOCK = clock_beside(meta)
WAYS_OUT: Final = {
    "digest": "this database keeps digests, of which no password can be made: set secret_storage=digest",
    "plaintext": "this database keeps passwords in plaintext: set secret_storage=plaintext,"
    " or turn them into digests with 'registrar-control secrets migrate'",
}
"""What to do about a database that keeps passwords in that other way."""


async def require_recorded(uow: Uow) -> None:
    """Record the fixed settings where none are, or refuse to go on with others than the recorded ones."""
    for name in FIXED:
        await uow.session.insert_if_new(ADD, key=name, value=str(getattr(uow.settings, name)))
    await require_same(uow)


async def require_same(uow: Uow) -> None:
    """Refuse to go on with other settings than the recorded ones; nothing is written."""
    for name in FIXED:
        value, recorded = str(getattr(uow.settings, name)), await recorded_as(uow, name)
        if recorded not in (None, value):
            known = WAYS_OUT.get(str(recorded)) if name == STORAGE else None
            line = known or f"this database was made with {recorded}; {value} needs a database of its own"
            raise CannotStart(f"{name}: {line}")


async def clock(uow: UnitOfWork) -> datetime:
    """What time it is in our own database."""
    (row,) = await uow.session.all(CLOCK)
    now: datetime = row["now"]
    return now


async def recorded_as(uow: UnitOfWork, name: str) -> str | None:
    row = await uow.session.one(GET, name=name)
    return str(row["value"]) if row else None


async def recorded_once(uow: UnitOfWork, name: str, value: str) -> str:
    """What is recorded, which is the value where nothing was."""
    await uow.session.insert_if_new(ADD, key=name, value=value)
    return await recorded_as(uow, name) or value


async def record(uow: UnitOfWork, name: str, value: str) -> None:
    if not await uow.session.insert_if_new(ADD, key=name, value=value):
        await uow.session.run(CHANGE, name=name, value=value)
