"""Column types that mean the same on every engine: ids, times, JSON."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import BINARY, DateTime, Dialect, LargeBinary, Text
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

NIL: Final = UUID(int=0)
"""No id."""


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

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        utc = value.astimezone(UTC).replace(tzinfo=None)
        return utc.isoformat(" ", "microseconds") if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).replace(tzinfo=UTC)


class Moment(Time):
    """A moment with its zone: `TIMESTAMPTZ` on PostgreSQL; on SQLite RFC 3339 with six digits and `Z`, which sorts."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True, precision=6))
        return super().load_dialect_impl(dialect)

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
