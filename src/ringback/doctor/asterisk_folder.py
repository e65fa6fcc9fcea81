"""The configuration folder of an Asterisk: as it would be written today, for this database, with all that it names."""

import os
import pwd
import socket
import stat
from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as Unreadable
from dataclasses import replace
from pathlib import Path
from typing import Final

from ringback import asterisk_checks, config_checks
from ringback.ami_flags import manager_of
from ringback.doctor.given import Given
from ringback.kit.checks import Check, ok, problem, unknown, warning
from ringback.settings import Settings
from ringback.sip import odbc, written
from ringback.sip.ami_conf import MANAGER
from ringback.sip.config import AsteriskOptions, asterisk_files
from ringback.sip.odbc import CREDENTIALS, sqlite_url
from ringback.spellings import host_and_port

NAME: Final = "asterisk_config"
PLACES: Final = ("Database", "Server", "Servername", "Port", "Socket")
AGAIN: Final = "write it anew with 'ringback sip asterisk-config --force', and restart Asterisk"
MAIN: Final = "asterisk.conf"
PATIENCE: Final = 2.0


async def asterisk(given: Given) -> list[Check]:
    """Of `--asterisk_config`, if it is given."""
    if given.asterisk is None:
        return [ok(NAME, "No folder of an Asterisk is looked at: name it by --asterisk_config")]
    assert given.settings
    options, wrong = options_of(given.asterisk, given.settings)
    if options is None:
        return [wrong]
    found = _elsewhere(given.asterisk, options) or await _looked(given.asterisk, options, given.settings)
    return [replace(check, name=NAME) for check in found if check.state != "ok"] or [
        ok(NAME, f"{given.asterisk} is as it would be written now, and reads this database")
    ]


def options_of(folder: Path, settings: Settings) -> tuple[AsteriskOptions | None, Check]:
    """What it was written with, and the settings as they are; or what is in the way."""
    text, away = _text(folder / MAIN)
    wrong = problem(NAME, away if folder.is_dir() else f"There is no folder {folder}", AGAIN)
    if away:
        return None, wrong
    if "ringback sip asterisk-config" not in text:
        wrong = unknown(
            NAME, f"{folder} was not written by Ringback", "name the folder of 'ringback sip asterisk-config'"
        )
        return None, wrong
    own, theirs = settings.databases
    known = AsteriskOptions(
        database=sqlite_url(settings.database_file) if settings.is_embedded else theirs,
        directs=None if settings.is_embedded else own,
        domain_name_extension=settings.domain_name_extension,
        domain_name_sip=settings.sip_domain,
    )
    if (found := written.marked(text, known)) is None:
        return None, problem(NAME, f"{folder / MAIN} is not this version's, or was edited", AGAIN)
    return _with_secrets(folder, found, settings), wrong


def _with_secrets(folder: Path, options: AsteriskOptions, settings: Settings) -> AsteriskOptions:
    """As who it comes to the databases, and what Ringback has to say at its manager port."""
    text, _ = _text(folder / CREDENTIALS)
    urls = {source.name: odbc.as_written(source.url, source.name, text) for source in options.sources}
    options = replace(options, database=urls["ringback"])
    if options.directs:
        directs = urls["ringback-directs"]
        options = replace(
            options, directs=options.directs._replace(username=directs.username, password=directs.password)
        )
    if (port := options.manager) is None:
        return options
    known = manager_of(settings, folder, f"{port.host}:{port.port}", ",".join(port.permit))
    return replace(options, manager=replace(port, user=known.user, secret=known.secret))


def _text(file: Path) -> tuple[str, str]:
    """What it says, and what is in the way."""
    try:
        return file.read_text(errors="surrogateescape"), ""
    except FileNotFoundError:
        return "", f"{file.parent} has no {file.name}"
    except OSError as error:
        return "", f"{file} cannot be read ({(error.strerror or '').lower()})"


def _elsewhere(folder: Path, options: AsteriskOptions) -> list[Check]:
    """The section of odbc.ini that leads elsewhere than the settings do: nothing else of it is ours to look at."""
    text, away = _text(folder / "odbc.ini")
    wanted, there = _ini(odbc.odbc_ini(options.sources)), _ini(text)
    for section, values in () if away else wanted.items():
        mine = there.get(section, {})
        wrong = [name for name in PLACES if mine.get(name) != values.get(name)]
        if wrong:
            said = ", ".join(f"{name} is {mine.get(name, 'not there')}, not {values.get(name)}" for name in wrong)
            return [problem(NAME, f"Asterisk reads another database ({section} of odbc.ini: {said})", AGAIN)]
    return []


def _ini(text: str) -> dict[str, dict[str, str]]:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except Unreadable:
        return {}
    return {name: dict(parser[name]) for name in parser.sections()}


async def _looked(folder: Path, options: AsteriskOptions, settings: Settings) -> list[Check]:
    secret = {CREDENTIALS} if any(source.url.password for source in options.sources) else set()
    secret |= {MANAGER} if options.manager else set()
    found = config_checks.files(folder, asterisk_files(options), secret, AGAIN)
    if options.directs is None:
        found += [*asterisk_checks.file(options, shared=False), *_closed(options)]
    elif os.access(folder / CREDENTIALS, os.R_OK):
        found += await asterisk_checks.servers(options, settings)
    if not Path(options.directories.modules).is_dir():
        return [*found, ok(NAME, "That Asterisk is not on this machine: what it has is not looked at")]
    return [*found, *asterisk_checks.parts(options), *_silent(options, settings)]


def _closed(options: AsteriskOptions) -> Iterator[Check]:
    """Whoever runs Asterisk, if it runs, may write the SQLite file and its folder."""
    try:
        who = pwd.getpwuid(Path(options.directories.run, "asterisk.ctl").stat().st_uid)
    except (OSError, KeyError):
        return
    groups = os.getgrouplist(who.pw_name, who.pw_gid)
    file = Path(options.database.database or "")
    for path in (file, file.parent):
        about = path.stat()
        bit = stat.S_IWUSR if about.st_uid == who.pw_uid else stat.S_IWGRP if about.st_gid in groups else stat.S_IWOTH
        if who.pw_uid and not about.st_mode & bit:
            seen = f"{who.pw_name}, who runs Asterisk, may not write to {path}: no phone gets registered"
            yield problem(NAME, seen, f"chgrp {who.pw_name} {path} && chmod g+rw{'xs' if path.is_dir() else ''} {path}")


def _silent(options: AsteriskOptions, settings: Settings) -> Iterator[Check]:
    """Whom phones and the dialplan would reach in vain."""
    bind = "127.0.0.1" if options.bind == "0.0.0.0" else options.bind
    if is_refused(bind, options.sip_port):
        seen = f"No Asterisk listens at {options.bind}:{options.sip_port}, where phones register"
        yield warning(NAME, seen, f"start it (asterisk -C {options.directories.etc}/{MAIN}), and see its log")
    whom = "call-manager", "who rings", "calls go on by the database alone"
    yield from _asked("agi_listen_address", options.agi, settings.agi_listen_address, *whom)
    whom = "router-manager", "to run policies", "what they require fails, and such calls are refused (503)"
    yield from _asked("screen_listen_address", options.screen, settings.screen_listen_address, *whom)


def _asked(setting: str, asked: str, there: str, who: str, what: str, otherwise: str) -> Iterator[Check]:
    """Whether somebody is where the dialplan asks, if it does."""
    if asked and asked != there:
        seen = f"The dialplan asks {asked} {what}, and {who} listens at {there or 'no address'} ({setting})"
        yield problem(NAME, seen, f"set {setting} to where it asks, or write the folder anew")
    elif asked and is_refused(*host_and_port(asked)):
        seen = f"Nobody listens at {asked}, whom the dialplan asks {what}: {otherwise}"
        yield warning(NAME, seen, f"start {who} ('ringback up' runs it)")
    elif there and not asked and setting.startswith("screen"):
        seen = f"The dialplan asks nobody {what}, and {who} listens at {there} ({setting})"
        yield warning(NAME, seen, AGAIN)


def is_refused(host: str, port: int) -> bool:
    """Whether that port of that host is closed for sure."""
    try:
        socket.create_connection((host, port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
