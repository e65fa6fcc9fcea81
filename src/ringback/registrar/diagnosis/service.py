"""Looks into everything that may keep a phone from working; nothing is written."""

from uuid import UUID

from ringback.registrar.diagnosis import evidence
from ringback.registrar.diagnosis.checks import CHECKS
from ringback.registrar.diagnosis.model import Diagnosis
from ringback.registrar.work import Uow


async def of_extension(uow: Uow, id: UUID, *, of: UUID | None, hears: bool) -> Diagnosis:
    """Of a live extension; with `of`, only that customer's. `hears`: by a process that listens to Asterisks."""
    given = await evidence.of_extension(uow, id, of=of, hears=hears)
    mine = given.extension
    checks = tuple(check(given) for check in CHECKS)
    return Diagnosis(mine.id, mine.customer_id, mine.endpoint_id, given.now, checks)
