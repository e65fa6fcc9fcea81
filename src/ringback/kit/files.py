"""A file replaced in one step: a reader sees the old one or the new one, and a kill leaves one of them."""

import os
import secrets
from pathlib import Path


def replace(path: Path, content: bytes, mode: int | None = None) -> None:
    """Put `content` there, on the disk before it counts. `mode` None: that of the file before, or the usual one.

    Raises `OSError`, with the old file as it was.
    """
    if mode is None and path.exists():
        mode = path.stat().st_mode & 0o777
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        usual = 0o666 if mode is None else 0o600
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, usual), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            part.chmod(mode)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
