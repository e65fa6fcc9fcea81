"""The rules of access keys: who gets one, what is kept of it, who holds one, and when it ends."""

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace

from ringback.customers.keys import store
from ringback.customers.keys.model import (
    FREE,
    OPERATOR,
    SHOWN,
    AccessKey,
    KeyNotFound,
    KeysAlike,
    KeysExist,
    Limits,
    State,
    new_token,
    token_hash,
)
from ringback.customers.keys.wire import NewKey, shown
from ringback.customers.rights import OF_CUSTOMERS, PLATFORM
from ringback.kit.columns import NIL
from ringback.kit.db import Duplicate
from ringback.kit.errors import PermissionDenied, ValidationFailed
from ringback.kit.pages import Cursor, Page
from ringback.kit.secret import Secret
from ringback.kit.uow import UnitOfWork
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import CustomerDeleted, Status

KIND: Final = "accesskey"
BOOTSTRAP: Final = UUID("4b1f0a52-5d0e-4c38-8c36-0c6a3d1f7e01")
"""The id of the key that is made where there is none: of two who make it at the same time one succeeds."""


async def keep(uow: UnitOfWork, token: Secret, customer_id: UUID | None, name: str, *roles: str) -> None:
    """From now on this token stands for the customer; without one it is the platform's own."""
    await _keep(uow, token, uow.new_id(), customer_id, name, roles)


async def create(
    uow: UnitOfWork, customer_id: UUID | None, asked: NewKey, by: Limits = FREE
) -> tuple[AccessKey, Secret]:
    """A new key, and its clear text, which nobody can read again; no less limited than who makes it.

    A deleted customer gets none.
    """
    require_roles(asked.roles, of_customer=customer_id is not None)
    if customer_id is not None and await realms.is_deleted(uow, customer_id):
        raise CustomerDeleted
    end = uow.now + timedelta(days=asked.expires_in_days) if asked.expires_in_days else None
    limits = replace(asked.limits, tm_expire=end)
    if faults := list(by.exceeded_by(limits)):
        raise PermissionDenied(*faults)
    token = new_token()
    return await _keep(uow, token, uow.new_id(), customer_id, asked.name, asked.roles, limits), token


def require_roles(roles: Collection[str], *, of_customer: bool) -> None:
    """Each of them is one that those of a customer, or of the platform, may have."""
    allowed = OF_CUSTOMERS if of_customer else PLATFORM
    if not allowed.issuperset(roles):
        whose = "a customer" if of_customer else "the platform"
        raise ValidationFailed(roles=f"of {whose} must be of {', '.join(sorted(allowed))}")


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
    limits: Limits = FREE,
) -> AccessKey:
    text = token.reveal()
    key = AccessKey(
        id, customer_id, name, token_hash(text), text[:SHOWN], tuple(dict.fromkeys(roles)), uow.now, limits.tm_expire,
        scopes=None if limits.scopes is None else tuple(sorted(limits.scopes)), source_cidrs=limits.source_cidrs,
    )  # fmt: skip
    await store.add(uow.session, key)
    uow.audited(KIND, None, shown(key, uow.now))
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
    return await _end(uow, keys[0])


async def get(uow: UnitOfWork, id: UUID, *, of: UUID | None) -> AccessKey:
    """A key of that customer, or of the platform; another's is not there."""
    key = await store.by_id(uow.session, id)
    if key is None or key.customer_id != of:
        raise KeyNotFound
    return key


async def revoke_owned(uow: UnitOfWork, id: UUID, *, of: UUID | None) -> AccessKey:
    """The same as `revoke` for one who has only these."""
    return await _end(uow, await get(uow, id, of=of))


async def _end(uow: UnitOfWork, key: AccessKey) -> AccessKey:
    if key.tm_revoke is None:
        await store.revoke(uow.session, key.id, uow.now)
    ended = await store.by_id(uow.session, key.id) or key
    uow.audited(KIND, shown(key, uow.now), shown(ended, uow.now), "revoked")
    return ended


async def page(
    uow: UnitOfWork,
    of: UUID | None,
    wanted: Mapping[str, Any],
    state: State | None,
    cursor: Cursor | None,
    size: int,
) -> Page[AccessKey]:
    """One page of a customer's keys, or of the platform's, newest first, those that have ended too."""
    return await store.page(uow.session, of, wanted, state, uow.now, cursor, size)


async def end_all(uow: UnitOfWork, customer_id: UUID) -> None:
    """End every key of the customer."""
    await store.revoke_all(uow.session, customer_id, uow.now)


async def erase(uow: UnitOfWork, customer_id: UUID) -> None:
    """Forget what the customer called their keys."""
    await store.erase(uow.session, customer_id)


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


async def holder(uow: UnitOfWork, token: str) -> tuple[AccessKey, Status] | None:
    """The key behind a token, if it works now, and what its customer may do."""
    found = await store.by_hash(uow.session, token_hash(token))
    return found if found and found[0].works(uow.now) else None
