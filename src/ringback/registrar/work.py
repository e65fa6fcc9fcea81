"""The registrar's unit of work: the session, Asterisk's tables, and what this process remembers."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial

from ringback.customers.people.passwords import Passwords
from ringback.kit import stale
from ringback.kit.budget import Budget
from ringback.kit.cache import Cache
from ringback.kit.db import Database, Session
from ringback.kit.rate import Buckets
from ringback.kit.stale import Keys
from ringback.kit.uow import UnitOfWork, Work, utc_now
from ringback.registrar.billing import Billing
from ringback.registrar.contacts.model import Contact
from ringback.registrar.extensions import wire as extensions
from ringback.registrar.extensions.model import Extension
from ringback.registrar.metrics import Metrics
from ringback.registrar.trunks import wire as trunks
from ringback.registrar.trunks.model import Trunk
from ringback.settings import Settings
from ringback.sip.ami_caches import Caches
from ringback.sip.ami_events import Refusals
from ringback.sip.asterisk import Asterisk
from ringback.transports.redis import go


@dataclass(frozen=True, slots=True)
class Seen:
    """The contacts of an endpoint as they stood at `as_of`."""

    contacts: tuple[Contact, ...]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """What is kept between requests, by one process or by all of them; all of it may be lost.

    `revision` is another number after anybody's commit, where the database can say so. `requests` and `refusals` are
    what REST counts (`api/limits.py`), `sip_refusals` whom an Asterisk has refused, as this process has heard, and
    `caches` what Asterisks have cached. `keys` is what another service remembers of our objects, if there is one;
    `require` is `CannotStart` where those refuse us with whom we share, and `close` ends all talk with them. `shared`
    says how they are, where there are any.
    """

    metrics: Metrics
    contacts: Cache[Seen]
    revision: Callable[[], int]
    misses: Budget
    publisher_misses: Budget
    requests: Buckets | None
    refusals: Budget | None
    sip_refusals: Refusals
    caches: Caches
    passwords: Passwords
    keys: Keys | None
    new_hash: Callable[[int], str]
    new_label: Callable[[], str]
    require: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]
    shared: Callable[[], Awaitable[str]] | None


class Uow(UnitOfWork):
    """`sip` writes Asterisk's tables in the same transaction, since both databases are one here."""

    def __init__(
        self, session: Session, now: datetime, settings: Settings, memory: Memory, billing: Billing | None
    ) -> None:
        super().__init__(session, now)
        self.settings = settings
        self.memory = memory
        self.billing = billing
        self.rewritten: dict[str, None] = {}
        """Endpoints that Asterisk must read anew."""
        self._stale: dict[str, None] = {}

    @cached_property
    def sip(self) -> Asterisk:
        """Asterisk's tables in this transaction."""
        form, columns = self.settings.asterisk_digest, self.settings.endpoint_columns
        return Asterisk(self.session, form, columns, self.endpoint_changed, self._rewrite)

    def extension_changed(self, before: Extension | None, after: Extension | None) -> None:
        """Let nobody remember an extension as it was, and note the change; before it was made, or after it has ended,
        there is `None`."""
        for one in filter(None, (before, after)):
            self._forget(go.of_extension, one.id, one.customer_id, one.number, one.endpoint_id)
        self.audited("extension", before and extensions.audited(before), after and extensions.audited(after))

    def trunk_changed(self, before: Trunk | None, after: Trunk | None) -> None:
        """The same of a trunk."""
        for one in filter(None, (before, after)):
            self._forget(go.of_trunk, one.id, one.domain_name)
        self.audited("trunk", before and trunks.audited(before), after and trunks.audited(after))

    def endpoint_changed(self, id: str) -> None:
        """The same for what Asterisk's tables say of an endpoint, its contacts included."""
        self._forget(go.of_endpoint, id)

    def _rewrite(self, endpoint_id: str) -> None:
        if not self.rewritten:
            self.after(lambda: self.memory.caches.forget(self.rewritten))
        self.rewritten[endpoint_id] = None

    async def finish(self) -> None:
        await super().finish()
        if self._stale and self.memory.keys:
            names = list(self._stale)
            taken = timedelta(seconds=time.monotonic() - self.began)  # whole realms may move in one transaction
            await stale.note(self.session, names, self.now + taken)
            self.then(partial(self.memory.keys.delete, names))

    def _forget(self, names: Callable[..., list[str]], *of: object) -> None:
        if self.memory.keys:
            self._stale.update(dict.fromkeys(names(*of)))


def registrar_work(
    database: Database,
    settings: Settings,
    memory: Memory,
    *,
    billing: Billing | None = None,
    clock: Callable[[], datetime] = utc_now,
    published: Callable[[], None] = lambda: None,
) -> Work[Uow]:
    """`billing` is who knows the limits of customers, where it is not our own database."""
    return Work(database, lambda session, now: Uow(session, now, settings, memory, billing), clock, published)
