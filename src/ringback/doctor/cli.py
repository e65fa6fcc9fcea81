"""The command `ringback doctor`."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.doctor.examination import examine
from ringback.doctor.given import Given, read
from ringback.terminal import with_flags

OfAsterisk = Annotated[
    Path | None, typer.Option("--asterisk_config", help="folder of 'ringback sip asterisk-config'", metavar="DIR")
]
OfKamailio = Annotated[
    Path | None, typer.Option("--kamailio_config", help="folder of 'ringback sip kamailio-config'", metavar="DIR")
]


@partial(with_flags, read=read)
def doctor(
    given: Given, asterisk_config: OfAsterisk = None, kamailio_config: OfKamailio = None, format: AsForm = Form.TABLE
) -> None:
    """Say what is wrong with this installation, and what to do; exit code 1 where there is a problem.

    It starts nothing and changes nothing, and works whether Ringback runs or not.
    """
    checks = asyncio.run(examine(replace(given, asterisk=asterisk_config, kamailio=kamailio_config)))
    problems = [check for check in checks if check.state == "problem"]
    if format is not Form.TABLE:
        answers.show({"ok": not problems, "checks": checks}, format)
    else:
        rows = [msgspec.to_builtins(check) for check in checks]
        answers.show_rows(rows, ("name", "state", "seen", "do"), "This installation")
        warnings = sum(check.state == "warning" for check in checks)
        terminal.say(f"{_count(len(problems), 'problem')}, {_count(warnings, 'warning')}")
    if problems:
        raise typer.Exit(terminal.FAILED)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
