"""What was answered to a request that may be sent again: kept in the transaction of what it did, for a day."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import CHAR, Column, Index, MetaData, Table, Text, bindparam, delete, insert, select, update
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from ringback.kit.columns import Time
from ringback.kit.db import OWN, Statement, among
from ringback.kit.errors import DatabaseUnavailable, FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from ringback.kit.uow import UnitOfWork

KEEP: Final = timedelta(hours=24)
BATCH: Final = 100

metadata = MetaData(schema=OWN)
replays = Table(
    "registrar_idempotency_keys",
    metadata,
    Column("key_hash", CHAR(64), primary_key=True),
    Column("fingerprint", CHAR(64), nullable=False),
    Column("answer", Text().with_variant(MEDIUMTEXT(), "mysql"), nullable=False),
    Column("tm_create", Time, nullable=False),
    Index("idx_registrar_idempotency_keys_age", "tm_create"),
)

IS_ONE: Final = replays.c.key_hash == bindparam("of")
OF = Statement(select(replays.c.fingerprint, replays.c.answer, replays.c.tm_create).where(IS_ONE))
ADD = Statement(insert(replays), "key_hash", "fingerprint", "answer", "tm_create")
ANSWERED = Statement(update(replays).where(IS_ONE), "answer")
END = Statement(delete(replays).where(IS_ONE))
OLD = Statement(select(replays.c.key_hash).where(replays.c.tm_create <= bindparam("before", type_=Time)).limit(BATCH))
FORGET = Statement(delete(replays).where(among(replays.c.key_hash, "keys")))


class KeyReused(InvalidArgument):
    """The idempotency key stands for another request."""

    code, reason = 422, "IDEMPOTENCY_KEY_REUSED"


class KeyInUse(FailedPrecondition):
    """The first request with this idempotency key is still running."""

    reason = "IDEMPOTENCY_KEY_IN_USE"


class Once(NamedTuple):
    """A request that is done once: a hash that stands for its key, and one for all that it says."""

    key_hash: str
    fingerprint: str


async def begin(uow: "UnitOfWork", once: Once) -> str | None:
    """What was answered to it, or `None`: then it is to be done now, and nobody else does it until the commit.

    Whoever comes meanwhile waits for that commit; `KeyInUse` where it does not come in time.
    """
    while True:
        row = await uow.session.one(OF, of=once.key_hash)
        if row and row["tm_create"] <= uow.now - KEEP:
            await uow.session.run(END, of=once.key_hash)
        elif row:
            if row["fingerprint"] != once.fingerprint:
                raise KeyReused
            return str(row["answer"])
        try:
            if await uow.session.insert_if_new(ADD, **once._asdict(), answer="", tm_create=uow.now):
                return None
        except DatabaseUnavailable:  # it has just answered: somebody has the row
            raise KeyInUse from None


async def keep(uow: "UnitOfWork", once: Once, answer: str) -> None:
    """This is what it was answered, should it be sent again."""
    await uow.session.run(ANSWERED, of=once.key_hash, answer=answer)


async def drop(uow: "UnitOfWork", once: Once) -> None:
    """It was refused: sent again it is tried again."""
    await uow.session.run(END, of=once.key_hash)


async def prune(uow: "UnitOfWork") -> int:
    """Forget some that were kept for long enough; how many."""
    old = [row["key_hash"] for row in await uow.session.all(OLD, before=uow.now - KEEP)]
    return await uow.session.run(FORGET, keys=old) if old else 0
