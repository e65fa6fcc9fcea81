"""Where a database is, from either spelling: a Go DSN or a SQLAlchemy URL."""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ringback.kit.errors import CannotStart

GO: Final = re.compile(
    r"(?P<user>[^:@]*)(?::(?P<password>.*))?@"
    r"(?:tcp\((?P<host>\[[^\]]+\]|[^:)]+)(?::(?P<port>\d+))?\)|unix\((?P<socket>/[^)]*)\))"
    r"/(?P<db>[^?]*)(?:\?(?P<options>.*))?"
)
PORTS: Final = {"mysql": 3306, "mariadb": 3306, "postgresql": 5432}
SEARCH_PATH: Final = re.compile(r"(?:^|\s)-c\s*search_path=(\S+)")
NAME: Final = re.compile(r"[A-Za-z_]{1,32}")
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
CHECKED: Final = ("true", "verify-ca", "verify-full")
UNCHECKED: Final = ("skip-verify", "require")
PLAIN: Final = ("", "false", "disable")
HIGHEST: Final = 65535
"""Port."""
MYSQL: Final = ("unix_socket", "ssl_ca", "ssl_capath", "ssl_check_hostname", "tls", "sslmode")
IDLE: Final = (
    *("allowAllFiles", "allowCleartextPasswords", "allowFallbackToPlaintext", "allowNativePasswords"),
    *("allowOldPasswords", "charset", "checkConnLiveness", "clientFoundRows", "collation", "columnsWithAlias"),
    *("compress", "connectionAttributes", "interpolateParams", "loc", "maxAllowedPacket", "multiStatements"),
    *("parseTime", "readTimeout", "rejectReadOnly", "serverPubKey", "timeTruncate", "timeout", "writeTimeout"),
)
"""Options of Go's driver and of SQLAlchemy's that are nothing to us: what they settle is settled here."""
POSTGRESQL: Final = ("host", "port", "sslmode", "sslrootcert", "search_path", "options")
IDLE_POSTGRESQL: Final = ("application_name", "client_encoding", "connect_timeout", "TimeZone", "gssencmode")


def parse_dsn(text: str) -> URL:
    """`user:pass@tcp(host:3306)/db?opt` or `dialect://…` as one URL; `ValueError` says what is wrong.

    The Go form has no escapes: its password runs up to the last `@tcp(`, so `@`, `:` and `/` in it are fine.
    A socket is `@unix(/path)` there, and `?unix_socket=/path` or, on PostgreSQL, `?host=/folder` in a URL.

    Of the options these are kept, in one spelling: `search_path` (PostgreSQL, also out of `options=-csearch_path=…`),
    `sslmode` and `sslrootcert` (PostgreSQL), `ssl_ca`, `ssl_capath` and `ssl_check_hostname` (MariaDB, also out of
    `tls=true`, `tls=skip-verify` and `sslmode=…`). Go's others do nothing here, and one that nobody knows is refused.
    """
    if found := GO.fullmatch(text):
        return _of_go(found)
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError(
            "must be user:password@tcp(host:port)/database or dialect://user:password@host/database"
        ) from None
    backend = url.get_backend_name()
    if backend not in (*PORTS, "sqlite"):
        raise ValueError("must name one of mysql, mariadb, postgresql, sqlite")
    options = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    is_mysql = backend in ("mysql", "mariadb")
    _require_port(url.port)
    return URL.create(
        "mysql" if is_mysql else backend,
        username=url.username,
        password=url.password if url.password is None else str(url.password),
        host=url.host,
        port=url.port or (PORTS.get(backend) if url.host else None),
        database=url.database,
        query=_of_mysql(options) if is_mysql else _of_postgresql(options),
    )


def _of_go(found: re.Match[str]) -> URL:
    options = dict(parse_qsl(found["options"] or "", keep_blank_values=True))
    _require_port(int(found["port"] or PORTS["mysql"]))
    return URL.create(
        "mysql",
        username=found["user"] or None,
        password=found["password"],
        host=found["host"].strip("[]") if found["host"] else None,
        port=int(found["port"] or PORTS["mysql"]) if found["host"] else None,
        database=found["db"] or None,
        query=_of_mysql(options | ({"unix_socket": found["socket"]} if found["socket"] else {})),
    )


def _require_port(port: int | None) -> None:
    if port is not None and not 0 < port <= HIGHEST:
        raise ValueError(f"must have a port from 1 to {HIGHEST}")


def _number(text: str | None) -> int | None:
    return None if text is None else int(text) if text.isascii() and text.isdigit() else 0


def _require_known(options: Mapping[str, str], *known: str) -> None:
    """A name is no secret, unless somebody has written a password there: it is shown if it looks like a name."""
    for name in options:
        if name not in known:
            told = f"{name}=" if NAME.fullmatch(name) else "of that name"
            raise ValueError(f"must have no option {told}: nobody knows it here")


def _of_mysql(options: Mapping[str, str]) -> dict[str, str]:
    """What the drivers of MariaDB are told."""
    _require_known(options, *MYSQL, *IDLE)
    kept = {name: value for name, value in options.items() if name in ("unix_socket", "ssl_ca", "ssl_capath")}
    mode = options.get("tls", options.get("sslmode", ""))
    if mode in CHECKED:
        return {**_authorities(), **kept, "ssl_check_hostname": str(mode != "verify-ca").lower()}
    if mode in UNCHECKED:
        return {**kept, "ssl_check_hostname": "false"}
    if mode not in PLAIN:
        raise ValueError("must have tls=true, tls=skip-verify or tls=false: no other is known here")
    if "ssl_ca" in kept or "ssl_capath" in kept:
        return {**kept, "ssl_check_hostname": options.get("ssl_check_hostname", "true")}
    return kept


def _authorities() -> dict[str, str]:
    """Whom this machine trusts."""
    paths = ssl.get_default_verify_paths()
    return {name: path for name, path in (("ssl_ca", paths.cafile), ("ssl_capath", paths.capath)) if path}


def _of_postgresql(options: Mapping[str, str]) -> dict[str, str]:
    _require_known(options, *POSTGRESQL, *IDLE_POSTGRESQL)
    _require_port(_number(options.get("port")))
    kept = {name: value for name, value in options.items() if name in ("host", "port", "sslmode", "sslrootcert")}
    if options.get("sslmode", "prefer") not in SSL_MODES:
        raise ValueError(f"must have an sslmode of {', '.join(SSL_MODES)}")
    found = SEARCH_PATH.search(options.get("options", ""))
    path = options.get("search_path") or (found[1] if found else "")
    return {**kept, **({"search_path": path.partition(",")[0].strip()} if path else {})}


def one_sqlite_file(own: URL, asterisk: URL) -> Path:
    """The file that both databases are; `CannotStart` where they are anything else."""
    for name, url in (("database_dsn_bin", own), ("database_dsn_asterisk", asterisk)):
        if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
            raise CannotStart(f"{name}: must be a SQLite file for this, e.g. sqlite:///var/ringback.db")
    if own.database != asterisk.database:
        raise CannotStart("database_dsn_asterisk: must name the same SQLite file as database_dsn_bin")
    return Path(str(own.database))
