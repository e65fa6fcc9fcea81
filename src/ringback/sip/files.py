"""Configuration files in a folder: written whole, and never over what somebody else has written there."""

from collections.abc import Mapping
from pathlib import Path

from ringback.kit.errors import CannotStart
from ringback.kit.files import replace


def write(folder: Path, files: Mapping[str, str], *, force: bool = False, mode: int | None = None) -> list[str]:
    """Write the files (name → text) and give the names of those that are new or changed.

    `mode` is that of the files written; without it, that of the file before or the usual one.
    Nothing is written and CannotStart names the files, if some are there with other text and `force` is not given.
    """
    try:
        before = {name: _text(folder / name) for name in files}
        foreign = [name for name, text in before.items() if text not in (None, files[name])]
        if foreign and not force:
            raise CannotStart(f"{folder} has files that differ: {', '.join(foreign)}; --force replaces them")
        folder.mkdir(parents=True, exist_ok=True)
        changed = [name for name in files if before[name] != files[name]]
        for name in changed:
            replace(folder / name, files[name].encode(), mode)
        if mode is not None:
            for name in files:
                (folder / name).chmod(mode)
    except OSError as error:
        raise CannotStart(f"{folder} cannot be used: {(error.strerror or str(error)).lower()}") from None
    return changed


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="surrogateescape")
    except FileNotFoundError:
        return None
