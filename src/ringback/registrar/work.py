"""The registrar's unit of work: the session, Asterisk's tables, and what this process remembers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ringback.kit.budget import Budget
from ringback.kit.cache import Cache
from ringback.kit.db import Database, Session
from ringback.kit.uow import UnitOfWork, Work, utc_now
from ringback.registrar.contacts.model import Contact
from ringback.registrar.metrics import Metrics
from ringback.settings import Settings
from ringback.sip.asterisk import Asterisk


@dataclass(frozen=True, slots=True)
class Seen:
    """The contacts of an endpoint as they stood at `as_of`."""

    contacts: tuple[Contact, ...]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """What one process keeps between requests; all of it may be lost."""

    metrics: Metrics
    contacts: Cache[str, Seen]
    misses: Budget[str]
    publisher_misses: Budget[str]
    new_hash: Callable[[int], str]
    new_label: Callable[[], str]


class Uow(UnitOfWork):
    """`sip` writes Asterisk's tables in the same transaction, since both databases are one here."""

    def __init__(self, session: Session, now: datetime, settings: Settings, memory: Memory) -> None:
        super().__init__(session, now)
        self.settings = settings
        self.memory = memory
        self.sip = Asterisk(session, settings.asterisk_digest, settings.endpoint_columns)


def registrar_work(
    database: Database,
    settings: Settings,
    memory: Memory,
    *,
    clock: Callable[[], datetime] = utc_now,
    published: Callable[[], None] = lambda: None,
) -> Work[Uow]:
    return Work(database, lambda session, now: Uow(session, now, settings, memory), clock, published)
