"""What is wrong with a folder that was written for a SIP server and with what it names; nothing is started."""

import errno
import socket
import sqlite3
import stat
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from ringback.kit.checks import Check, ok, problem, unknown, warning
from ringback.sip.func_odbc import VIEWS

SOON: Final = timedelta(days=21)
WRITE: Final = "write it anew: the same command without --check"
Port = tuple[str, str, int]
"""`UDP` or `TCP`, address, number."""


def files(folder: Path, wanted: Mapping[str, str], secret: Container[str], again: str = WRITE) -> list[Check]:
    """They are there, say what would be written today, and show no secret; no text of the `secret` ones is told.

    `again` is how they are written anew."""
    if not folder.is_dir():
        return [problem("files", f"There is no folder {folder}", again)]
    found = [check for name, text in wanted.items() for check in _file(folder / name, text, name in secret, again)]
    return found or [ok("files", f"All {len(wanted)} of {folder} are what would be written now")]


def _file(file: Path, wanted: str, is_secret: bool, again: str) -> Iterator[Check]:
    try:
        text, mode = file.read_text(errors="surrogateescape"), file.stat().st_mode
    except FileNotFoundError:
        yield problem("files", f"{file.name} is missing", again)
        return
    except PermissionError:
        yield unknown("files", f"{file.name} cannot be read by this user", "ask as root")
        return
    except OSError as error:
        yield problem("files", f"{file.name} cannot be read ({(error.strerror or '').lower()})", again)
        return
    if text != wanted:
        where = _first_difference(text, wanted, is_secret=is_secret)
        yield problem(
            "files",
            f"{file.name} is not what would be written now{where}",
            again if "--force" in again else f"{again}, and --force",
        )
    if is_secret and mode & 0o077:
        yield problem("files", f"{file.name} holds a secret, and others may read it", f"chmod 600 {file}")
    elif mode & 0o002:
        yield problem("files", f"Everybody may write {file.name}", f"chmod o-w {file}")


def _first_difference(there: str, wanted: str, *, is_secret: bool) -> str:
    mine, new = there.splitlines(), wanted.splitlines()
    at = next((at for at, pair in enumerate(zip_longest(mine, new)) if pair[0] != pair[1]), None)
    if at is None:
        return " (its last line has no end)"
    if is_secret:
        return f" (line {at + 1})"
    if mine[at:] == new[at + 1 :]:
        return f" (line {at + 1} is missing: {new[at]!r})"
    if mine[at + 1 :] == new[at:]:
        return f" (line {at + 1} is {mine[at]!r}, and would not be there)"
    one, other = (repr(lines[at]) if at < len(lines) else "not there" for lines in (mine, new))
    return f" (line {at + 1} is {one}, and would be {other})"


def modules(folder: str, names: Iterable[str], package: str) -> list[Check]:
    """All are in the folder."""
    if not Path(folder).is_absolute():
        return [problem("modules", f"{folder} is no absolute path", "name it whole: --modules")]
    if not Path(folder).is_dir():
        return [problem("modules", f"There is no folder {folder}", f"install {package}, or name another by --modules")]
    missing = [name for name in names if not Path(folder, name).is_file()]
    if missing:
        return [problem("modules", f"{folder} has no {', '.join(missing)}", f"install all of {package}")]
    return [ok("modules", f"All are in {folder}")]


def ports(wanted: Sequence[Port]) -> list[Check]:
    """Each can be listened at; who listens there now cannot be told."""
    found = [check for one in wanted if (check := _port(*one))]
    return found or [ok("ports", f"{', '.join(f'{kind} {port}' for kind, _, port in wanted)} are free")]


def _port(kind: str, host: str, port: int) -> Check | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "UDP" else socket.SOCK_STREAM) as tried:
        if kind == "TCP":
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            named = f"{kind} {host}:{port}"
            if error.errno == errno.EADDRINUSE:
                return warning("ports", f"{named} is taken", "end what listens there, unless it is this very server")
            if error.errno == errno.EADDRNOTAVAIL:
                return problem("ports", f"{host} is no address of this machine", "name one that is: --bind")
            return unknown("ports", f"{named} cannot be tried ({(error.strerror or '').lower()})")
    return None


def sqlite(file: Path, names: Iterable[str], *, shared: bool = True) -> list[Check]:
    """The file is there, with those tables and views, and if it is `shared`, for more than its owner to write."""
    if not file.is_file():
        return [problem("database", f"There is no file {file}", "'ringback up' or 'ringback db upgrade' makes it")]
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as error:
        return [problem("database", f"{file} cannot be read ({error})", "name Ringback's own file: --database")]
    if lacking := [name for name in names if name not in there]:
        return [problem("database", f"{file} has no {', '.join(lacking)}", made_again(lacking))]
    return (list(_closed(file)) if shared else []) or [ok("database", f"{file} has all that is read there")]


def made_again(lacking: Iterable[str]) -> str:
    """How a database gets them: an upgrade makes views again, and no table of a version that is there."""
    if set(lacking) <= {*VIEWS}:
        return "'ringback db upgrade' makes it again"
    return (
        "'ringback db upgrade'; where 'ringback db current' says that it is up to date, restore it from a backup, "
        "or make it by what 'ringback db upgrade --sql' prints"
    )


def _closed(file: Path) -> Iterator[Check]:
    """Contacts are written there, and SQLite's journals beside it."""
    for path in (file.parent, file):
        if not path.stat().st_mode & stat.S_IWGRP:
            do = f"unless the server runs as that user: chgrp <its group> {path} && chmod g+rw {path}"
            yield warning("database", f"Its owner alone may write to {path}", do)


def certificate(chain: str, key: str, hosts: Iterable[str], now: datetime | None = None) -> list[Check]:
    """It can be read, is good today, belongs to the key, and names one of the hosts that phones may be told."""
    try:
        found = x509.load_pem_x509_certificates(Path(chain).read_bytes())
        private = load_pem_private_key(Path(key).read_bytes(), None)
        mode = Path(key).stat().st_mode
    except OSError as error:
        seen = f"{error.filename} cannot be read ({(error.strerror or '').lower()})"
        tell = unknown if isinstance(error, PermissionError) else problem
        return [tell("certificate", seen, "name a file that can be read, or ask as root")]
    except (ValueError, TypeError):
        seen = f"{chain} is no certificate in PEM, or {key} no private key in PEM without a passphrase"
        return [problem("certificate", seen, "name such files: --tls_cert, --tls_key")]
    faults = []
    if mode & 0o007:
        faults.append(problem("certificate", f"Everybody may read {key}", f"chmod o= {key}"))
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if found[0].public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        faults.append(problem("certificate", f"{key} is not the key of {chain}", "name the two that belong together"))
    faults += _dates(chain, found, now or datetime.now(UTC))
    faults += _names(chain, found[0], list(hosts))
    return faults or [ok("certificate", f"{chain} is good until {_end(found):%Y-%m-%d}")]


def _end(chain: Sequence[x509.Certificate]) -> datetime:
    return min(one.not_valid_after_utc for one in chain)


def _dates(file: str, chain: Sequence[x509.Certificate], now: datetime) -> Iterator[Check]:
    begin, end = max(one.not_valid_before_utc for one in chain), _end(chain)
    if begin > now:
        yield problem("certificate", f"{file} is good from {begin:%Y-%m-%d} on only", "set the clock, or get another")
    if end <= now:
        yield problem("certificate", f"{file} ended on {end:%Y-%m-%d}", "renew it, and restart the server")
    elif end < now + SOON:
        yield warning("certificate", f"{file} ends on {end:%Y-%m-%d}", "renew it soon, and restart the server")


def _names(file: str, leaf: x509.Certificate, hosts: Sequence[str]) -> Iterator[Check]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        yield problem("certificate", f"{file} names no host", "get one with subjectAltName")
        return
    told = [
        *names.get_values_for_type(x509.DNSName),
        *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    ]
    if not any(_covers(name, host) for name in told for host in hosts):
        seen = f"{file} is for {', '.join(told)}, not for {' or '.join(hosts)}"
        yield warning("certificate", seen, "tell phones one of its names, or get one for yours")


def _covers(name: str, host: str) -> bool:
    """As browsers compare (RFC 6125); a realm below the host is the host's own matter."""
    name, host = name.lower(), host.lower()
    return name == host or (name.startswith("*.") and "." in host and name[1:] == host[host.index(".") :])
