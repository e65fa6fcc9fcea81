"""The rules of access keys: what is kept of one, and who holds one."""

from collections.abc import AsyncIterator
from uuid import UUID

from ringback.customers.keys import store
from ringback.customers.keys.model import SHOWN, AccessKey, token_hash
from ringback.kit.columns import NIL
from ringback.kit.secret import Secret
from ringback.kit.uow import UnitOfWork


async def keep(uow: UnitOfWork, token: Secret, customer_id: UUID | None, name: str, *roles: str) -> None:
    """From now on this token stands for the customer; without one it is the platform's own."""
    text = token.reveal()
    key = AccessKey(uow.new_id(), customer_id, name, token_hash(text), text[:SHOWN], roles, uow.now)
    await store.add(uow.session, key)


async def working(uow: UnitOfWork) -> AsyncIterator[AccessKey]:
    """All keys that work now."""
    after = NIL
    while some := await store.behind(uow.session, after):
        for key in some:
            if key.works(uow.now):
                yield key
        after = some[-1].id


async def any_exist(uow: UnitOfWork) -> bool:
    return await store.any_exist(uow.session)


async def holder(uow: UnitOfWork, token: str) -> AccessKey | None:
    """The key behind a token, if it works now."""
    key = await store.by_hash(uow.session, token_hash(token))
    return key if key and key.works(uow.now) else None
