"""The configuration folder of a Kamailio: ours, of this version, readable, and for this database."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from ringback import config_checks, kamailio_checks
from ringback.doctor.asterisk_folder import is_refused, options_of
from ringback.doctor.given import Given
from ringback.kit.checks import Check, ok, problem, warning
from ringback.kit.secret import Secret
from ringback.settings import Settings
from ringback.sip import kamailio
from ringback.sip.kamailio import KamailioOptions
from ringback.sip.kamailio_voice import LIST, asterisks_in
from ringback.sip.odbc import sqlite_url
from ringback.sip.transports_conf import Tls

NAME: Final = "kamailio_config"
EDGE: Final = kamailio.FILE
AGAIN: Final = "write it anew with 'ringback sip kamailio-config --force', and restart Kamailio"


async def edge(given: Given) -> list[Check]:
    """Of `--kamailio_config`, if it is given."""
    if given.kamailio is None:
        return []
    assert given.settings
    texts, wrong = _read(given.kamailio, [EDGE, LIST])
    if wrong:
        return [problem(NAME, wrong, AGAIN)]
    options = _options(given.settings, given.kamailio, texts)
    found = config_checks.files(given.kamailio, kamailio.kamailio_files(options), {EDGE}, AGAIN)
    found += [*await kamailio_checks.databases(options, given.settings, shared=False), *_strangers(given, options)]
    if Path(options.modules).is_dir():
        found += [*kamailio_checks.parts(options, given.settings), *_silent(options)]
    if faults := [replace(check, name=NAME) for check in found if check.state != "ok"]:
        return faults
    if given.settings.secret_storage == "plaintext":  # noqa: S105
        return [warning(NAME, "It knows digests alone, and none are kept", "set secret_storage=digest")]
    return [ok(NAME, f"{given.kamailio / EDGE} is this version's, and reads this database")]


def _read(folder: Path, names: list[str]) -> tuple[dict[str, str], str]:
    """Their texts, or what is in the way."""
    if not folder.is_dir():
        return {}, f"There is no folder {folder}"
    texts = {}
    for name in names:
        try:
            texts[name] = (folder / name).read_text(errors="surrogateescape")
        except FileNotFoundError:
            return {}, f"{folder} has no {name}"
        except OSError as error:
            return {}, f"{folder / name} cannot be read ({(error.strerror or '').lower()})"
    return texts, ""


def _strangers(given: Given, options: KamailioOptions) -> Iterator[Check]:
    """The Asterisk whose folder is given, too, and this edge must know each other."""
    assert given.settings
    asterisk = options_of(given.asterisk, given.settings)[0] if given.asterisk else None
    if asterisk is None:
        return
    if options.inner_at not in asterisk.edge.split(","):
        seen = f"This edge is {options.inner_at}, and Asterisk believes {asterisk.edge or 'nobody'} whose trunk calls"
        yield problem(NAME, seen, f"write Asterisk's folder anew with --edge {options.inner_at}, and restart it")
    at = f"{asterisk.bind}:{asterisk.public_port}"
    if asterisk.bind != "0.0.0.0" and at not in options.asterisks:
        seen = f"This edge hands calls to {', '.join(options.asterisks)}, and Asterisk takes them at {at}"
        yield problem(NAME, seen, f"write this folder anew with --asterisk {at}, and restart Kamailio")


def _silent(options: KamailioOptions) -> Iterator[Check]:
    if is_refused(options.bind, options.sip_port):
        seen = f"No Kamailio listens at {options.bind}:{options.sip_port}"
        yield warning(NAME, seen, f"start it (kamailio -f {options.folder}/{EDGE}), and see its log")


def _options(settings: Settings, folder: Path, texts: dict[str, str]) -> KamailioOptions:
    """As it would be written now, with what of the files is their own: addresses, names, folders, the secret."""
    text = texts[EDGE]
    values = {name: _one(pattern, text) for name, pattern in OWN.items()}
    return KamailioOptions(
        database=_edges_database(settings, text, "ringback", 0),
        tables=None if settings.is_embedded else _edges_database(settings, text, "asterisk", 1),
        bind=values["bind"],
        asterisks=asterisks_in(texts[LIST]),
        secret=kamailio.secret_in(text) or Secret(""),
        sip_port=int(values["sip_port"] or 0),
        domain_name_extension=settings.domain_name_extension,
        domain_name_trunk=settings.domain_name_trunk,
        direct_miss_limit=settings.direct_miss_limit,
        workers=int(values["workers"] or 0),
        tls=_edges_tls(values),
        name=values["name"],
        external_address=values["external_address"],
        inner_port=int(values["edge"] or 0),
        tells=values["tells"],
        folder=str(folder.absolute()),
        modules=values["modules"],
    )


def _edges_tls(values: dict[str, str]) -> Tls | None:
    if not values["certificate"]:
        return None
    wss = int(values["wss"] or 0)
    port = int(values["tls"] or 0)
    return Tls(values["certificate"], values["key"], 0 if port == wss else port, wss)


def _edges_database(settings: Settings, text: str, name: str, which: int) -> URL:
    """Ours, for the user that the file names."""
    if settings.is_embedded:
        return sqlite_url(settings.database_file)
    found = re.search(
        rf'^modparam\("sqlops", "sqlcon", "{name}=>[a-z]+://([^:@]+)(?::(.*))?@.*"\)$', text, re.MULTILINE
    )
    ours = settings.databases[which]
    return ours.set(username=found[1], password=found[2]) if found else ours


OWN: Final = {
    "bind": r"^listen=tcp:(\S+):\d+",
    "sip_port": r"^listen=tcp:\S+:(\d+)",
    "external_address": r"^listen=tcp:\S+ advertise (\S+):\d+$",
    "edge": r'^#!substdef "\|EDGE_AT\|.*:(\d+)\|"$',
    "name": r'^#!substdef "\|EDGE_NAME\|(.*)\|"$',
    "tells": r'^\tsend_data\("sip:([^"]+)", "contacts ',
    "workers": r"^children=(\d+)$",
    "modules": r'^mpath="(.*)"$',
    "certificate": r'^modparam\("tls", "certificate", "(.*)"\)$',
    "key": r'^modparam\("tls", "private_key", "(.*)"\)$',
    "tls": r"^listen=tls:\S+:(\d+)(?: .*)?$",
    "wss": r"\$Rp == (\d+) ",
}
"""Where what is an installation's own stands in kamailio.cfg."""


def _one(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else ""
