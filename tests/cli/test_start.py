"""How a command begins."""

import subprocess
import sys

import pytest

from ringback import cli, start

LOOK = """
import atexit, gc, sys
atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 10_000))
sys.argv[1:] = ["--version"]
from ringback.start import ringback
ringback()
"""


@pytest.mark.parametrize("name", ["registrar_control", "router_control", "registrar_manager", "router_manager"])
def test_every_command_has_a_beginning(name: str) -> None:
    assert callable(getattr(start, name))
    assert callable(getattr(cli, name))


@pytest.mark.process
def test_what_is_loaded_is_never_looked_through_for_garbage() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)

    version, seen = done.stdout.splitlines()
    assert (version.split()[0], seen) == ("ringback", "True True")
