"""How Asterisk reaches a database by ODBC, be it SQLite, MariaDB or PostgreSQL: its odbc.ini and res_odbc.conf."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus

from sqlalchemy import URL

CREDENTIALS: Final = "res_odbc.conf"
"""The file that has the passwords."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A kind of database: how people call it, what Debian's odbcinst.ini calls its driver, the package of that."""

    name: str
    driver: str
    package: str


ENGINES: Final[Mapping[str, Engine]] = {
    "sqlite": Engine("SQLite", "SQLite3", "libsqliteodbc"),
    "mysql": Engine("MariaDB", "MariaDB Unicode", "odbc-mariadb"),
    "postgresql": Engine("PostgreSQL", "PostgreSQL ANSI", "odbc-postgresql"),
}
"""By the backend's name in a URL. PostgreSQL's driver is the ANSI one: it hands on text as Asterisk has it."""
ENCODING: Final = "client_encoding"
"""The parameter of PostgreSQL: how bytes are read that somebody sends."""
USUAL_DRIVERS: Final = {backend: engine.driver for backend, engine in ENGINES.items()}


@dataclass(frozen=True, slots=True)
class Source:
    """One database: the section `name` of both files.

    `driver` is a name from odbcinst.ini or the full path of a library."""

    name: str
    url: URL
    driver: str


def sqlite_url(file: Path) -> URL:
    """A SQLite file as a database."""
    return URL.create("sqlite", database=str(file.absolute()))


def of_any_bytes(url: URL) -> URL:
    """The same, where PostgreSQL refuses no bytes: what callers call themselves may be no UTF-8."""
    return url.update_query_dict({ENCODING: "LATIN1"}) if url.get_backend_name() == "postgresql" else url


def faults_of(url: URL) -> list[str]:
    """What of it the two files cannot say, without saying it."""
    texts = {"its host": url.host, "its database": url.database}
    options = {f"its {name}": str(value) for name, value in url.query.items()}
    credentials = {"its user": url.username, "its password": url.password and str(url.password)}
    return [
        *(f"{name} must not hold ';' or control characters" for name in _matching(r"[;\x00-\x1f\x7f]", texts)),
        *(f"{name} must not hold ';', quotes or control characters" for name in _matching(IN_NO_OPTION, options)),
        *(
            f"{name} must not begin or end with a space, nor hold control characters"
            for name in _matching(r"[\x00-\x1f\x7f]|^\s|\s$", credentials)
        ),
        *([] if _database(url) else ["it must name a database"]),
    ]


IN_NO_OPTION: Final = r"[;'\"\\\x00-\x1f\x7f]"


def _matching(pattern: str, texts: Mapping[str, str | None]) -> list[str]:
    return [name for name, text in texts.items() if re.search(pattern, text or "")]


def _database(url: URL) -> str:
    return url.database or (url.username if url.get_backend_name() == "postgresql" else "") or ""


def odbc_ini(sources: tuple[Source, ...]) -> str:
    """Where the databases are; no password."""
    head = "; Not read by Asterisk itself: start it with ODBCINI=<this file>, or append this to /etc/odbc.ini.\n"
    return head + "".join(map(_section, sources))


def _section(source: Source) -> str:
    backend = source.url.get_backend_name()
    return f"""\
[{source.name}]
; A name from odbcinst.ini (Debian: package {ENGINES[backend].package}) or the full path of the library.
Driver = {source.driver}
{PLACES[backend](source.url)}"""


def _sqlite(url: URL) -> str:
    return f"""\
; The file that Ringback writes (in WAL mode: readers never wait). Asterisk's user must be able to write
; to the file and to its folder: contacts are stored there.
Database = {url.database}
; Milliseconds to wait for another writer; on giving up Asterisk answers 200 and loses the contact.
Timeout = 10000
"""


def _mariadb(url: URL) -> str:
    options = {name: str(value) for name, value in url.query.items()}
    socket = options.get("unix_socket")
    where = f"Socket = {socket}" if socket else f"TcpIp = 1\nPort = {url.port or 3306}"
    return f"""\
Server = {(not socket and url.host) or "localhost"}
{where}
Database = {url.database}
{_tls(options)}; Counted are rows that were found, not those that became others: if there is none, Asterisk drops the
; contact of a phone that registers twice in one second.
Options = 2
CharSet = utf8mb4
; What is too long or no UTF-8 (the name of a phone's make) is cut off and not refused: on a refusal Asterisk
; answers 200 and loses the contact.
InitStmt = SET SESSION sql_mode = ''
; Seconds after which a server that says nothing is given up.
Read_Timeout = 10
Write_Timeout = 10
"""


def _tls(options: Mapping[str, str]) -> str:
    if "ssl_check_hostname" not in options:
        return ""
    authorities = {"SslCa": options.get("ssl_ca"), "SslCaPath": options.get("ssl_capath")}
    found = "".join(f"{name} = {path}\n" for name, path in authorities.items() if path)
    return f"ForceTls = 1\nSslVerify = {int(bool(found))}\n{found}"


def _postgresql(url: URL) -> str:
    options = {name: str(value) for name, value in url.query.items()}
    first = f"SET client_encoding TO '{options.get(ENCODING, 'UTF8')}'"
    if path := options.get("search_path"):
        quoted = path.replace('"', '""')
        first += f'; SET search_path TO "{quoted}"'
    root = f" sslrootcert='{options['sslrootcert']}'" if "sslrootcert" in options else ""
    return f"""\
Servername = {url.host or options.get("host") or "localhost"}
Port = {url.port or options.get("port") or 5432}
Database = {_database(url)}
SSLmode = {options.get("sslmode", "prefer")}
; What is said first on each connection, with every character that is no letter as %XX and spaces as +.
ConnSettings = {quote_plus(first)}
; The last is milliseconds after which a server that says nothing is given up.
pqopt = application_name=asterisk{root} tcp_user_timeout=10000
"""


PLACES: Final[Mapping[str, Callable[[URL], str]]] = {"sqlite": _sqlite, "mysql": _mariadb, "postgresql": _postgresql}


def res_odbc_conf(sources: tuple[Source, ...]) -> str:
    """Who Asterisk is to the databases, and how many connections it may have."""
    head = """\
; The databases, by their sections of odbc.ini.
; ODBC, not res_config_sqlite3: that driver never deletes a row (a phone that unregistered goes on ringing
; until its contact expires) and by default reads an old snapshot of the file. And not res_config_pgsql: it has
; one connection, to one database.
"""
    return head + "".join(map(_pool, sources))


def as_written(source: URL, name: str, text: str) -> URL:
    """The same database by the user and the password that this res_odbc.conf has in that section."""
    section = re.search(rf"^\[{re.escape(name)}\]\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    found = dict(re.findall(r"^(username|password) => (.*)$", section[1] if section else "", re.MULTILINE))
    user, password = (found.get(what, "").replace(r"\;", ";") or None for what in ("username", "password"))
    return source._replace(username=user, password=password)


def _pool(source: Source) -> str:
    password = "" if source.url.password is None else str(source.url.password)
    given = {"username": source.url.username or "", "password": password}
    credentials = "".join(f"{name} => {_escaped(text)}\n" for name, text in given.items() if text)
    return f"""\
[{source.name}]
enabled => yes
dsn => {source.name}
{credentials}pre-connect => yes
max_connections => 5
; Seconds that a connection may take, and that none is tried after one has failed: the threads that wait for it
; serve nobody meanwhile.
connect_timeout => 3
negative_connection_cache => 1
"""


def _escaped(text: str) -> str:
    """As Asterisk's files want it: a semicolon would begin a comment."""
    return text.replace(";", r"\;")
