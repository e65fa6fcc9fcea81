"""Column types that mean the same on every engine: ids, times, JSON; and how their values are read."""

from collections.abc import Callable
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

READ_ID: Final = msgspec.msgpack.Decoder(UUID).decode
SIXTEEN_BYTES: Final = b"\xc4\x10"
"""What MessagePack says before them."""

Reader = Callable[[Any], Any]
"""A value as the driver gives it, which is not NULL, to what it is here."""


def reader(type: TypeEngine[Any], dialect: Dialect) -> Reader | None:
    """How a value of that type is read; `None` where the driver's is right."""
    if isinstance(type, Id | Time | Json):
        return type.reader(dialect)
    return type.dialect_impl(dialect).result_processor(dialect, None)


def writer(type: TypeEngine[Any], dialect: Dialect) -> Reader | None:
    """How a value of that type is given to the driver, NULL as well; `None` where it is as it is."""
    if isinstance(type, Id | Time | Json):  # what a `TypeDecorator` does around it takes as long again
        return partial(type.process_bind_param, dialect=dialect)
    return type.dialect_impl(dialect).bind_processor(dialect)


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

    def reader(self, dialect: Dialect) -> Reader | None:
        return None if dialect.name == "postgresql" else _id

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        return value.bytes if isinstance(value, UUID) and dialect.name != "postgresql" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return _id(value)


def _id(value: Any) -> Any:
    """What somebody else spoilt comes back as it is, which equals no id of ours. `UUID(bytes=…)` takes five times as
    long, and a list of a hundred has four hundred ids."""
    try:
        return READ_ID(SIXTEEN_BYTES + value)
    except (TypeError, msgspec.MsgspecError):
        return value


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

    def reader(self, dialect: Dialect) -> Reader | None:
        return _moment_of if dialect.name == "sqlite" else _moment

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        utc = NAIVE_EPOCH + (value - EPOCH) if value.tzinfo else value.astimezone(UTC).replace(tzinfo=None)
        return utc.isoformat(" ", "microseconds") if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else _moment(value)


def _moment_of(text: str) -> Any:
    return _moment(datetime.fromisoformat(text))


def _moment(value: Any) -> Any:
    """In UTC; `replace` takes seven times as long. What somebody else has put there may be a text, or have a zone."""
    try:
        return EPOCH + (value - NAIVE_EPOCH)
    except TypeError:
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).replace(tzinfo=UTC)


class Moment(Time):
    """A moment with its zone: `TIMESTAMPTZ` on PostgreSQL; on SQLite RFC 3339 with six digits and `Z`, which sorts."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True, precision=6))
        return super().load_dialect_impl(dialect)

    def reader(self, dialect: Dialect) -> Reader:
        return partial(self.process_result_value, dialect=dialect)

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

    def reader(self, dialect: Dialect) -> Reader:
        return _document

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return msgspec.json.encode(value).decode() if value is not None else None

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return _document(value)


def _document(value: Any) -> Any:
    """What somebody else spoilt comes back as the text it is, which equals no document of ours."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
