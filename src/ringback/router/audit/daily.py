"""Once a day one node computes the whole audit log anew, and all of them know how that went (R-5c)."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog

from ringback.kit.errors import Failure
from ringback.kit.uow import Work
from ringback.registrar import meta
from ringback.router.audit import service
from ringback.router.audit.model import Verdict
from ringback.router.work import Uow

log = structlog.get_logger()

EVERY: Final = timedelta(days=1)
LOOK: Final = 60.0
"""Seconds between two looks whether it is time, and at what another node has found."""
PATIENCE: Final = 600.0
"""Seconds that a whole log may take: some million entries."""
NOTE: Final = "router_audit"


class Proof(msgspec.Struct, frozen=True):
    """How the last time went; it stands in the database, for all nodes and for the next start."""

    at: datetime
    ok: bool
    checked: int
    first_bad: int | None


class Daily:
    """Looks whether it is time, and takes the turn when it is. `last` is what this node knows of the last time."""

    def __init__(self, work: Work[Uow]) -> None:
        self._work = work
        self._failures = 0
        self.last: Proof | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(LOOK)

    async def once(self) -> None:
        """Whatever is due now. An outage is waited for, and told of once."""
        try:
            if await self._is_due():
                async with self._work.database.turn("audit") as ours:
                    if ours and await self._is_due():  # another one may have done it just before
                        await self._prove()
        except Exception as error:
            told = error.sentence if isinstance(error, Failure) else repr(error)
            (log.info if self._failures else log.warning)("the audit log is not proved", action="audit", error=told)
            self._failures += 1
        else:
            self._failures = 0

    async def _is_due(self) -> bool:
        self.last = await self._work.read(noted)
        return self.last is None or self._work.now() - self.last.at >= EVERY

    async def _prove(self) -> None:
        found = await self._work.read(service.verify, patience=PATIENCE)
        self.last = await self._work.write(lambda uow: note(uow, found))
        told = {"action": "audit", "checked": found.checked, "first_bad": found.first_bad}
        if found.ok:
            log.debug("the audit log is as it was written", **told)
        else:
            log.error("the audit log is not as it was written", **told)


async def noted(uow: Uow) -> Proof | None:
    """What is known of the last time."""
    text = await meta.recorded_as(uow, NOTE)
    try:
        return msgspec.json.decode(text, type=Proof) if text else None
    except msgspec.DecodeError:
        return None


async def note(uow: Uow, found: Verdict) -> Proof:
    """Keep what was found, for all nodes."""
    proof = Proof(uow.now, found.ok, found.checked, found.first_bad)
    await meta.record(uow, NOTE, msgspec.json.encode(proof).decode())
    return proof
