"""Where a database is, from either spelling: a Go DSN or a SQLAlchemy URL."""

import re

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

GO = re.compile(
    r"(?P<user>[^:@]*)(?::(?P<password>.*))?@tcp\((?P<host>\[[^\]]+\]|[^:)]+)(?::(?P<port>\d+))?\)/(?P<db>[^?]*)(?:\?.*)?"
)


def parse_dsn(text: str) -> URL:
    """`user:pass@tcp(host:3306)/db?opt` or `dialect://…` as one URL without options; `ValueError` says what is wrong.

    The Go form has no escapes: its password runs up to the last `@tcp(`, so `@`, `:` and `/` in it are fine.
    """
    if found := GO.fullmatch(text):
        return URL.create(
            "mysql",
            username=found["user"] or None,
            password=found["password"],
            host=found["host"].strip("[]"),
            port=int(found["port"] or 3306),
            database=found["db"] or None,
        )
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError(
            "must be user:password@tcp(host:port)/database or dialect://user:password@host/database"
        ) from None
    backend = url.get_backend_name()
    ports = {"mysql": 3306, "mariadb": 3306, "postgresql": 5432}
    if backend not in (*ports, "sqlite"):
        raise ValueError("must name one of mysql, mariadb, postgresql, sqlite")
    return URL.create(
        "mysql" if backend == "mariadb" else backend,
        username=url.username,
        password=url.password if url.password is None else str(url.password),
        host=url.host,
        port=url.port or ports.get(backend),
        database=url.database,
    )
