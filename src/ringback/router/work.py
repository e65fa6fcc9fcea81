"""The router's unit of work: the session, who is at work, and the registry that follows a commit."""

from collections.abc import Callable
from datetime import datetime

from ringback.kit.db import Database, Session
from ringback.kit.uow import UnitOfWork, Work, utc_now
from ringback.router.extensions.registry import Registry
from ringback.router.pipelines.running import Pipelines


class Uow(UnitOfWork):
    """`written` is the revision of the registry that this transaction makes, if it does."""

    def __init__(self, session: Session, now: datetime, registry: Registry) -> None:
        super().__init__(session, now)
        self.registry = registry
        self.written: int | None = None

    @property
    def pipelines(self) -> Pipelines:
        """Runs requests; they need no statement, so ask before the first one."""
        return self.registry.pipelines

    @property
    def revision(self) -> int:
        """The registry revision that an answer stands under: that of this transaction's change, or of the memory."""
        return self.registry.snapshot.revision if self.written is None else self.written


def router_work(
    database: Database,
    registry: Registry,
    *,
    clock: Callable[[], datetime] = utc_now,
    published: Callable[[], None] = lambda: None,
) -> Work[Uow]:
    return Work(database, lambda session, now: Uow(session, now, registry), clock, published)
