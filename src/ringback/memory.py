"""What is kept between requests: by this process, or with the other instances in Redis."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from ringback.customers.people.passwords import Passwords
from ringback.kit.budget import Allowance, Budget, LocalBudget
from ringback.kit.cache import Cache, LocalCache, NoCache
from ringback.kit.db import Database
from ringback.kit.errors import CannotStart
from ringback.kit.pair import Pair
from ringback.kit.rate import Buckets, LocalBuckets, Rate
from ringback.kit.sqlite import SqliteDatabase
from ringback.registrar.metrics import Metrics
from ringback.registrar.work import Memory, Seen
from ringback.settings import Settings
from ringback.sip.ami_caches import Caches
from ringback.sip.ami_events import Refusals
from ringback.transports.redis.address import SETTING, Address

if TYPE_CHECKING:
    from ringback.transports.redis.store import RedisStore

PUBLISHER_MISSES: Final = Allowance(50, window=1.0, pause=1.0)
"""Unknown hashes that one publisher may ask for before we say so in the log."""


def memory_of(
    settings: Settings,
    database: Database,
    ticks: Callable[[], float],
    hashes: Callable[[int], str],
    labels: Callable[[], str],
) -> Memory:
    """The memory of one process over a database; the other arguments are those of `app.assemble`."""
    metrics = Metrics(CollectorRegistry())
    store = _store(settings, metrics)
    suffix = f".{settings.domain_name_extension}"
    turned = None if ticks is time.monotonic else ticks  # of a test; that of a process means nothing to others

    def budget(name: str, limit: int) -> Budget:
        allowance = Allowance(limit)
        alone = LocalBudget(allowance, clock=ticks)
        return store.budget(name, allowance, alone, turned) if store else alone

    def buckets(rate: Rate) -> Buckets:
        alone = LocalBuckets(rate, clock=ticks)
        return store.buckets("requests", rate, alone, turned) if store else alone

    return Memory(
        metrics=metrics,
        contacts=_contacts(database, store, ticks),
        revision=database.revision if isinstance(database, SqliteDatabase) else lambda: 0,
        misses=budget("misses", settings.direct_miss_limit),
        publisher_misses=LocalBudget(PUBLISHER_MISSES, clock=ticks),
        requests=buckets(rate_of(settings)) if settings.rest_rate_limit else None,
        refusals=budget("refusals", settings.rest_failure_limit) if settings.rest_failure_limit else None,
        caches=Caches(),
        sip_refusals=Refusals(lambda name: name.endswith(suffix)),
        passwords=Passwords(),
        keys=store.keys if store else None,
        new_hash=hashes,
        new_label=labels,
        require=store.redis.require if store else _nothing,
        close=store.close if store else _nothing,
        shared=store.redis.state if store else None,
    )


def rate_of(settings: Settings) -> Rate:
    """How often one access key may ask over REST, where there is a limit."""
    return Rate(settings.rest_rate_limit or 1, settings.rest_rate_burst)


def _store(settings: Settings, metrics: Metrics) -> "RedisStore | None":
    text = settings.redis_address.get_secret_value()
    if not text:
        return None
    from ringback.transports.redis.store import RedisStore  # the client's import takes as long as a short command

    try:
        address = Address.parse(text, settings.redis_password.get_secret_value(), settings.redis_database)
    except ValueError as fault:
        raise CannotStart(f"{SETTING}: {fault}") from None
    return RedisStore(address, metrics.observe_redis_failure, lambda state: metrics.observe_breaker("redis", state))


def _contacts(database: Database, store: "RedisStore | None", ticks: Callable[[], float]) -> Cache[Seen]:
    """By the process where a file's own revision tells of all changes, Asterisk's too; by nobody where a second server
    may follow a change only after it was read."""
    if isinstance(database, Pair):
        return NoCache()
    if store is None or isinstance(database, SqliteDatabase):
        return LocalCache(ticks)
    return store.cache("contacts", Seen)


async def _nothing() -> None: ...
