"""Shows what was looked at, as a table or as an object, and ends with an exit code."""

from collections.abc import Sequence

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import Form
from ringback.kit.checks import Check


def show(checks: Sequence[Check], title: str, form: Form = Form.TABLE) -> None:
    """Every check, then how many are bad; `typer.Exit` with FAILED where there is a problem."""
    problems = [check for check in checks if check.state == "problem"]
    if form is not Form.TABLE:
        answers.show({"ok": not problems, "checks": list(checks)}, form)
    else:
        rows = [msgspec.to_builtins(check) for check in checks]
        answers.show_rows(rows, ("name", "state", "seen", "do"), title)
        warnings = sum(check.state == "warning" for check in checks)
        terminal.say(f"{_count(len(problems), 'problem')}, {_count(warnings, 'warning')}")
    if problems:
        raise typer.Exit(terminal.FAILED)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
