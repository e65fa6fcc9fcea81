"""What the demo prints: one line a step, with its time and what was seen."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

WHAT_WIDTH = 44
STYLES = {"ok": "bold green", "FAILED": "bold red", "skipped": "yellow"}


class Report:
    """Lines for eyes on a terminal, the same lines without colour in a pipe; each is there as soon as it is said."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)

    def say(self, line: str = "", style: str = "") -> None:
        """A line as it is."""
        self._console.print(Text(line, style=style))

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Show on a terminal what goes on meanwhile."""
        with self._console.status(what):
            yield

    def step(self, word: str, seconds: float | None, what: str, seen: str, detail: str = "") -> None:
        """How one step went: `ok`, `FAILED` or `skipped`; `detail` stands below it, indented."""
        line = Text()
        line.append(f"{word:<7}", STYLES[word])
        line.append(f" {seconds:5.2f} s  " if seconds is not None else " " * 10)
        line.append(f"{what:<{WHAT_WIDTH}} ", "bold")
        line.append(seen)
        self._console.print(line)
        for below in detail.splitlines():
            self._console.print(Text(f"{'':18}{below.rstrip()}", "dim"))
