"""The rules of setup links: one for each extension, found by its token, ended in time."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from ringback.kit.secret import Secret
from ringback.registrar.setups import store, wire
from ringback.registrar.setups.model import SetupLink, SetupLinkNotFound, hash_of, new_token
from ringback.registrar.work import Uow

KIND: Final = "setup_link"
"""What the audit log calls them."""


async def make(uow: Uow, customer_id: UUID, extension_id: UUID, minutes: int) -> tuple[SetupLink, Secret]:
    """A link for so many minutes, and the token that it is opened by; one from before works no more."""
    token = new_token()
    link = SetupLink(extension_id, hash_of(token.reveal()), uow.now, uow.now + timedelta(minutes=minutes))
    await store.drop_old(uow.session, uow.now)
    await end(uow, extension_id)
    await store.add(uow.session, link)
    uow.audited(KIND, None, wire.audited(link, customer_id))
    return link, token


async def get(uow: Uow, extension_id: UUID) -> SetupLink:
    """The extension's link that has not been opened yet."""
    return _working(uow, await store.of_extension(uow.session, extension_id))


async def find(uow: Uow, token: str) -> SetupLink:
    """The link of that token."""
    return _working(uow, await store.by_hash(uow.session, hash_of(token)))


async def revoke(uow: Uow, customer_id: UUID, extension_id: UUID) -> SetupLink:
    """End the extension's link unopened."""
    link = await get(uow, extension_id)
    await store.drop(uow.session, link.token_hash)
    uow.audited(KIND, wire.audited(link, customer_id), None)
    return link


async def use(uow: Uow, link: SetupLink, customer_id: UUID) -> None:
    """End a link that was opened; `SetupLinkNotFound` for whoever came second."""
    if not await store.drop(uow.session, link.token_hash):
        raise SetupLinkNotFound
    uow.audited(KIND, wire.audited(link, customer_id), None, "opened")


async def end(uow: Uow, extension_id: UUID) -> None:
    """Let the extension have no link, whether it had one or not."""
    if link := await store.of_extension(uow.session, extension_id):
        await store.drop(uow.session, link.token_hash)


def _working(uow: Uow, link: SetupLink | None) -> SetupLink:
    if link is None or link.tm_expire <= uow.now:
        raise SetupLinkNotFound
    return link
