"""Finds every SIP row that differs from our truth, table by table; nothing is written."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog

from ringback.kit.columns import NIL
from ringback.kit.db import CHUNK, Row
from ringback.kit.errors import Failure
from ringback.kit.streams import chunks
from ringback.kit.uow import Work
from ringback.registrar.drift import store
from ringback.registrar.drift.model import Drift
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.model import Extension
from ringback.registrar.trunks import service as trunks
from ringback.registrar.trunks.model import Trunk
from ringback.registrar.work import Uow
from ringback.settings import Settings
from ringback.sip import asterisk, edge
from ringback.sip.differences import Difference
from ringback.sip.tables import CONTACTS, MANAGED

OF_OURS: Final = (*MANAGED, edge.TABLE)
"""The tables with a row for each of our own."""

Owner = Extension | Trunk
Tell = Callable[[str], object]
Look = Callable[[], Awaitable[list[Drift]]]

log = structlog.get_logger()


def quietly(text: str) -> None:
    """Tells nobody."""


@dataclass(slots=True)
class Found:
    """What differs, by table, and the tables that cannot be read: one of those does not keep the others from it."""

    drifts: dict[str, list[Drift]] = field(default_factory=lambda: {table: [] for table in (*OF_OURS, CONTACTS)})
    unread: list[str] = field(default_factory=list)

    async def take(self, table: str, look: Look) -> None:
        """What `look` finds, unless the table could not be read before."""
        if table in self.unread:
            return
        try:
            self.drifts[table] += await look()
        except Failure:
            raise
        except Exception as error:
            self.lose(table, error)

    def lose(self, table: str, error: Exception) -> None:
        """Nothing can be said of that table."""
        log.error("a table cannot be compared", action="reconcile", table=table, exc_info=error)
        self.unread.append(table)
        self.drifts[table].clear()


class Comparison:
    """Our truth and the SIP tables side by side."""

    def __init__(self, work: Work[Uow], settings: Settings) -> None:
        self._work = work
        self._settings = settings
        self._suffix = f".{settings.domain_name_extension}"

    async def found(self, tell: Tell = quietly) -> tuple[list[Drift], list[str]]:
        """What differs, and the tables that cannot be read. `tell` hears how far it is."""
        found = Found()
        try:
            await self._compare(found, tell)
        except Failure:
            raise
        except Exception as error:
            for table in OF_OURS:
                if table not in found.unread:
                    found.lose(table, error)
        for table in MANAGED:
            await found.take(table, partial(self._strays, table, tell))
        await found.take(edge.TABLE, self._edge_strays)
        await found.take(CONTACTS, self._stray_contacts)
        return [drift for drifts in found.drifts.values() for drift in drifts], found.unread

    async def _compare(self, found: Found, tell: Tell) -> None:
        """Rows that are missing, or not what they should be: each of our own is read once, for all tables."""
        seen = 0
        phones = chunks(self._work, lambda uow, after: extensions.live_behind(uow, after, CHUNK), _id, NIL)
        async for some in phones:
            for table in MANAGED:
                await found.take(table, partial(self._compared, table, some))
            await found.take(edge.TABLE, partial(self._edge_compared, some))
            seen += len(some)
            tell(f"{seen} extensions compared")
        lines = chunks(self._work, lambda uow, after: trunks.live_behind(uow, after, CHUNK), _id, NIL)
        async for others in lines:
            await found.take(edge.TABLE, partial(self._edge_compared, others))

    async def _compared(self, table: str, truth: Sequence[Extension]) -> list[Drift]:
        names = [extension.endpoint_id for extension in truth]
        rows = await self._work.read(lambda uow: uow.sip.known(table, names))
        form = self._settings.asterisk_digest
        return _differing(
            table, truth, names, rows, lambda row, one: asterisk.differing(row, table, one.endpoint, form)
        )

    async def _edge_compared(self, truth: Sequence[Owner]) -> list[Drift]:
        ids = [owner.id for owner in truth]
        rows = await self._work.read(lambda uow: edge.known(uow.session, ids))
        return _differing(edge.TABLE, truth, ids, rows, lambda row, one: edge.differing(row, one.credential))

    async def _strays(self, table: str, tell: Tell) -> list[Drift]:
        """Rows of ours that no extension has; by name, a few at a time: engines do not order text alike."""
        found: list[Drift] = []
        seen = 0
        names = chunks(self._work, lambda uow, after: uow.sip.owned(table, self._suffix, after, CHUNK), str, "")
        async for some in names:
            live = await self._work.read(partial(extensions.live_names, endpoint_ids=some))
            found += [Drift(table, name, "remove") for name in some if name not in live]
            seen += len(some)
            tell(f"{table}: {seen} rows looked through")
        return found

    async def _edge_strays(self) -> list[Drift]:
        rows = chunks(self._work, lambda uow, after: store.of_nobody(uow.session, after, CHUNK), _row_id, None)
        return [
            Drift(edge.TABLE, row["id"], "remove")
            async for some in rows
            for row in some
            if row["reference_type"] in ("extension", "trunk")
        ]

    async def _stray_contacts(self) -> list[Drift]:
        """Endpoint names that contacts speak of and no extension has. One whose row is missing gets it back."""

        async def look(uow: Uow) -> list[str]:
            names = await uow.sip.stray_contacts(self._suffix)
            return [name for name in names if not await extensions.at_endpoint(uow, name)]

        return [Drift(CONTACTS, name, "remove") for name in await self._work.read(look)]


def _differing(
    table: str,
    truth: Sequence[Any],
    names: Sequence[Any],
    rows: Mapping[Any, Row],
    columns: Callable[[Row, Any], tuple[Difference, ...]],
) -> list[Drift]:
    """Of each of our own the row that is missing, or differs in some columns."""
    found: list[Drift] = []
    for owner, name in zip(truth, names, strict=True):
        row = rows.get(name)
        wrong = columns(row, owner) if row else ()
        if row is None or wrong:
            action: Any = "correct" if row else "add"
            found.append(Drift(table, name, action, wrong, owner.customer_id, owner.id))
    return found


def _id(of: Any) -> UUID:
    id: UUID = of.id
    return id


def _row_id(row: Row) -> Any:
    return row["id"]
