"""Configuration files in a folder: written whole, and never over what somebody else has written there."""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Final

from ringback.kit.errors import CannotStart
from ringback.kit.files import replace

OWNERS_ALONE: Final = 0o600


def write(folder: Path, files: Mapping[str, str], *, force: bool = False, secret: Container[str] = ()) -> list[str]:
    """Write the files (name → text) and give the names of those that are new or changed.

    The `secret` ones are their owner's alone, whether they are new or not; others keep their mode.
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
            replace(folder / name, files[name].encode(), OWNERS_ALONE if name in secret else None)
        for name in files:
            if name in secret:
                (folder / name).chmod(OWNERS_ALONE)
    except OSError as error:
        raise CannotStart(f"{folder} cannot be used: {(error.strerror or str(error)).lower()}") from None
    return changed


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="surrogateescape")
    except FileNotFoundError:
        return None
