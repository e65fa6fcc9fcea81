"""Until when something may take: one timer for all that has the same deadline, however deep one waits in another."""

import asyncio
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final

_ENDS: Final[ContextVar[float | None]] = ContextVar("deadline", default=None)


class Until:
    """`TimeoutError` at the deadline (of the running loop's clock), as `asyncio.timeout_at` has it.

    Within another of the same deadline nothing is done, as that one cancels what is waited for here as well.
    """

    __slots__ = ("_deadline", "_timeout", "_token")

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._timeout: asyncio.Timeout | None = None
        self._token: Token[float | None]

    async def __aenter__(self) -> None:
        if _ENDS.get() != self._deadline:
            self._timeout = asyncio.timeout_at(self._deadline)
            await self._timeout.__aenter__()
            self._token = _ENDS.set(self._deadline)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timeout:
            _ENDS.reset(self._token)
            await self._timeout.__aexit__(kind, error, trace)
