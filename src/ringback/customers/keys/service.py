"""The rules of access keys: who gets one, what is kept of it, who holds one, and when it ends."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from ringback.customers.keys import store
from ringback.customers.keys.model import (
    OPERATOR,
    SHOWN,
    AccessKey,
    KeyNotFound,
    KeysAlike,
    KeysExist,
    new_token,
    token_hash,
)
from ringback.customers.keys.wire import NewKey
from ringback.kit.columns import NIL
from ringback.kit.db import Duplicate
from ringback.kit.secret import Secret
from ringback.kit.uow import UnitOfWork

BOOTSTRAP: Final = UUID("4b1f0a52-5d0e-4c38-8c36-0c6a3d1f7e01")
"""The id of the key that is made where there is none: of two who make it at the same time one succeeds."""


async def keep(uow: UnitOfWork, token: Secret, customer_id: UUID | None, name: str, *roles: str) -> None:
    """From now on this token stands for the customer; without one it is the platform's own."""
    await _keep(uow, token, uow.new_id(), customer_id, name, roles)


async def create(uow: UnitOfWork, asked: NewKey) -> tuple[AccessKey, Secret]:
    """A new key, and its clear text, which nobody can read again."""
    token = new_token()
    expire = uow.now + timedelta(days=asked.expires_in_days) if asked.expires_in_days else None
    return await _keep(uow, token, uow.new_id(), asked.customer_id, asked.name, asked.roles, expire), token


async def bootstrap(uow: UnitOfWork) -> tuple[AccessKey, Secret]:
    """The operator's first key; `KeysExist` where there is any, be it revoked."""
    if await store.any_exist(uow.session):
        raise KeysExist
    token = new_token()
    try:
        return await _keep(uow, token, BOOTSTRAP, None, OPERATOR, (OPERATOR,)), token
    except Duplicate:
        raise KeysExist from None


async def _keep(
    uow: UnitOfWork,
    token: Secret,
    id: UUID,
    customer_id: UUID | None,
    name: str,
    roles: tuple[str, ...],
    expire: datetime | None = None,
) -> AccessKey:
    text = token.reveal()
    key = AccessKey(id, customer_id, name, token_hash(text), text[:SHOWN], roles, uow.now, expire)
    await store.add(uow.session, key)
    return key


async def revoke(uow: UnitOfWork, named: UUID | str) -> AccessKey:
    """End the key of that id, or the one that begins like this; nothing happens to one that has ended."""
    if isinstance(named, UUID):
        found = await store.by_id(uow.session, named)
        keys = [found] if found else []
    else:
        keys = await store.by_prefix(uow.session, named)
    if not keys:
        raise KeyNotFound
    if len(keys) > 1:
        raise KeysAlike
    await store.revoke(uow.session, keys[0].id, uow.now)
    (ended,) = [one for one in [await store.by_id(uow.session, keys[0].id)] if one]
    return ended


async def working(uow: UnitOfWork) -> AsyncIterator[AccessKey]:
    """All keys that work now."""
    after = NIL
    while some := await store.behind(uow.session, after):
        for key in some:
            if key.works(uow.now):
                yield key
        after = some[-1].id


async def every(uow: UnitOfWork, customer_id: UUID | None = None) -> list[AccessKey]:
    """All keys, or those of one customer, in the order in which they were made; also those that have ended."""
    found: list[AccessKey] = []
    after = NIL
    while some := await store.behind(uow.session, after, revoked=True):
        found += [key for key in some if customer_id in (None, key.customer_id)]
        after = some[-1].id
    return sorted(found, key=lambda key: (key.tm_create, key.id))


async def any_exist(uow: UnitOfWork) -> bool:
    return await store.any_exist(uow.session)


async def holder(uow: UnitOfWork, token: str) -> AccessKey | None:
    """The key behind a token, if it works now."""
    key = await store.by_hash(uow.session, token_hash(token))
    return key if key and key.works(uow.now) else None
