"""From clear passwords to digests: every row of ours, a few at a time, and then the note of how it is kept."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from ringback.kit.uow import Work
from ringback.registrar import meta
from ringback.registrar.extensions import service as extensions
from ringback.registrar.trunks import service as trunks
from ringback.registrar.work import Uow
from ringback.sip import edge

BATCH: Final = 100
KEEP: Final[tuple[Callable[[Uow, int], Awaitable[int]], ...]] = (extensions.keep_digests, trunks.keep_digests)


@dataclass(frozen=True, slots=True)
class Plain:
    """How many rows hold a clear password, those of deleted objects included."""

    extensions: int
    trunks: int


async def plain(uow: Uow) -> Plain:
    return Plain(await extensions.count_plain(uow), await trunks.count_plain(uow))


async def migrate(work: Work[Uow], tell: Callable[[int], None] = lambda done: None) -> int:
    """Turn every clear password into digests; how many. Stopped half-way, it goes on where it was.

    Until the last step the database is one of plaintext mode, which works with digests as well.
    """
    done = 0
    for keep in KEEP:
        while some := await work.write(partial(_some, keep)):
            done += some
            tell(done)
    await work.write(_note)
    await work.database.compact()
    return done


async def _some(keep: Callable[[Uow, int], Awaitable[int]], uow: Uow) -> int:
    return await keep(uow, BATCH)


async def _note(uow: Uow) -> None:
    """Only rows of nobody can hold a clear password now."""
    if await plain(uow) != Plain(0, 0):
        return
    await edge.forget_clear(uow.session)
    await uow.sip.forget_clear(f".{uow.settings.domain_name_extension}")
    await meta.record(uow, meta.STORAGE, "digest")
