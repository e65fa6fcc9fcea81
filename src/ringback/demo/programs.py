"""The SIP servers that the demo and the live tests run: what each must be able to do, and where Debian has it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ringback.demo.install import Recipe, Unusable, first, said
from ringback.sip.kamailio_sql import ENGINES as KAMAILIO_ENGINES
from ringback.sip.odbc import ENGINES

DRIVERS = {"sqlite": "libsqlite3odbc.so", "mysql": "libmaodbc.so", "postgresql": "psqlodbca.so"}
DRIVERS_IN = ("usr/lib/*/odbc", "usr/lib*", "usr/local/lib")

OLDEST_ASTERISK = 16
OLDEST_KAMAILIO = (5, 6)
KAMAILIO_MODULES = {
    **{engine.package: f"{engine.module}.so" for engine in KAMAILIO_ENGINES.values()},
    "kamailio-tls-modules": "tls.so",
    "kamailio-websocket-modules": "websocket.so",
}
"""One of each of Debian's packages, by the package."""


@dataclass(frozen=True, slots=True)
class AsteriskProgram:
    """An Asterisk that can be started, and where its parts are."""

    command: tuple[str, ...]
    version: str
    modules: str
    data: str
    drivers: Mapping[str, str]
    """Those of ODBC that it has: full paths by the backends of `ringback.sip.odbc.ENGINES`."""

    @property
    def major(self) -> int:
        """The first number of the version, e.g. 22."""
        return int(self.version.split(".")[0])


def inspect_asterisk(command: tuple[str, ...], root: Path, needed: Iterable[str] = ("sqlite",)) -> AsteriskProgram:
    """It is new enough, speaks SIP by PJSIP and reads tables of the engines `needed` by ODBC."""
    text = said(command, "-V")
    version = re.match(r"Asterisk (?:certified/|certified-)?(\d+(?:\.\d+)*)", text)
    if version is None:
        raise Unusable(f"asterisk -V said {text.strip()[:100]!r}")
    if int(version[1].split(".")[0]) < OLDEST_ASTERISK:
        raise Unusable(f"Asterisk {version[1]} is older than {OLDEST_ASTERISK}")
    drivers = {
        backend: first(root, *(f"{folder}/{name}" for folder in DRIVERS_IN)) for backend, name in DRIVERS.items()
    }
    modules = first(root, "usr/lib/*/asterisk/modules", "usr/lib*/asterisk/modules", "usr/local/lib/asterisk/modules")
    data = first(root, "usr/share/asterisk", "var/lib/asterisk")
    if missing := [ENGINES[backend] for backend in needed if not drivers[backend]]:
        names = ", ".join(f"{engine.name} (package {engine.package})" for engine in missing)
        raise Unusable(f"Asterisk {version[1]} has no ODBC driver for {names}")
    for needed in ("chan_pjsip.so", "res_config_odbc.so"):
        if not modules or not Path(modules, needed).is_file():
            raise Unusable(f"Asterisk {version[1]} has no {needed}")
    return AsteriskProgram(command, version[1], modules, data, drivers)


@dataclass(frozen=True, slots=True)
class KamailioProgram:
    """A Kamailio that can be started, and where its modules are."""

    command: tuple[str, ...]
    version: str
    modules: str


def inspect_kamailio(command: tuple[str, ...], root: Path) -> KamailioProgram:
    """It is new enough, reads every engine, and speaks TLS and WebSocket."""
    text = said(command, "-v")
    version = re.search(r"kamailio (\d+)\.(\d+)(?:\.\d+)*", text)
    if version is None:
        raise Unusable(f"kamailio -v said {text.strip()[:100]!r}")
    number = version[0].partition(" ")[2]
    if (int(version[1]), int(version[2])) < OLDEST_KAMAILIO:
        raise Unusable(f"Kamailio {number} is older than {'.'.join(map(str, OLDEST_KAMAILIO))}")
    modules = first(root, "usr/lib/*/kamailio/modules", "usr/lib*/kamailio/modules", "usr/local/lib*/kamailio/modules")
    if missing := [package for package, module in KAMAILIO_MODULES.items() if not _has(modules, module)]:
        raise Unusable(f"Kamailio {number} lacks modules (packages {', '.join(missing)})")
    return KamailioProgram(command, number, modules)


def _has(folder: str, module: str) -> bool:
    return bool(folder) and Path(folder, module).is_file()


PACKAGES = ("asterisk", "base-files", *(engine.package for engine in ENGINES.values()))

# Debian sid has the newest; bullseye (Asterisk 16, MD5 digests only) when sid cannot be had.
# The drivers that the demo does not need are less than a megabyte.
ASTERISK = Recipe(
    name="Asterisk",
    program="asterisk",
    inspect=inspect_asterisk,
    suites={
        "sid": PACKAGES,
        "bullseye": (*PACKAGES, "odbcinst1debian2"),
    },
    libraries=("odbc",),
    otherwise=f"install Asterisk {OLDEST_ASTERISK} or newer with libsqliteodbc yourself",
)

ASTERISK_ON_SERVERS = replace(
    ASTERISK,
    inspect=partial(inspect_asterisk, needed=tuple(DRIVERS)),
    otherwise=f"install Asterisk {OLDEST_ASTERISK} or newer with {' '.join(PACKAGES[2:])} yourself",
)
"""The same, and it can read every engine."""

KAMAILIO = Recipe(
    name="Kamailio",
    program="kamailio",
    inspect=inspect_kamailio,
    suites=dict.fromkeys(("bookworm", "trixie"), ("kamailio", *KAMAILIO_MODULES)),
    libraries=("kamailio",),
    otherwise=f"install Kamailio {'.'.join(map(str, OLDEST_KAMAILIO))} or newer with {' '.join(KAMAILIO_MODULES)}",
)
