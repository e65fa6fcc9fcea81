"""`router-control registry purge`: what was deleted long ago goes for good, on the database itself."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, TypeVar

import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.app import Ringback
from ringback.kit.errors import Fault, ValidationFailed
from ringback.router.control import load
from ringback.router.extensions.adopting import BATCH
from ringback.router.extensions.loading import LOADING
from ringback.router.extensions.model import RouterExtension
from ringback.router.extensions.purging import LEAST, purge, purgeable
from ringback.settings import Settings
from ringback.terminal import with_settings

T = TypeVar("T")
MOST = 36500
OlderThan = Annotated[str, typer.Option("--older_than", help="deleted before so many days, at least 30", metavar="30d")]
DryRun = Annotated[bool, typer.Option("--dry_run", help="say what would go, and let it be")]
Force = Annotated[bool, typer.Option("--force", help="do not ask")]
Local = Annotated[bool, typer.Option("--local", help="as it always is: on the database itself", hidden=True)]


@with_settings
def purge_registry(
    settings: Settings,
    older_than: OlderThan = f"{LEAST}d",
    dry_run: DryRun = False,
    force: Force = False,
    local: Local = True,
    format: AsForm = Form.TABLE,
) -> None:
    """Remove router extensions that were deleted long ago, for good; their audit and the initial ones stay."""
    days = _days(older_than)
    before, ids = terminal.work(settings, partial(_loaded, then=partial(_found, days=days)), writes=False)
    if ids and not dry_run:
        terminal.confirm(f"Purge {len(ids)} router extensions for good?", force=force)
        ids = terminal.work(settings, partial(_loaded, then=partial(_purged, ids=ids, before=before)))
    if format is not Form.TABLE:
        answers.show({"dry_run": dry_run, "ids": ids}, format)
        return
    for id in ids:
        terminal.say(id)
    terminal.say(f"{len(ids)} {'would go' if dry_run else 'purged'}, deleted more than {days} days ago")


def _days(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,5})d?", text)
    if found is None or not LEAST <= int(found[1]) <= MOST:
        raise ValidationFailed(Fault("older_than", f"must be a number of days from {LEAST}d to {MOST}d"))
    return int(found[1])


async def _loaded(ringback: Ringback, then: Callable[[Ringback], Awaitable[T]]) -> T:
    await load(ringback)
    return await then(ringback)


async def _found(ringback: Ringback, days: int) -> tuple[datetime, list[str]]:
    work = ringback.router.work
    before = work.now() - timedelta(days=days)
    return before, await work.read(lambda uow: purgeable(uow, before), patience=LOADING)


async def _purged(ringback: Ringback, ids: list[str], before: datetime) -> list[str]:
    """Some at a time, so that others may write in between; a purge that was stopped is gone on with by the next."""
    gone: list[RouterExtension] = []
    for start in range(0, len(ids), BATCH):
        some = partial(purge, ids=ids[start : start + BATCH], before=before)
        gone += await ringback.router.work.write(some, patience=LOADING)
    return [one.id for one in gone]
