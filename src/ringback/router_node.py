"""What keeps a node of the router at work: its registry follows the database, outlives it in a file, and is known."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from ringback.customers.keys import service as keys
from ringback.customers.keys.model import AccessKey, token_hash
from ringback.kit.chores import again_and_again
from ringback.kit.db import Database
from ringback.kit.dsn import parse_dsn
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.events import Publisher
from ringback.kit.hearing import Ear, Hearing
from ringback.kit.sqlite import SqliteDatabase
from ringback.kit.uow import Work
from ringback.router.audit.daily import Daily
from ringback.router.extensions.following import Follower
from ringback.router.extensions.keeping import NAME, Keeper
from ringback.router.extensions.loading import Loader
from ringback.router.invoking.flushing import Flush
from ringback.router.invoking.telling import Telling
from ringback.router.nodes.presence import Presence
from ringback.router.policies.ending import Ending
from ringback.router.work import Uow
from ringback.router.writing import CHANNEL
from ringback.settings import Settings

OFTEN: Final = 0.05
"""Seconds between two looks where nobody tells us that something has changed."""
PROOF: Final = 1.0
"""The same where PostgreSQL does: whatever was not heard is found then."""

PAUSE: Final = 5.0
"""Seconds after which a part that has failed begins anew."""


def node_id(settings: Settings) -> str:
    """The name of this node: that of the setting, or of the host."""
    return settings.node_id or socket.gethostname()


class Upkeep:
    """All that goes on by itself around a registry; `run` it in the background.

    `follower` loads it, `presence` tells others of it and waits for them, `daily` proves its audit log, `keeper` writes
    and reads its file, which an embedded database does not need: its own file is as near. `flush` writes what was
    counted of calls, `telling` tells it on `bus`, `ending` ends policies of customers who are gone.
    """

    def __init__(self, settings: Settings, database: Database, work: Work[Uow], loader: Loader, bus: Publisher) -> None:
        self._work = work
        self.telling = Telling(loader.registry, bus, work.now)
        self.flush = Flush(work, loader.registry, interval=settings.health_flush_interval, tell=self.telling.health)
        self.presence = Presence(work, loader)
        self.daily = Daily(work)
        self.ending = Ending(work, loader.registry)
        self.keeper: Keeper | None = None
        if not settings.is_embedded:
            self.keeper = Keeper(work, loader, settings.ringback_home / NAME, access_keys)
        is_told = settings.databases[0].get_backend_name() == "postgresql"
        self.follower = Follower(
            loader,
            interval=settings.registry_reload_interval,
            poll=PROOF if is_told else OFTEN,
            version=database.revision if isinstance(database, SqliteDatabase) else None,
            otherwise=self.keeper.restore if self.keeper else None,
        )
        self.hearing = (
            Hearing(ear_of(settings), CHANNEL, self.follower.heard, self.follower.missed) if is_told else None
        )

    def kept_key(self, token: str) -> AccessKey | None:
        """The key of a token by what is kept of the keys; `DatabaseUnavailable` where nothing is."""
        if self.keeper is None or self.keeper.kept is None:
            raise DatabaseUnavailable
        hash = token_hash(token)
        found = next((AccessKey.of(one) for one in self.keeper.kept.keys if one["token_hash"] == hash), None)
        return found if found and found.works(self._work.now()) else None

    async def run(self) -> None:
        """Until cancelled: follow the database, keep the file, tell the other nodes; then take leave of them.

        A part that fails begins anew, and keeps none of the others from their work.
        """
        parts = (
            self.follower,
            self.presence,
            self.keeper,
            self.hearing,
            self.daily,
            self.telling,
            self.flush,
            self.ending,
        )
        if self.keeper:
            await self.keeper.recall()
        async with asyncio.TaskGroup() as tasks:
            for part in parts:
                if part:
                    tasks.create_task(
                        again_and_again(part.run, PAUSE, action="upkeep", failure="what keeps the registry has failed")
                    )


def ear_of(settings: Settings) -> Callable[[], Awaitable[Ear]]:
    """Opens connections that can listen: to `database_listen_url`, never through a pooler, or to our own database."""
    from ringback.kit.postgres import Postgres  # its driver takes time to import, which others need not wait for

    given = settings.database_listen_url
    url = parse_dsn(given.get_secret_value()) if given else settings.databases[0]
    return Postgres(url, settings.database_timeout).open


async def access_keys(uow: Uow) -> AsyncIterator[dict[str, Any]]:
    """The access keys that work, as the file keeps them: their hashes, whose they are, and what they may do."""
    async for key in keys.working(uow):
        yield key.document()
