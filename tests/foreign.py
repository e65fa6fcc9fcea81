"""A database as VoIPbin's service makes it: the tables of its design documents, and rows in them."""

import json
import sqlite3
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from sqlalchemy import URL

from ringback.kit.errors import CannotStart
from ringback.knobs import load
from ringback.migrations import commands
from ringback.settings import Settings

OWNER: Final = "id binary(16), customer_id binary(16)"
TIMES: Final = "tm_create datetime(6), tm_update datetime(6), tm_delete datetime(6), primary key(id)"
NAMES: Final = "name varchar(255), detail varchar(255)"
CREDENTIAL: Final = "realm varchar(255), username varchar(255), password varchar(255)"
TABLES: Final = {
    "registrar_extensions": f"{OWNER}, {NAMES}, endpoint_id varchar(255), aor_id varchar(255), auth_id varchar(255), "
    f"extension varchar(255), domain_name varchar(255), {CREDENTIAL}, {TIMES}",
    "registrar_trunks": f"{OWNER}, {NAMES}, domain_name varchar(255), auth_types json, {CREDENTIAL}, allowed_ips json, "
    f"{TIMES}",
    "registrar_sip_auths": f"id binary(16), reference_type varchar(255), auth_types json, {CREDENTIAL}, "
    "allowed_ips json, tm_create datetime(6), tm_update datetime(6), primary key(id)",
    "registrar_directs": f"{OWNER}, extension_id binary(16), hash varchar(255), {TIMES}",
}
INDEXES: Final = {
    "registrar_extensions": ("customer_id", "extension", "domain_name", "username", "realm"),
    "registrar_trunks": ("customer_id", "domain_name", "realm"),
    "registrar_sip_auths": ("realm",),
    "registrar_directs": ("unique extension_id", "unique hash", "customer_id"),
}
CREATED: Final = "2026-02-11 09:30:00.123456"
NEVER: Final = "9999-01-01 00:00:00.000000"
PASSWORD: Final = "Marker-Pass-0001"
BASE: Final = "registrar.example.com"
TRUNK_BASE: Final = "trunk.example.com"


class Filled(ABC):
    """Such a database, which another service has filled."""

    def __init__(self, **tables: str | None) -> None:
        """`tables` are further ones, or other definitions of these; one that is `None` is not there."""
        self.customer = uuid4()
        for table, definition in (TABLES | tables).items():
            if definition:
                self.sql(f"CREATE TABLE {table} ({self.spelt(definition)})")
                for unique, _, column in (text.rpartition(" ") for text in INDEXES.get(table, ())):
                    self.sql(f"CREATE {unique} INDEX idx_{table}_{column} ON {table}({column})")

    @property
    @abstractmethod
    def url(self) -> URL:
        """Where it is."""

    @abstractmethod
    def sql(self, text: str, *values: Any) -> list[dict[str, Any]]:
        """What a client of the database gets; `?` stands for a value."""

    @abstractmethod
    def dump(self) -> list[str]:
        """All there is, as text."""

    def spelt(self, definition: str) -> str:
        """Columns in this engine's words."""
        return definition

    def key(self, id: UUID) -> Any:
        """An id as it stands in a column."""
        return id.bytes

    def one(self, table: str, id: UUID) -> dict[str, Any]:
        (row,) = self.sql(f"SELECT * FROM {table} WHERE id = ?", self.key(id))
        return row

    def add(self, table: str, **columns: Any) -> UUID:
        """A row with an id of its own, created and, if the table has it, never deleted; its id."""
        row = {"id": uuid4(), "tm_create": CREATED, **columns}
        values = [self.key(value) if isinstance(value, UUID) else value for value in row.values()]
        self.sql(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *values)
        return UUID(str(row["id"]))

    def extension(self, number: str, **columns: Any) -> UUID:
        realm = f"{columns.get('customer_id', self.customer)}.{BASE}"
        names = dict.fromkeys(("endpoint_id", "aor_id", "auth_id"), f"{number}@{realm}")
        row = {"customer_id": self.customer, "extension": number, "domain_name": str(self.customer), **names}
        row |= {"realm": realm, "username": number, "password": PASSWORD, "name": "", "detail": ""}
        return self.add("registrar_extensions", **row | columns)

    def trunk(self, domain: str, **columns: Any) -> UUID:
        row = {"customer_id": self.customer, "domain_name": domain, "realm": f"{domain}.{TRUNK_BASE}"}
        row |= {"username": "pbx01", "password": PASSWORD, "auth_types": json.dumps(["basic", "ip"])}
        return self.add("registrar_trunks", **row | {"allowed_ips": json.dumps(["203.0.113.7"])} | columns)

    def direct(self, extension: UUID, hash: str, **columns: Any) -> UUID:
        return self.add("registrar_directs", customer_id=self.customer, extension_id=extension, hash=hash, **columns)

    def credential(self, of: UUID, **columns: Any) -> UUID:
        return self.add("registrar_sip_auths", **{"id": of, "reference_type": "extension", **columns})


class Foreign(Filled):
    """Such a database in a SQLite file."""

    def __init__(self, path: Path, **tables: str | None) -> None:
        self.path = path
        super().__init__(**tables)

    @property
    def url(self) -> URL:
        return URL.create("sqlite", database=str(self.path))

    def sql(self, text: str, *values: Any) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(text, values)]

    def dump(self) -> list[str]:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.text_factory = lambda raw: raw.decode("latin-1")
            return list(connection.iterdump())


def upgrade(foreign: Filled) -> None:
    for name in commands.DATABASES:
        commands.upgrade(name, foreign.url)


def refusal(foreign: Filled) -> list[str]:
    """The lines of a refused upgrade, after a look at what it left behind: nothing."""
    before = foreign.dump()
    with pytest.raises(CannotStart) as refused:
        upgrade(foreign)
    assert foreign.dump() == before
    assert PASSWORD not in str(refused.value)
    return [line.strip() for line in str(refused.value).splitlines()]


def meta(foreign: Filled) -> dict[str, str]:
    """What the installation remembers of itself."""
    return {row["key"]: row["value"] for row in foreign.sql("SELECT * FROM registrar_meta")}


def settings(foreign: Foreign, **more: Any) -> Settings:
    """Those of a start on it, with its own base domains."""
    dsns = dict.fromkeys(("database_dsn_bin", "database_dsn_asterisk"), f"sqlite:///{foreign.path}")
    free = dict.fromkeys(("rest_listen_address", "prometheus_listen_address"), "127.0.0.1:0")
    bases = {"domain_name_extension": BASE, "domain_name_trunk": TRUNK_BASE}
    return load({"ringback_home": foreign.path.parent, **bases, **dsns, **free, **more})
