"""The configuration folders of an Asterisk and a Kamailio: ours, of this version, readable, and for this database."""

import re
from configparser import ConfigParser
from configparser import Error as Unreadable
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from ringback.doctor.given import Given
from ringback.kit.checks import Check, ok, problem, unknown, warning
from ringback.kit.secret import Secret
from ringback.settings import Settings
from ringback.sip import kamailio
from ringback.sip.ami_conf import MANAGER
from ringback.sip.config import AsteriskOptions, asterisk_files
from ringback.sip.dialplan import asked_in
from ringback.sip.kamailio import KamailioOptions
from ringback.sip.odbc import CREDENTIALS, sqlite_url
from ringback.sip.transports_conf import Tls

PARTICULAR: Final = frozenset(
    {"asterisk.conf", "modules.conf", "odbc.ini", CREDENTIALS, "extconfig.conf", "sorcery.conf", "pjsip.conf"}
    | {"rtp.conf", "http.conf", MANAGER}
)
"""Files that are others in each installation."""
PLACES: Final = ("Database", "Server", "Servername", "Port", "Socket")
EDGE: Final = "kamailio.cfg"
WRITE: Final = "write it anew with 'ringback sip {command}-config --force', and restart {server}"


async def asterisk(given: Given) -> list[Check]:
    """Of `--asterisk_config`, if it is given."""
    if given.asterisk is None:
        return []
    assert given.settings
    again = WRITE.format(command="asterisk", server="Asterisk")
    texts, wrong = _read(given.asterisk, list(asterisk_files(_options(given.settings))))
    if wrong:
        return [problem("asterisk_config", wrong, again)]
    if "ringback sip asterisk-config" not in texts["asterisk.conf"]:
        seen = f"{given.asterisk} was not written by Ringback"
        return [unknown("asterisk_config", seen, "name the folder of 'ringback sip asterisk-config'")]
    found = [*_stale(given, texts), *_elsewhere(given, texts), *_of_other_realm(given, texts), *_open(given.asterisk)]
    return [problem("asterisk_config", seen, do or again) for seen, do in found] or [
        ok("asterisk_config", f"{given.asterisk} is this version's, and reads this database")
    ]


async def edge(given: Given) -> list[Check]:
    """Of `--kamailio_config`, if it is given."""
    if given.kamailio is None:
        return []
    assert given.settings
    again = WRITE.format(command="kamailio", server="Kamailio")
    texts, wrong = _read(given.kamailio, [EDGE])
    if wrong:
        return [problem("kamailio_config", wrong, again)]
    if texts[EDGE] != _edge_again(given.settings, texts[EDGE]):
        seen = f"{given.kamailio / EDGE} is not what this version writes for these settings and this database"
        return [problem("kamailio_config", seen, again)]
    if (given.kamailio / EDGE).stat().st_mode & 0o077:
        return [problem("kamailio_config", "Others may read its secret", f"chmod 600 {given.kamailio / EDGE}")]
    if given.settings.secret_storage == "plaintext":  # noqa: S105
        return [warning("kamailio_config", "It knows digests alone, and none are kept", "set secret_storage=digest")]
    return [ok("kamailio_config", f"{given.kamailio / EDGE} is this version's, and reads this database")]


def _read(folder: Path, names: list[str]) -> tuple[dict[str, str], str]:
    """Their texts, or what is in the way. The files with secrets may be another user's alone."""
    if not folder.is_dir():
        return {}, f"There is no folder {folder}"
    texts = {}
    for name in names:
        try:
            texts[name] = (folder / name).read_text(errors="surrogateescape")
        except FileNotFoundError:
            return {}, f"{folder} has no {name}"
        except PermissionError:
            if name not in (CREDENTIALS, MANAGER):
                return {}, f"{folder / name} cannot be read by this user"
        except OSError as error:
            return {}, f"{folder / name} cannot be read ({(error.strerror or '').lower()})"
    return texts, ""


def _options(settings: Settings) -> AsteriskOptions:
    own, theirs = settings.databases
    if settings.is_embedded:
        return AsteriskOptions(sqlite_url(settings.database_file))
    return AsteriskOptions(theirs, own)


def _stale(given: Given, texts: dict[str, str]) -> list[tuple[str, str]]:
    assert given.settings
    options = replace(_options(given.settings), agi=asked_in(texts["extensions.conf"]))
    files = asterisk_files(options)
    stale = [name for name, text in files.items() if name not in PARTICULAR and texts.get(name, text) != text]
    return [(f"{', '.join(stale)} in {given.asterisk} are not this version's, or were edited", "")] if stale else []


def _elsewhere(given: Given, texts: dict[str, str]) -> list[tuple[str, str]]:
    """Each section of odbc.ini leads where the settings do."""
    assert given.settings
    wanted, there = _ini(asterisk_files(_options(given.settings))["odbc.ini"]), _ini(texts["odbc.ini"])
    for section, values in wanted.items():
        mine = there.get(section, {})
        wrong = [name for name in PLACES if mine.get(name) != values.get(name)]
        if wrong:
            said = ", ".join(f"{name} is {mine.get(name, 'not there')}, not {values.get(name)}" for name in wrong)
            return [(f"Asterisk reads another database ({section} of odbc.ini: {said})", "")]
    return []


def _ini(text: str) -> dict[str, dict[str, str]]:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except Unreadable:
        return {}
    return {name: dict(parser[name]) for name in parser.sections()}


def _of_other_realm(given: Given, texts: dict[str, str]) -> list[tuple[str, str]]:
    assert given.settings
    domain = given.settings.domain_name_extension
    found = re.search(r"^default_realm=(.*)$", texts["pjsip.conf"], re.MULTILINE)
    realm = found[1] if found else "none"
    if realm == domain or realm.endswith(f".{domain}"):
        return []
    return [(f"Asterisk challenges unknown phones with the realm {realm}, and ours end in {domain}", "")]


def _open(folder: Path) -> list[tuple[str, str]]:
    """Files with secrets that others may read."""
    secret = [folder / name for name in (CREDENTIALS, MANAGER) if _has_secret(folder / name)]
    readable = [str(file) for file in secret if file.stat().st_mode & 0o007]
    return [(f"Everybody may read {file}, which holds a password", f"chmod o= {file}") for file in readable]


def _has_secret(file: Path) -> bool:
    try:
        return re.search(r"^(password|secret)\s*=", file.read_text(errors="replace"), re.MULTILINE) is not None
    except OSError:
        return False


def _edge_again(settings: Settings, text: str) -> str:
    """What this version would write, with what of the file is its own: addresses, workers, modules, the secret."""
    values = {name: _one(pattern, text) for name, pattern in OWN.items()}
    return kamailio.kamailio_config(
        KamailioOptions(
            database=_edges_database(settings, text),
            bind=values["bind"],
            asterisk=values["asterisk"],
            secret=kamailio.secret_in(text) or Secret(""),
            sip_port=int(values["sip_port"] or 0),
            domain_name_extension=settings.domain_name_extension,
            domain_name_trunk=settings.domain_name_trunk,
            workers=int(values["workers"] or 0),
            tls=_edges_tls(values),
            modules=values["modules"],
        )
    )


def _edges_tls(values: dict[str, str]) -> Tls | None:
    if not values["certificate"]:
        return None
    wss = int(values["wss"] or 0)
    port = int(values["tls"] or 0)
    return Tls(values["certificate"], values["key"], 0 if port == wss else port, wss)


def _edges_database(settings: Settings, text: str) -> URL:
    """Ours, for the user that the file names."""
    if settings.is_embedded:
        return sqlite_url(settings.database_file)
    found = re.search(
        r'^modparam\("sqlops", "sqlcon", "ringback=>[a-z]+://([^:@]+)(?::(.*))?@.*"\)$', text, re.MULTILINE
    )
    own = settings.databases[0]
    return own.set(username=found[1], password=found[2]) if found else own


OWN: Final = {
    "bind": r"^listen=udp:(.*):\d+$",
    "sip_port": r"^listen=udp:.*:(\d+)$",
    "asterisk": r'^#!substdef "\|ASTERISK\|(.*)\|"$',
    "workers": r"^children=(\d+)$",
    "modules": r'^mpath="(.*)"$',
    "certificate": r'^modparam\("tls", "certificate", "(.*)"\)$',
    "key": r'^modparam\("tls", "private_key", "(.*)"\)$',
    "tls": r"^listen=tls:.*:(\d+)$",
    "wss": r"\$Rp == (\d+) ",
}
"""Where what is an installation's own stands in kamailio.cfg."""


def _one(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else ""
