"""`router-control bench` as a process of its own, and what it leaves behind."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

COMMAND: Final = (sys.executable, "-c", "from ringback.start import router_control; router_control()", "bench")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a benchmark ended, what it wrote, and what is left in the folder of temporary files."""

    code: int
    out: str
    err: str
    json: Any
    page: str
    left: list[str]

    @property
    def verdict(self) -> int | None:
        """The code that belongs to what was found; `None` where nothing was."""
        return None if self.json is None else int(not self.json["passed"])


def started(folder: Path, *words: str, **more: str) -> subprocess.Popen[str]:
    """One whose temporary files are in the folder; `more` of its environment."""
    (folder / "tmp").mkdir()
    return subprocess.Popen(
        [*COMMAND, *words],
        env={**os.environ, "TMPDIR": str(folder / "tmp"), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left(folder: Path) -> list[str]:
    return [path.name for path in (folder / "tmp").iterdir()]


def bench(folder: Path, *words: str, **more: str) -> Ran:
    """One that runs to its end."""
    files = {name: folder / f"found.{name}" for name in ("json", "page")}
    with started(folder, *words, "--json", str(files["json"]), "--report", str(files["page"]), **more) as process:
        out, err = process.communicate(timeout=240)
    found = files["json"].read_text()
    return Ran(
        process.returncode, out, err, json.loads(found) if found else None, files["page"].read_text(), left(folder)
    )
