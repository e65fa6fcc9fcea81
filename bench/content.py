"""Many extensions of one customer: the rows of one that was made over RPC, copied by the database itself."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

from tests.servers.database import Database

TABLES: Final = (
    "registrar_extensions",
    "registrar_directs",
    "registrar_direct_hashes",
    "registrar_sip_auths",
    "ps_endpoints",
    "ps_aors",
    "ps_auths",
)
AT_ONCE: Final = 100_000
"""Rows of one transaction."""
AT_A_TIME: Final = 2
"""Tables that are filled together."""
NUMBER: Final = "(1000000 + seq)"
ID: Final = "UNHEX(MD5(CONCAT('extension', seq)))"
DIRECT: Final = "UNHEX(MD5(CONCAT('direct', seq)))"
HASH: Final = "LEFT(SHA2(seq, 256), {length})"
COLUMNS: Final = """
    SELECT column_name, data_type, table_schema FROM information_schema.columns
    WHERE table_schema IN (%s, %s) AND table_name = %s AND extra NOT LIKE '%%GENERATED%%' ORDER BY ordinal_position
"""


@dataclass(frozen=True, slots=True)
class Template:
    """The extension that is copied."""

    id: UUID
    direct_id: UUID
    number: str
    endpoint: str
    hash: str

    @classmethod
    def of(cls, own: Database, id: UUID) -> Self:
        """One that there is, with a direct address."""
        (row,) = own.execute(
            "SELECT two.id, extension, endpoint_id, hash FROM registrar_extensions one JOIN registrar_directs two"
            f" ON two.extension_id = one.id WHERE one.id = {_binary(id)}"
        )
        return cls(id, UUID(bytes=row[0]), *row[1:])


@dataclass(frozen=True, slots=True)
class Content:
    """What is known of the copies; the first one has the number 1."""

    count: int
    realm: str
    hash_length: int

    def id(self, number: int) -> UUID:
        """Of the copy of that number, from 1."""
        return UUID(hex=_hash("md5", f"extension{number}"))

    def hash(self, number: int) -> str:
        """The hash of its direct address."""
        return _hash("sha256", str(number))[: self.hash_length]


def fill(own: Database, asterisk: Database, template: Template, count: int) -> Content:
    """So many copies, of all rows of the template in both databases."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(lambda table: _copy(own, asterisk, template, table, count), TABLES))
    for table in TABLES:
        own.execute(f"ANALYZE TABLE `{(own if table.startswith('registrar') else asterisk).name}`.`{table}`")
    return Content(count, template.endpoint.partition("@")[2], len(template.hash))


def _copy(own: Database, asterisk: Database, template: Template, table: str, count: int) -> None:
    columns = own.execute(COLUMNS, own.name, asterisk.name, table)
    place, which = f"`{columns[0][2]}`.`{table}`", _which(table, template)
    names = ", ".join(f"`{name}`" for name, _, _ in columns)
    (row,) = own.execute(f"SELECT {names} FROM {place} AS one WHERE {which}")
    values = ", ".join(_copied(name, value, template) for (name, _, _), value in zip(columns, row, strict=True))
    for first in range(1, count + 1, AT_ONCE):
        last = min(first + AT_ONCE - 1, count)
        own.execute(
            f"INSERT INTO {place} ({names}) SELECT {values} FROM {place} AS one, seq_{first}_to_{last} WHERE {which}"
        )


def _copied(name: str, value: object, template: Template) -> str:
    """What a column has in the copy."""
    column = f"one.`{name}`"
    if name == "tm_create":
        return f"{column} - INTERVAL seq * 100 MICROSECOND"
    if isinstance(value, str) and f"{template.number}@" in value:
        return f"REPLACE({column}, '{template.number}@', CONCAT({NUMBER}, '@'))"
    others = {template.id.bytes: ID, template.direct_id.bytes: DIRECT, template.number: NUMBER}
    others[template.hash] = HASH.format(length=len(template.hash))
    return others.get(value, column) if isinstance(value, str | bytes) else column


def _which(table: str, template: Template) -> str:
    """The template's row of that table."""
    return {
        "registrar_extensions": f"one.id = {_binary(template.id)}",
        "registrar_sip_auths": f"one.id = {_binary(template.id)}",
        "registrar_directs": f"one.id = {_binary(template.direct_id)}",
        "registrar_direct_hashes": f"one.hash = '{template.hash}'",
    }.get(table, f"one.id = '{template.endpoint}'")


def _binary(id: UUID) -> str:
    return f"x'{id.hex}'"


def _hash(name: str, text: str) -> str:
    return hashlib.new(name, text.encode()).hexdigest()
