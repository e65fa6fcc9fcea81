"""What was begun and not ended stands in the database: whoever starts, and every pass, goes on with it."""

from ringback.kit.uow import Work
from ringback.registrar import cascade
from ringback.registrar.imports import service as imports
from ringback.registrar.work import Uow


async def resume(work: Work[Uow]) -> bool:
    """Go on with deleted customers and with imports; `False` where an import may still be somebody's who is at it."""
    await cascade.resume(work)
    return await imports.resume(work)
