"""What this process has heard of refusals is kept for an hour where every instance and every command can read it."""

from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Final

from ringback.kit.chores import again_and_again
from ringback.kit.uow import Work
from ringback.registrar.extensions import service as extensions
from ringback.registrar.refusals import store
from ringback.registrar.work import Uow
from ringback.sip.ami_events import A_PHONE, Refusal, Refusals

PAUSE: Final = 2.0
"""Seconds between two writes."""
AT_ONCE: Final = 50
"""Phones in one of them: however many are refused, no more is written."""
KEPT: Final = timedelta(hours=1)


async def of(uow: Uow, endpoint_id: str) -> tuple[Refusal, ...]:
    """The last refusals of a phone that anybody has heard of, oldest first."""
    return _together(await store.of(uow.session, endpoint_id), uow.memory.sip_refusals.of(endpoint_id))


class RefusalsKeeping:
    """Writes what is new, of phones that there are, and forgets what is old."""

    def __init__(self, work: Work[Uow], heard: Refusals) -> None:
        self._work = work
        self._heard = heard

    async def run(self) -> None:
        """Until cancelled."""
        await again_and_again(self.once, PAUSE, action="ami", failure="refusals of phones are not kept")

    async def once(self) -> None:
        """What there is now."""
        if names := self._heard.fresh(AT_ONCE):
            try:
                await self._work.write(partial(_keep, names))
            except Exception:
                self._heard.freshen(names)
                raise
        if old := await self._work.read(_old):
            await self._work.write(lambda uow: store.remove(uow.session, old))


async def _keep(names: list[str], uow: Uow) -> None:
    for name in sorted(await extensions.live_names(uow, names)):
        before, now = await store.of(uow.session, name), await of(uow, name)
        if now != before:
            await store.put(uow.session, name, now, uow.now)


async def _old(uow: Uow) -> list[str]:
    return await store.old(uow.session, uow.now - KEPT)


def _together(*found: Iterable[Refusal]) -> tuple[Refusal, ...]:
    return tuple(sorted({one for some in found for one in some}, key=lambda one: (one.at, one.address))[-A_PHONE:])
