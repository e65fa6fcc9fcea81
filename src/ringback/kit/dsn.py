"""Where a database is, from either spelling: a Go DSN or a SQLAlchemy URL."""

import re
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

GO: Final = re.compile(
    r"(?P<user>[^:@]*)(?::(?P<password>.*))?@"
    r"(?:tcp\((?P<host>\[[^\]]+\]|[^:)]+)(?::(?P<port>\d+))?\)|unix\((?P<socket>/[^)]*)\))"
    r"/(?P<db>[^?]*)(?:\?(?P<options>.*))?"
)
PORTS: Final = {"mysql": 3306, "mariadb": 3306, "postgresql": 5432}
SEARCH_PATH: Final = re.compile(r"(?:^|\s)-c\s*search_path=(\S+)")
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
CHECKED: Final = ("true", "verify-ca", "verify-full")
UNCHECKED: Final = ("skip-verify", "require")
PLAIN: Final = ("", "false", "disable")


def parse_dsn(text: str) -> URL:
    """`user:pass@tcp(host:3306)/db?opt` or `dialect://…` as one URL; `ValueError` says what is wrong.

    The Go form has no escapes: its password runs up to the last `@tcp(`, so `@`, `:` and `/` in it are fine.
    A socket is `@unix(/path)` there, and `?unix_socket=/path` or, on PostgreSQL, `?host=/folder` in a URL.

    Of the options these are kept, in one spelling: `search_path` (PostgreSQL, also out of `options=-csearch_path=…`),
    `sslmode` and `sslrootcert` (PostgreSQL), `ssl_ca`, `ssl_capath` and `ssl_check_hostname` (MariaDB, also out of
    `tls=true`, `tls=skip-verify` and `sslmode=…`). Go's others do nothing here.
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
    options = dict(parse_qsl(found["options"] or ""))
    return URL.create(
        "mysql",
        username=found["user"] or None,
        password=found["password"],
        host=found["host"].strip("[]") if found["host"] else None,
        port=int(found["port"] or PORTS["mysql"]) if found["host"] else None,
        database=found["db"] or None,
        query=_of_mysql(options | ({"unix_socket": found["socket"]} if found["socket"] else {})),
    )


def _of_mysql(options: Mapping[str, str]) -> dict[str, str]:
    """What the drivers of MariaDB are told."""
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
    kept = {name: value for name, value in options.items() if name in ("host", "port", "sslmode", "sslrootcert")}
    if options.get("sslmode", "prefer") not in SSL_MODES:
        raise ValueError(f"must have an sslmode of {', '.join(SSL_MODES)}")
    found = SEARCH_PATH.search(options.get("options", ""))
    path = options.get("search_path") or (found[1] if found else "")
    return {**kept, **({"search_path": path.partition(",")[0].strip()} if path else {})}
