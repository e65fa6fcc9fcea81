"""One instance at a time: a lock that the operating system drops when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringback.kit.errors import CannotStart


@contextmanager
def only_one(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file while inside; `CannotStart` names the process that has it already."""
    try:
        opened = path.open("a+")
    except OSError as error:
        raise CannotStart(f"{path} cannot be used: {error.strerror}") from None
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise CannotStart(f"{what} already (process {file.read().strip() or 'unknown'})") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
