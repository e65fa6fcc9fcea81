"""The C client of RabbitMQ, and the echo that is made with it where there is a compiler."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from ringback.demo.install import Recipe, Unusable, first
from tests.servers.programs import Program, obtained

SOURCE: Final = Path(__file__).with_name("echo.c")
LIBRARY: Final = "usr/lib/*/librabbitmq.a"


def inspect(command: tuple[str, ...], root: Path) -> Program:
    """Its library to be linked with, and what is included, which tells the version."""
    header = Path(first(root, "usr/include/rabbitmq-c/amqp.h", "usr/include/amqp.h"))
    version = re.findall(r"#define AMQP_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header.read_text() if header.name else "")
    if not version:
        raise Unusable("there is nothing to include")
    return Program(command, ".".join(version), root)


LIBRABBITMQ: Final = Recipe(
    name="librabbitmq",
    program="librabbitmq",
    inspect=inspect,
    suites=dict.fromkeys(("bookworm", "trixie"), ("librabbitmq-dev",)),
    libraries=(),
    otherwise="install librabbitmq-dev yourself",
    places=(LIBRARY,),
)


def echo(folder: Path) -> Path:
    """`echo.c` as a program in that folder. Raises Unusable."""
    compiler = shutil.which("cc")
    if not compiler:
        raise Unusable("there is no C compiler")
    library = obtained(LIBRABBITMQ)
    program = folder / SOURCE.stem
    files = [str(one) for one in (library.root / "usr/include", SOURCE, library.path, "-o", program)]
    made = subprocess.run([compiler, "-O2", "-Wall", "-I", *files], capture_output=True, text=True, check=False)
    if made.returncode:
        raise Unusable(f"the compiler says {made.stderr.strip()}")
    return program
