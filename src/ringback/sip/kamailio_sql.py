"""How a Kamailio edge reaches a database, be it SQLite, MariaDB or PostgreSQL, and how it spells SQL there."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import URL


@dataclass(frozen=True, slots=True)
class Engine:
    """A kind of database: Kamailio's module for it, Debian's package of that, and two words of its SQL.

    `text` makes text of hexadecimal digits, `words` makes text of a JSON column; `{}` stands for those."""

    module: str
    package: str
    text: str
    words: str


ENGINES: Final[Mapping[str, Engine]] = {
    "sqlite": Engine("db_sqlite", "kamailio-sqlite-modules", "CAST(x'{}' AS TEXT)", "{}"),
    "mysql": Engine("db_mysql", "kamailio-mysql-modules", "_utf8mb4 x'{}'", "{}"),
    "postgresql": Engine(
        "db_postgres", "kamailio-postgres-modules", "convert_from(decode('{}', 'hex'), 'UTF8')", "CAST({} AS TEXT)"
    ),
}
"""By the backend's name in a URL."""
SECONDS: Final = 1
"""That a query may take; the drivers try up to three times."""


def engine_of(url: URL) -> Engine:
    """Its kind of database."""
    return ENGINES[url.get_backend_name()]


def spelt(routes: str, url: URL) -> str:
    """Routes for that database: `TEXT<hex digits>` is text, `WORDS<column>` a JSON column as text."""
    engine = engine_of(url)
    routes = re.sub(r"TEXT<([^<>]*)>", lambda found: engine.text.replace("{}", found[1]), routes)
    return re.sub(r"WORDS<([^<>]*)>", lambda found: engine.words.replace("{}", found[1]), routes)


def connection(name: str, url: URL) -> str:
    """The lines that make the database known to the routes by that name."""
    return f'{NOTES[url.get_backend_name()](url)}modparam("sqlops", "sqlcon", "{name}=>{place(url)}")\n'


def writing(name: str, url: URL) -> str:
    """The line that makes a database known where something is written, too."""
    # The same file by a name that is not the one that is read only.
    at = f"sqlite:////.{url.database}" if url.get_backend_name() == "sqlite" else place(url)
    return f'modparam("sqlops", "sqlcon", "{name}=>{at}")\n'


def _sqlite(url: URL) -> str:
    return f"""\
# An absolute path, so four slashes. Read only, but by its other name, where the phones are written: Ringback keeps the
# file in WAL mode, so readers wait for nobody. Each worker opens it for itself. Kamailio's user must be able to write
# the file and what is beside it.
modparam("db_sqlite", "db_set_readonly", "{url.database}")
"""


def _mariadb(url: URL) -> str:
    return f"""\
# Each worker has a connection of its own, and makes a new one when that is lost. A server that says nothing is given up
# after three times so many seconds.
modparam("db_mysql", "timeout_interval", {SECONDS})
"""


def _postgresql(url: URL) -> str:
    return f"""\
# Each worker has a connection of its own, and makes a new one when that is lost, or when a query has not been answered
# in so many seconds. Behind the last slash stands what libpq is told.
modparam("db_postgres", "timeout", {SECONDS})
modparam("db_postgres", "retries", 1)
"""


NOTES: Final[Mapping[str, Callable[[URL], str]]] = {"sqlite": _sqlite, "mysql": _mariadb, "postgresql": _postgresql}


def place(url: URL) -> str:
    """The database as a URL of Kamailio's, with its password."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database}"
    password = "" if url.password is None else f":{url.password}"
    host = f"[{url.host}]" if url.host and ":" in url.host else url.host or "localhost"
    port = f":{url.port}" if url.port else ""
    at = f"{url.username}{password}@{host}{port}" if url.username else f"{host}{port}"
    if url.get_backend_name() == "mysql":
        return f"mysql://{at}/{url.database}"
    return f"postgres://{at}/{' '.join(_told(url))}"


def _told(url: URL) -> Iterator[str]:
    yield f"dbname={url.database or url.username}"
    for name in ("host", "port", "sslmode", "sslrootcert"):
        if value := url.query.get(name):
            yield f"{name}={value}"
    if path := url.query.get("search_path"):
        yield f"options=-csearch_path={path}"
    yield "application_name=kamailio connect_timeout=2 tcp_user_timeout=3000"


def faults_of(url: URL) -> Iterator[str]:
    """What of it kamailio.cfg cannot say, without saying it."""
    texts = {"its host": url.host, "its database": url.database, "its user": url.username}
    texts |= {f"its {name}": str(value) for name, value in url.query.items()}
    for name, text in texts.items():
        if re.search(r"[^A-Za-z0-9_./:-]" if name != "its user" else r"[^A-Za-z0-9_.-]", text or ""):
            yield f"{name} must be plain letters, digits, '_', '.' and '-' for Kamailio"
    if re.search(UNSAYABLE, str(url.password or "")):
        yield "its password must not hold '\"', '\\', spaces or what is no ASCII, for Kamailio"
    if not (url.database or url.username):
        yield "it must name a database"
    if url.get_backend_name() == "mysql" and {"unix_socket", "ssl_check_hostname"} & set(url.query):
        yield "Kamailio's driver reaches MariaDB by TCP and without TLS alone"


UNSAYABLE: Final = r'["\\]|[^!-~]'
