"""`router-control workers run`: the built-in workers over NATS, in a process of their own."""

import contextlib
import sys
from collections.abc import AsyncIterator, Collection
from functools import partial
from typing import Annotated, Final

import typer
import uvloop

from ringback import answers, server, terminal
from ringback.answers import AsForm, Form
from ringback.brokers import nats_of
from ringback.kit.errors import CannotStart, Fault, ValidationFailed
from ringback.router.workers.model import Worker
from ringback.router.workers.serving import IDS, serving
from ringback.settings import RouterSettings, Settings
from ringback.spellings import names_in
from ringback.terminal import with_settings

app = terminal.new_app("The built-in workers: the processors behind the initial router extensions.")
COLUMNS: Final = ("id", "type", "subject")
NAME: Final = "router-workers"
"""Who we are at NATS."""

Only = Annotated[str | None, typer.Option("--only", help="these ids alone, with commas", metavar="ID,…")]


@app.command()
@partial(with_settings, kind=RouterSettings)
def run(settings: Settings, only: Only = None, format: AsForm = Form.TABLE) -> None:
    """Answer what router extensions are asked over NATS, until SIGTERM or Ctrl-C; several of these share the work."""
    ids = names_in(only) if only is not None else IDS
    if unknown := set(ids) - set(IDS):
        raise ValidationFailed(
            Fault("only", f"there is no {', '.join(sorted(unknown))}; must be some of {', '.join(IDS)}")
        )
    uvloop.run(server.until_told(working(settings, ids), partial(_tell, format=format)))


@contextlib.asynccontextmanager
async def working(settings: Settings, ids: Collection[str]) -> AsyncIterator[list[Worker]]:
    """Those workers over NATS, while inside."""
    if not settings.nats_address:
        raise CannotStart("nats_address: workers of their own process are asked over NATS: set it to nats://host:port")
    link = nats_of(settings, NAME)
    if link is None:
        raise CannotStart("services: router-manager must be among them")
    await link.start()
    try:
        async with serving(link.services(), settings, ids) as served:
            yield served
    finally:
        await link.close()


def _tell(served: list[Worker], format: Form) -> None:
    rows = [{"id": one.id, "type": one.type, "subject": one.subject} for one in served]
    answers.show_list(rows, format, COLUMNS, "Workers; Ctrl-C stops them")
    sys.stdout.flush()
