"""Looks for drift and repairs it, when somebody asks: nobody waits longer than for so many repairs."""

import asyncio
from typing import Final

from ringback.kit.uow import Work
from ringback.registrar.drift.model import Pass
from ringback.registrar.metrics import Metrics
from ringback.registrar.reconcile import Reconciler
from ringback.registrar.work import Uow
from ringback.settings import Settings

KIND: Final = "drift"
"""What the audit log calls it."""


async def look(work: Work[Uow]) -> Pass:
    """What differs now; nothing is written."""
    return await (await _reconciler(work)).once(dry_run=True)


async def repair(work: Work[Uow], *, no_grace: bool, most: int) -> Pass:
    """One pass of at most so many repairs, with an entry in the audit log of what it did."""
    done = await (await _reconciler(work)).once(no_grace=no_grace, most=most)
    await note(work, done)
    return done


async def note(work: Work[Uow], done: Pass) -> None:
    """Note in the audit log what somebody's repair did: how many rows of which table."""
    rows = [
        {"table": table, "action": action, "state": state, "rows": count}
        for (table, action, state), count in done.counts("done").items()
    ]

    async def write(uow: Uow) -> None:
        uow.audited(KIND, None, {"id": uow.new_id(), "customer_id": None, "repairs": rows}, "repaired")

    await work.write(write)


async def _reconciler(work: Work[Uow]) -> Reconciler:
    async def known(uow: Uow) -> tuple[Metrics, Settings]:
        return uow.memory.metrics, uow.settings

    return Reconciler(work, *await work.read(known), asyncio.Event())
