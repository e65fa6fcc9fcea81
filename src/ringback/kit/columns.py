"""Column types that mean the same on every engine: ids, times, JSON; and how a whole column of them is read."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import BINARY, DateTime, Dialect, LargeBinary, Text
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

NIL: Final = UUID(int=0)
"""No id."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE_EPOCH: Final = EPOCH.replace(tzinfo=None)

Reader = Callable[[Sequence[Any]], Sequence[Any]]
"""The values of a column, as the driver gives them, to what they are here."""


def reader(type: TypeEngine[Any], dialect: Dialect) -> Reader | None:
    """How a column of that type is read; `None` where the driver's values are right."""
    one = type.dialect_impl(dialect).result_processor(dialect, None)
    if one is None:
        return None

    def read(values: Sequence[Any]) -> Sequence[Any]:
        return [value if value is None else one(value) for value in values]

    at_once = type.at_once(dialect) if isinstance(type, Id | Time) else None
    if at_once is None:
        return read

    def read_at_once(values: Sequence[Any]) -> Sequence[Any]:
        try:
            return at_once(values)
        except (msgspec.ValidationError, TypeError):  # somebody else spoilt one of them
            return read(values)

    return read_at_once


class Plain(UserDefinedType[Any]):
    """A type of the engine whose values pass as they are, also what somebody else has put there."""

    cache_ok = True

    def __init__(self, word: str) -> None:
        self.word = word

    def get_col_spec(self, **more: Any) -> str:
        return self.word


class Id(TypeDecorator[UUID]):
    """A UUID: 16 big-endian bytes on SQLite, MySQL and MariaDB, `uuid` on PostgreSQL."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.UUID(as_uuid=True))
        return dialect.type_descriptor(BINARY(16) if dialect.name in ("mysql", "mariadb") else Plain("BLOB"))

    def at_once(self, dialect: Dialect) -> Reader | None:
        """Where the column has 16 bytes of each: on SQLite it may have any text."""
        if dialect.name not in ("mysql", "mariadb"):
            return None
        return partial(msgspec.convert, type=list[UUID | None])

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        return value.bytes if isinstance(value, UUID) and dialect.name != "postgresql" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        """What somebody else spoilt comes back as it is, which equals no id of ours."""
        return UUID(bytes=bytes(value)) if isinstance(value, bytes | bytearray) and len(value) == 16 else value


class Time(TypeDecorator[datetime]):
    """A moment in UTC with microseconds; text that sorts by time on SQLite. Naive on the driver, aware here."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kinds: dict[str, TypeEngine[Any]] = {
            "mysql": mysql.DATETIME(fsp=6),
            "mariadb": mysql.DATETIME(fsp=6),
            "postgresql": postgresql.TIMESTAMP(precision=6),
        }
        return dialect.type_descriptor(kinds.get(dialect.name, Text()))

    def at_once(self, dialect: Dialect) -> Reader | None:
        """Where the driver gives moments without a zone; `replace` takes seven times as long."""
        return None if dialect.name == "sqlite" else _in_utc

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        utc = value.astimezone(UTC).replace(tzinfo=None)
        return utc.isoformat(" ", "microseconds") if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).replace(tzinfo=UTC)


def _in_utc(values: Sequence[Any]) -> Sequence[Any]:
    return [value if value is None else EPOCH + (value - NAIVE_EPOCH) for value in values]


class Moment(Time):
    """A moment with its zone: `TIMESTAMPTZ` on PostgreSQL; on SQLite RFC 3339 with six digits and `Z`, which sorts."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True, precision=6))
        return super().load_dialect_impl(dialect)

    def at_once(self, dialect: Dialect) -> Reader | None:
        """With its zone it is right as it comes."""
        return super().at_once(dialect) if dialect.name != "postgresql" else None

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        spelt = super().process_bind_param(value, dialect)
        return f"{spelt.replace(' ', 'T')}Z" if dialect.name == "sqlite" else spelt

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """What a default of SQLite has written has no zone and means UTC as well."""
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class Json(TypeDecorator[Any]):
    """A JSON document, which every driver gets and gives as text; `None` is SQL NULL, never the JSON word null."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        words = {"mysql": "JSON", "mariadb": "JSON", "postgresql": "JSONB"}
        return dialect.type_descriptor(Plain(words.get(dialect.name, "TEXT")))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return msgspec.json.encode(value).decode() if value is not None else None

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """What somebody else spoilt comes back as the text it is, which equals no document of ours."""
        if not isinstance(value, str):
            return value
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
