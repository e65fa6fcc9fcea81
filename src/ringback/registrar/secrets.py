"""From clear passwords to digests: every row of ours, a few at a time, and then the note of how it is kept."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.uow import Work
from ringback.registrar import meta
from ringback.registrar.extensions import service as extensions
from ringback.registrar.imports import service as imports
from ringback.registrar.imports.model import ImportRunning
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

    @property
    def rows(self) -> int:
        return self.extensions + self.trunks


async def plain(uow: Uow) -> Plain:
    return Plain(await extensions.count_plain(uow), await trunks.count_plain(uow))


async def migrate(work: Work[Uow], tell: Callable[[int], None] = lambda done: None) -> int:
    """Turn every clear password into digests; how many. Stopped half-way, it goes on where it was.

    Until the last step the database is one of plaintext mode, which works with digests as well. The note comes last, so
    that none who stops it earlier is left with clear passwords in the file and with a server that says nothing of it.
    """
    if not await imports.resume(work):  # its rows hold passwords as they are kept now
        raise ImportRunning
    done = 0
    noted = False
    while not noted:  # a command beside us may have written one more
        for keep in KEEP:
            while some := await work.write(partial(_some, keep)):
                done += some
                tell(done)
        await work.write(_forget_those_of_nobody)
        await work.database.compact()
        noted = await work.write(_is_noted)
    return done


async def _some(keep: Callable[[Uow, int], Awaitable[int]], uow: Uow) -> int:
    done = await keep(uow, BATCH)
    _require_told(uow)
    return done


def _require_told(uow: Uow) -> None:
    """No clear password may stay in Asterisk's database because that did not answer."""
    if uow.session.is_behind:
        raise DatabaseUnavailable


async def _forget_those_of_nobody(uow: Uow) -> None:
    """What is left in the SIP rows once all of ours are turned."""
    if not (await plain(uow)).rows:
        await edge.forget_clear(uow.session)
        await uow.sip.forget_clear(f".{uow.settings.domain_name_extension}")
        _require_told(uow)


async def _is_noted(uow: Uow) -> bool:
    if (await plain(uow)).rows:
        return False
    await meta.record(uow, meta.STORAGE, "digest")
    return True
