"""The write protocol: the only way in which anything of the registry changes (router 2.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import msgspec

from ringback.kit.columns import NIL
from ringback.kit.events import Event
from ringback.router import store as heads
from ringback.router.audit import service as audit
from ringback.router.audit.model import Entity
from ringback.router.canonical import moved_checksum, time_of
from ringback.router.extensions.model import RouterExtension
from ringback.router.policies.model import Policy
from ringback.router.store import Head
from ringback.router.work import Uow

PUBLISHER: Final = "router-manager"
CHANNEL: Final = "ringback_router_registry"
NAMESPACE: Final = UUID("6d8f5c1e-6f0b-4c39-9a3e-2b1f0f6f2a11")
"""For the ids of events' objects, whose own names are no UUIDs."""


class RegistryEvent(msgspec.Struct, frozen=True):
    """News of the registry: what changed, at which registry revision, on which node."""

    registry_revision: int
    node: str
    at: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class News:
    """What the world hears of a change: the event's type, what it is about, its data without secrets."""

    type: str
    about: UUID
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """A record whose rows are written: what the audit log, the checksum, the world and the registry are to know of it.

    `old` and `new` are its documents, `parts` what goes from the checksum and what comes.
    """

    record: RouterExtension | Policy
    entity: Entity
    key: str
    action: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any]
    parts: tuple[int, int]
    news: News | None


async def begin(uow: Uow) -> Head:
    """From here to the commit nobody else changes the registry."""
    return await heads.read(uow.session, lock=True)


async def seal(uow: Uow, head: Head, written: Sequence[Written]) -> None:
    """Audit, news and the new `head`, behind the rows; the registry of this process follows the commit."""
    for one in written:
        head = await audit.note(uow, head, uow.by, one.entity, one.key, one.action, one.old, one.new)
        head = replace(head, checksum=moved_checksum(head.checksum, one.parts))
    await heads.move(uow.session, head, uow.now)
    await uow.session.notify(CHANNEL, str(head.revision))
    uow.written = head.revision
    told = [one.news for one in written if one.news]
    told.append(News("registry_revision", NIL, {"revision": head.revision, "audit_hash": head.audit_hash}))
    for news in told:  # what is about no single object comes behind all others
        body = RegistryEvent(head.revision, uow.registry.node, time_of(uow.now), news.data)
        uow.emit(Event(PUBLISHER, news.type, news.about, news.about, body))
    extensions = [one.record for one in written if isinstance(one.record, RouterExtension)]
    policies = [one.record for one in written if isinstance(one.record, Policy)]
    uow.after(lambda: uow.registry.follow(head.revision, extensions, policies))
