"""Ringback's databases on a server: who reads them as Asterisk, and tables as Asterisk's own migrations make them."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote
from uuid import UUID

from ringback.kit.dsn import parse_dsn
from ringback.migrations import commands
from ringback.sip.func_odbc import VIEWS
from tests.servers.database import Database, DatabaseServer

PASSWORD: Final = "a;b}c{d %41+\\'\"#=>é"
"""Asterisk's, of what files and drivers might take for something else."""
USER: Final = "pbx"
REALTIME: Final = ("ps_endpoints", "ps_aors", "ps_auths")

FLAG: Final = "flag"
ENUMS: Final = {
    FLAG: ("0", "1", "off", "on", "false", "true", "no", "yes"),
    "auth_kind": ("md5", "userpass", "google_oauth"),
}
STOCK: Final = {
    "ps_aors": "id varchar(255) NOT NULL UNIQUE, contact varchar(255), default_expiration int, mailboxes varchar(80), "
    "max_contacts int, minimum_expiration int, remove_existing flag, qualify_frequency int, authenticate_qualify flag, "
    "maximum_expiration int, outbound_proxy varchar(255), support_path flag, qualify_timeout float, "
    "voicemail_extension varchar(40), remove_unavailable flag, qualify_2xx_only flag",
    "ps_auths": "id varchar(255) NOT NULL UNIQUE, auth_type auth_kind, nonce_lifetime int, md5_cred varchar(40), "
    "password varchar(80), realm varchar(255), username varchar(40), refresh_token varchar(255), "
    "oauth_clientid varchar(255), oauth_secret varchar(255), password_digest varchar(1024), "
    "supported_algorithms_uas varchar(1024), supported_algorithms_uac varchar(1024)",
    "ps_contacts": "id varchar(255) UNIQUE, uri varchar(511), expiration_time bigint, qualify_frequency int, "
    "outbound_proxy varchar(255), path text, user_agent varchar(255), qualify_timeout float, reg_server varchar(255), "
    "authenticate_qualify flag, via_addr varchar(40), via_port int, call_id varchar(255), endpoint varchar(255), "
    "prune_on_boot flag, qualify_2xx_only flag, UNIQUE (id, reg_server)",
    "ps_endpoints": "id varchar(255) NOT NULL UNIQUE, transport varchar(40), aors varchar(2048), auth varchar(255), "
    "context varchar(40), disallow varchar(200), allow varchar(200), direct_media flag, force_rport flag, "
    "rewrite_contact flag, rtp_symmetric flag, identify_by varchar(80), device_state_busy_at int, rtp_timeout int",
}


@dataclass(frozen=True, slots=True)
class Tables:
    """Both databases, two on MariaDB and two schemas of one on PostgreSQL."""

    own: Database
    asterisk: Database

    @classmethod
    @contextmanager
    def on(cls, server: DatabaseServer, *, stock: bool) -> Iterator[Self]:
        """New ones of today's schema; with `stock`, Asterisk's are such as its own migrations make. Dropped again."""
        with ExitStack() as stack:
            stack.callback(server.execute, f"DROP USER IF EXISTS {USER}")
            own, asterisk = (stack.enter_context(server.database()) for _ in range(2))
            self = cls(own, asterisk if own.url.startswith("mysql") else own)
            for name in () if self.is_mariadb else ("bin_manager", "asterisk"):
                own.execute(f"CREATE SCHEMA {name}")
            if stock:
                self._make_stock()
            for database, dsn in zip(commands.DATABASES[:2], self.dsns(), strict=True):
                commands.upgrade(database, parse_dsn(dsn))
            commands.upgrade("router", parse_dsn(self.dsns()[0]))
            yield self

    @property
    def is_mariadb(self) -> bool:
        return self.own.url.startswith("mysql")

    def dsns(self, user: str = "", password: str = "") -> tuple[str, str]:
        """Of Ringback's own tables and of Asterisk's; for somebody else, if named."""
        if self.is_mariadb:
            own, asterisk = (
                f"{user}:{password}@tcp({one.server.address})/{one.name}" if user else one.dsn
                for one in (self.own, self.asterisk)
            )
            return own, asterisk
        who = f"{user}:{quote(password)}@{self.own.server.address}"
        url = f"postgresql://{who}/{self.own.name}" if user else self.own.url
        return f"{url}?search_path=bin_manager", f"{url}?search_path=asterisk"

    def for_asterisk(self) -> tuple[str, str]:
        """The same for a user who may do what an Asterisk must, as docs/asterisk.md says it."""
        own, asterisk = (self.own.name, self.asterisk.name) if self.is_mariadb else ("bin_manager", "asterisk")
        grants = {f"{asterisk}.{table}": "SELECT" for table in REALTIME}
        grants |= {f"{asterisk}.ps_contacts": "SELECT, INSERT, UPDATE, DELETE"}
        grants |= {f"{own}.{view}": "SELECT" for view in VIEWS}
        grants[f"{own}.ringback_channel_events"] = "INSERT"
        secret = PASSWORD.replace("'", "''")
        if self.is_mariadb:
            escaped = secret.replace("\\", "\\\\")
            self.own.execute(f"CREATE USER {USER} IDENTIFIED BY '{escaped}'")
        else:
            self.own.execute(f"CREATE USER {USER} PASSWORD '{secret}'")
            self.own.execute(f"GRANT USAGE ON SCHEMA bin_manager, asterisk TO {USER}")
        for table, what in grants.items():
            self.own.execute(f"GRANT {what} ON {table} TO {USER}")
        return self.dsns(USER, PASSWORD)

    def sql(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """What somebody else sees of both; `?` stands for a value, ids are bytes and JSON is text."""
        text = text.replace("%", "%%").replace("?", "%s") if values else text
        server: Any = self.own.server
        if self.is_mariadb:
            text = re.sub(r"\bps_[a-z]+\b", lambda found: f"{self.asterisk.name}.{found[0]}", text)
            return self.own.execute(text, *values)
        with server.connect(self.own.name) as connection:
            connection.execute("SET search_path = bin_manager, asterisk")
            given = [UUID(bytes=value) if isinstance(value, bytes) else value for value in values]
            done = connection.execute(text, given or None)
            rows = done.fetchall() if done.description else []
            return [tuple(json.dumps(cell) if isinstance(cell, dict) else cell for cell in row) for row in rows]

    def cut(self) -> None:
        """End the connections that Asterisk has."""
        if self.is_mariadb:
            self.own.execute(f"KILL USER {USER}")
        else:
            self.own.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{USER}'")

    def _make_stock(self) -> None:
        spelt: Mapping[str, str] = {kind: f"enum({', '.join(map(repr, words))})" for kind, words in ENUMS.items()}
        for kind, words in {} if self.is_mariadb else spelt.items():
            self.sql(f"CREATE TYPE asterisk.{kind} AS {words}")
        for name, columns in STOCK.items():
            for kind, words in spelt.items() if self.is_mariadb else ():
                columns = re.sub(rf"\b{kind}\b", words, columns)
            self.sql(f"CREATE TABLE {name if self.is_mariadb else f'asterisk.{name}'} ({columns})")
