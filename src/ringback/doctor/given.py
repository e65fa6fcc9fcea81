"""What a doctor looks at: the settings and where each came from, folders of SIP servers, the machine."""

import os
import shutil
import socket
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ringback.kit import log
from ringback.kit.errors import CannotStart
from ringback.knobs import knobs, load
from ringback.registrar.directs.model import IN_LOGS
from ringback.settings import Settings
from ringback.transports.local import short


def free_bytes(folder: Path) -> int:
    """Room on the disk of a folder, for those who are not root."""
    return shutil.disk_usage(folder).free


def may_use(folder: Path) -> bool:
    """Whether this user may look into it and write there."""
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK)


def may_write(file: Path) -> bool:
    """Whether this user may read and write it, if it is there; on a disk that takes nothing nobody may."""
    return not file.exists() or os.access(file, os.R_OK | os.W_OK)


def answers(path: Path) -> bool:
    """Whether somebody listens at that socket; whose it is, only its user may find out."""
    try:
        with short(path) as address, socket.socket(socket.AF_UNIX) as tried:
            tried.connect(address)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Given:
    """`wrong` says why there are no settings; `sources` whence each comes that has not its default."""

    settings: Settings | None
    wrong: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    asterisk: Path | None = None
    kamailio: Path | None = None
    free: Callable[[Path], int] = free_bytes
    may_use: Callable[[Path], bool] = may_use
    may_write: Callable[[Path], bool] = may_write
    answers: Callable[[Path], bool] = answers
    now: Callable[[], datetime] = utc_now

    @property
    def told(self) -> str:
        """How many settings come from where, with their names."""
        counts = Counter(self.sources.values())
        named = {of: ", ".join(name for name, source in self.sources.items() if source == of) for of in counts}
        return (
            "; ".join(f"{count} from {of} ({named[of]})" for of, count in counts.items()) or "all have their defaults"
        )


def read(flags: Mapping[str, Any], config: Path | None) -> Given:
    """The settings as a start would read them; what is wrong with them is no failure here."""
    sources = _sources(flags, config)
    try:
        settings = load(flags, config)
    except CannotStart as error:
        return Given(None, str(error), sources)
    log.set_up(settings.service, "critical", settings.log_format, IN_LOGS)
    return Given(settings, "", sources)


def _sources(flags: Mapping[str, Any], config: Path | None) -> dict[str, str]:
    """Flag before environment before file."""
    try:
        in_file = tomllib.loads(config.read_text()) if config else {}
    except (OSError, ValueError):
        in_file = {}
    found = {}
    for name in (knob.name for knob in knobs()):
        if flags.get(name) is not None:
            found[name] = "flags"
        elif os.environ.get(name.upper()):
            found[name] = "the environment"
        elif name in in_file:
            found[name] = str(config)
    return found
