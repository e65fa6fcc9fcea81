"""Work that is for whoever waits for it: when they are gone it ends, wherever it is."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")

GONE: Final = "http.disconnect"


async def while_there(request: Request, work: Awaitable[T]) -> T:
    """What the work comes to; `ClientDisconnect` if its asker has gone before, and then it has been cancelled.

    The body of the request must have been read.
    """
    doing, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((doing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        raise ClientDisconnect
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != GONE:
        pass
