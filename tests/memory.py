"""Where files of tests live: in memory, if there is room."""

import os
import shutil
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")
ENOUGH: Final = 1 << 29
"""Bytes that must be free there."""


def memory() -> Path | None:
    """The folder; None if there is no room. A database syncs each of its commits, here that costs nothing."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
        return MEMORY
    return None
