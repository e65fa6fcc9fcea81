"""The command `ringback doctor`."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ringback import findings
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
    findings.show(checks, "This installation", format)
