"""Finds every SIP row that differs from our truth, table by table; nothing is written."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from ringback.kit.columns import NIL
from ringback.kit.db import CHUNK
from ringback.kit.errors import Failure
from ringback.kit.streams import chunked, chunks, merged, paired
from ringback.kit.uow import Work
from ringback.registrar.drift.model import Drift
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.model import Extension
from ringback.registrar.trunks import service as trunks
from ringback.registrar.trunks.model import Trunk
from ringback.registrar.work import Uow
from ringback.settings import Settings
from ringback.sip import asterisk, edge
from ringback.sip.tables import CONTACTS, MANAGED

log = structlog.get_logger()


class Comparison:
    """Our truth and the SIP tables side by side."""

    def __init__(self, work: Work[Uow], settings: Settings) -> None:
        self._work = work
        self._settings = settings
        self._suffix = f".{settings.domain_name_extension}"

    async def found(self) -> tuple[list[Drift], list[str]]:
        """What differs, and the tables that cannot be read: one of those does not keep the others from it."""
        found: list[Drift] = []
        unread: list[str] = []
        for table in (*MANAGED, edge.TABLE, CONTACTS):
            try:
                found += [drift async for drift in self._drifts(table)]
            except Failure:
                raise
            except Exception as error:
                log.error("a table cannot be compared", action="reconcile", table=table, exc_info=error)
                unread.append(table)
        return found, unread

    async def _drifts(self, table: str) -> AsyncIterator[Drift]:
        if table in MANAGED:
            async for drift in self._asterisk_drifts(table):
                yield drift
        elif table == edge.TABLE:
            async for drift in self._edge_drifts():
                yield drift
        else:
            for name in await self._work.read(partial(_of_nobody, self._suffix)):
                yield Drift(CONTACTS, name, "remove")

    async def _asterisk_drifts(self, table: str) -> AsyncIterator[Drift]:
        """Both ways by name: engines do not order text alike."""
        rows = chunks(self._work, lambda uow, after: uow.sip.owned(table, self._suffix, after, CHUNK), _row_id, "")
        form = self._settings.asterisk_digest
        async for row, extension in paired(self._work, rows, _row_id, extensions.live_at):
            if extension is None:
                yield Drift(table, _row_id(row), "remove")
            elif columns := asterisk.differing(row, table, extension.endpoint, form):
                yield Drift(table, extension.endpoint_id, "correct", columns, extension.customer_id, extension.id)
        truth = chunks(self._work, lambda uow, after: extensions.live_behind(uow, after, CHUNK), _id, NIL)
        async for live, known in paired(self._work, truth, _endpoint_id, lambda uow, ids: uow.sip.known(table, ids)):
            if not known:
                yield Drift(table, live.endpoint_id, "add", (), live.customer_id, live.id)

    async def _edge_drifts(self) -> AsyncIterator[Drift]:
        rows = chunked(self._work, lambda uow, after: edge.after(uow.session, after, CHUNK), _row_id, None)
        async for owner, row in merged(self._owners(), _place, rows, _row_place):
            if owner is None:
                if row and row["reference_type"] in ("extension", "trunk"):
                    yield Drift(edge.TABLE, _row_id(row), "remove")
            elif row is None:
                yield Drift(edge.TABLE, owner.id, "add", (), owner.customer_id, owner.id)
            elif columns := edge.differing(row, owner.credential):
                yield Drift(edge.TABLE, owner.id, "correct", columns, owner.customer_id, owner.id)

    async def _owners(self) -> AsyncIterator[Extension | Trunk]:
        """What the edge must know of, by id: all live extensions and all live trunks."""
        phones = chunked(self._work, lambda uow, after: extensions.live_behind(uow, after, CHUNK), _id, NIL)
        lines = chunked(self._work, lambda uow, after: trunks.live_behind(uow, after, CHUNK), _id, NIL)
        async for extension, trunk in merged(phones, _id, lines, _id):
            if found := extension or trunk:
                yield found


def _endpoint_id(extension: Extension) -> str:
    return extension.endpoint_id


def _id(of: Any) -> UUID:
    id: UUID = of.id
    return id


def _row_id(row: Any) -> Any:
    return row["id"]


def _place(owner: Extension | Trunk) -> tuple[int, object]:
    return edge.order(owner.id)


def _row_place(row: Any) -> tuple[int, object]:
    return edge.order(row["id"])


async def _of_nobody(suffix: str, uow: Uow) -> list[str]:
    """Endpoint names that contacts speak of and no extension has. One whose endpoint row is missing gets it back."""
    names = await uow.sip.stray_contacts(suffix)
    return [name for name in names if not await extensions.at_endpoint(uow, name)]
