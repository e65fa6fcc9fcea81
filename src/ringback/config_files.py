"""What the commands that write configuration files have in common: their flags, their checks, what they say."""

import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import URL

from ringback import terminal
from ringback.kit.errors import Fault
from ringback.settings import Settings
from ringback.sip.files import write
from ringback.sip.odbc import sqlite_url

Out = Annotated[str | None, typer.Option("--out", help="folder for the files, made if need be", metavar="DIR")]
Force = Annotated[bool, typer.Option("--force", help="replace files that differ from those to be written")]
Check = Annotated[
    bool,
    typer.Option("--check", help="write nothing: say what is wrong with the folder, and with what its files name"),
]
Database = Annotated[
    Path | None, typer.Option("--database", help="the SQLite file (default: that of the settings)", metavar="FILE")
]


def folder_of(out: str | None) -> Path:
    """The folder of `--out`; a usage error without one."""
    return Path(terminal.need(out or None, "out", "Folder")).absolute()


def databases_of(settings: Settings, given: Path | None) -> tuple[URL, URL | None]:
    """Where Asterisk's tables are, and ours if they are elsewhere."""
    own, asterisk = settings.databases
    if given or "sqlite" in (own.get_backend_name(), asterisk.get_backend_name()):
        return sqlite_url(given or settings.database_file), None
    return asterisk, own


def unfit(texts: Mapping[str, str], *, forbidden: str = ";") -> list[Fault]:
    """A fault for each flag whose text would end a line or begin a comment, and so write other settings."""
    shown = " or ".join(f"'{sign}'" for sign in forbidden)
    return [
        Fault(name, f"must not be empty, nor hold {shown} or control characters")
        for name, text in texts.items()
        if not text or re.search(rf"[{re.escape(forbidden)}\x00-\x1f\x7f]", text)
    ]


def write_and_tell(folder: Path, files: Mapping[str, str], *, force: bool, secret: Container[str] = ()) -> None:
    """Write them, never over somebody else's, the `secret` ones for their owner alone, and say which are new."""
    changed = write(folder, files, force=force, secret=secret)
    same = f" ({len(files) - len(changed)} were so already)" if len(changed) < len(files) else ""
    count = f"{len(changed)} file{'' if len(changed) == 1 else 's'}"
    terminal.say(f"{count} written to {folder}{same}{': ' if changed else ''}{', '.join(changed)}")
