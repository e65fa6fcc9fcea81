"""What an installation remembers of itself, so that a start with other settings cannot spoil it."""

from typing import Final

from sqlalchemy import bindparam, insert, select

from ringback.kit.db import Statement
from ringback.kit.errors import CannotStart
from ringback.registrar.tables import meta
from ringback.registrar.work import Uow

FIXED: Final = ("secret_storage", "domain_name_extension")
"""Settings that every credential depends on: they stay what they were at the first start."""
GET = Statement(select(meta.c.value).where(meta.c.key == bindparam("name")))
ADD = Statement(insert(meta), "key", "value")


async def require_recorded(uow: Uow) -> None:
    """Record the fixed settings, or refuse to go on with others than the recorded ones."""
    for name in FIXED:
        value = str(getattr(uow.settings, name))
        if await uow.session.insert_if_new(ADD, key=name, value=value):
            continue
        row = await uow.session.one(GET, name=name)
        if row and row["value"] != value:
            raise CannotStart(
                f"{name}: this database was made with {row['value']}; {value} needs a database of its own"
            )
