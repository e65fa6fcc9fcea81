"""Who sits at the terminal that a command is typed at."""

import getpass
import os
from collections.abc import Callable
from typing import Final

LONGEST_NAME: Final = 200


def user(name_of: Callable[[], str] = getpass.getuser) -> str:
    """Who types; the number of somebody who has no name, as in containers."""
    try:
        name = name_of()
    except (KeyError, OSError):
        name = str(os.getuid())
    return name.encode(errors="replace").decode()[:LONGEST_NAME]
