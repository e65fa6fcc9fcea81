"""The rows that one create has written, read back from the tables, and as many like them by the bare driver."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import asyncmy
import msgspec

from bench import amqp
from tests.servers.database import Database

CONNECTIONS: Final = 16
KEPT: Final = 64
"""Statements that the driver keeps prepared."""
NUMBER: Final = "template"
"""The number of the extension whose rows are copied; that word is in no row besides."""
WRITTEN: Final = {
    "asterisk": ("ps_aors", "ps_auths", "ps_endpoints"),
    "own": ("registrar_extensions", "registrar_sip_auths", "ringback_audit", "registrar_outbox"),
}
"""What a create without a direct address writes a row of."""
OUTBOX: Final = "registrar_outbox"
COLUMNS: Final = """
    SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s
    AND extra NOT LIKE '%%GENERATED%%' AND extra NOT LIKE '%%auto_increment%%' ORDER BY ordinal_position
"""
MARK: Final = f"UPDATE {OUTBOX} SET tm_publish = %s WHERE id = %s"


class Row(msgspec.Struct):
    """A row of the extension `NUMBER`: `sql` inserts it, `values` are (what kind, the value in JSON)."""

    sql: str
    values: list[tuple[str, Any]]

    def of(self, id: UUID, old: UUID, number: str, now: datetime) -> tuple[Any, ...]:
        """The values of another one."""
        found: list[Any] = []
        for kind, value in self.values:
            if kind == "binary":
                value = id.bytes if value == old.hex else bytes.fromhex(value)
            elif kind == "text":
                value = value.replace(NUMBER, number).replace(str(old), str(id))
            found.append(now if kind == "time" else value)
        return tuple(found)


def recorded(where: dict[str, Database], to: dict[str, Database]) -> list[Row]:
    """The rows of the extension `NUMBER`, as they go into databases with the same tables; that of the outbox last."""
    return [_row(where[one], table, to[one]) for one, tables in WRITTEN.items() for table in tables]


def _row(database: Database, table: str, to: Database) -> Row:
    names = [f"`{name}`" for (name,) in database.execute(COLUMNS, table)]
    columns = ", ".join(names)
    (found,) = database.execute(f"SELECT {columns} FROM {table} WHERE CONCAT_WS(' ', {columns}) LIKE %s", f"%{NUMBER}%")
    places = ", ".join(["%s"] * len(names))
    return Row(f"INSERT INTO `{to.name}`.{table} ({columns}) VALUES ({places})", [_kept(value) for value in found])


def _kept(value: Any) -> tuple[str, Any]:
    if isinstance(value, bytes):
        return "binary", value.hex()
    if isinstance(value, datetime):
        return "time", None
    return ("text" if isinstance(value, str) else "as it is"), value


async def writer(driver: dict[str, Any], rows: Sequence[Row], old: UUID) -> amqp.Handle:
    """Between a question and its answer one transaction with such rows, and another that marks the event as told."""
    free: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncmy.connect(**driver, autocommit=True, stmt_cache_size=KEPT))
    numbers = iter(range(1 << 62))

    async def handle(body: bytes) -> bytes:
        id, number, now = uuid4(), f"{next(numbers):08d}", datetime.now(UTC).replace(tzinfo=None)
        connection = await free.get()
        cursor = connection.cursor()
        await cursor.execute("BEGIN")
        for row in rows:
            await cursor.execute(row.sql, row.of(id, old, number, now))
        event = cursor.lastrowid
        await cursor.execute("COMMIT")
        await cursor.execute(MARK, (now, event))
        free.put_nowait(connection)
        return body

    return handle
