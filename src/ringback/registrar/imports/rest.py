"""Imports and exports for customers: `/v1.0/extensions:import`, `/v1.0/extensions:export`, and trunks alike."""

from typing import Any, Final

import msgspec

from ringback.api.call import Answer, Call, Route
from ringback.customers.rights import READ, WRITE
from ringback.kit.routing import Routes
from ringback.registrar.imports import service, wire
from ringback.registrar.imports.columns import ExtensionImport, TrunkImport
from ringback.registrar.imports.exports import export
from ringback.registrar.work import Uow

routes: Routes[Route] = Routes()
CSV: Final = "text/csv; charset=utf-8; header=present"
IN: Final[dict[str, Any]] = {
    "right": WRITE,
    "streams": True,
    "answers": wire.ImportResult,
    "refuses": (409, 429),
}
OUT: Final[dict[str, Any]] = {"right": READ, "streams": True, "downloads": True, "query": wire.ExportQuery}


@routes.on(
    "POST", "/v1.0/extensions:import", name="import_extensions", uploads="extension", query=ExtensionImport, **IN
)
async def import_extensions(call: Call[Uow]) -> Answer:
    """Create many extensions from a file: CSV, a JSON array, or JSON line by line.

    All rows or none; or, with `mode=row_by_row`, each that is right. `dry_run=true` tells every fault of every row and
    writes nothing. A row that is there already and the same is no fault, so a file may be sent again; for one that is
    not the same, `on_conflict` says what to do. Passwords that are made are in the answer, this once. With `columns` a
    CSV may be another program's export, and its media type may name another `charset` than UTF-8, as windows-1252.
    """
    return await _take(call, "extension")


@routes.on("GET", "/v1.0/extensions:export", name="export_extensions", answers=wire.ExtensionRow, **OUT)
async def export_extensions(call: Call[Uow]) -> Answer:
    """Read all extensions as one file that can be imported again: without passwords, newest first."""
    return await _give(call, "extension")


@routes.on("POST", "/v1.0/trunks:import", name="import_trunks", uploads="trunk", query=TrunkImport, **IN)
async def import_trunks(call: Call[Uow]) -> Answer:
    """Create many trunks from a file: CSV, a JSON array, or JSON line by line.

    As with extensions; the domain name says which is which, and lists are separated by spaces in a cell.
    """
    return await _take(call, "trunk")


@routes.on("GET", "/v1.0/trunks:export", name="export_trunks", answers=wire.TrunkRow, **OUT)
async def export_trunks(call: Call[Uow]) -> Answer:
    """Read all trunks as one file that can be imported again: without passwords, newest first."""
    return await _give(call, "trunk")


async def _take(call: Call[Uow], kind: str) -> Answer:
    assert call.flow
    rows = wire.rows_of(kind, call.flow.media, call.flow.parts, call.query.columns, call.flow.encoding)
    return Answer(wire.result(await service.take(call.flow.work, call.customer_id, kind, rows, call.query)))


async def _give(call: Call[Uow], kind: str) -> Answer:
    assert call.flow
    form: wire.Form = call.query.format
    return Answer(
        msgspec.Raw(),
        stream=export(call.flow.work, call.customer_id, kind, form),
        media=CSV if form == "csv" else "application/json",
        headers={"content-disposition": f'attachment; filename="{kind}s.{form}"'},
    )
