"""Everything of one kind that a customer has, as a file that can be imported elsewhere, page by page."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from ringback.kit.db import CHUNK
from ringback.kit.pages import Page
from ringback.kit.uow import Work
from ringback.registrar.imports.kinds import KINDS
from ringback.registrar.imports.wire import ROWS, Form, csv_of, row_of
from ringback.registrar.work import Uow


async def export(work: Work[Uow], customer_id: UUID, kind: str, form: Form) -> AsyncIterator[bytes]:
    """The file bit by bit, newest first. What is made meanwhile is not in it; what ends meanwhile may be."""
    columns = ROWS[kind].__struct_fields__
    yield csv_of([columns]) if form == "csv" else b"["
    first = True
    async for page in _pages(work, customer_id, kind):
        rows = [row_of(one) for one in page]
        if form == "csv":
            yield csv_of([[getattr(row, name) for name in columns] for row in rows])
        elif rows:
            said = b",\n".join(msgspec.json.encode(row) for row in rows)
            yield said if first else b",\n" + said
            first = False
    if form == "json":
        yield b"]\n"


async def _pages(work: Work[Uow], customer_id: UUID, kind: str) -> AsyncIterator[list[Any]]:
    cursor, more = None, True
    service = KINDS[kind].service()
    while more:
        wanted = {"customer_id": customer_id}
        page: Page[Any] = await work.read(
            partial(service.page, wanted=wanted, cursor=cursor, size=CHUNK, deleted=False)
        )
        yield list(page.items)
        cursor, more = page.next, page.next is not None
