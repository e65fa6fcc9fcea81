"""Posts a document to a server that the settings name, over HTTPS, and reads a bounded answer.

No redirect is followed, no proxy and no other setting of the environment is minded; certificates are the machine's.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from httpx import AsyncClient

LARGEST: Final = 1024 * 1024
PATIENCE: Final = 300.0
"""Seconds that an answer may take: as long as a router extension of type provider may have."""
CONNECTING: Final = 10.0


class NoAnswer(Exception):
    """There is none. It has no text, since a library's might quote what was asked."""


class Unreachable(NoAnswer):
    """The server cannot be reached, or the connection went before the answer was whole."""


class TooSlow(NoAnswer):
    """It did not come in time."""


class TooLong(NoAnswer):
    """It is longer than we read."""


class Https:
    """One pool of connections, opened when first needed."""

    def __init__(self, context: ssl.SSLContext | None = None, patience: float = PATIENCE) -> None:
        self._context = context
        self._patience = patience
        self._opened: AsyncClient | None = None

    async def post(self, url: str, headers: Mapping[str, str], document: Mapping[str, Any]) -> tuple[int, bytes]:
        """Status and body of the answer; `NoAnswer` where there is none."""
        from httpx import HTTPError, TimeoutException

        try:
            async with asyncio.timeout(self._patience):
                return await self._post(url, {"Accept-Encoding": "identity", **headers}, document)
        except (TimeoutError, TimeoutException):
            raise TooSlow from None
        except HTTPError:
            raise Unreachable from None

    async def _post(self, url: str, headers: Mapping[str, str], document: Mapping[str, Any]) -> tuple[int, bytes]:
        async with self._client().stream("POST", url, headers=headers, json=document) as answer:
            body = bytearray()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > LARGEST:
                    raise TooLong
            return answer.status_code, bytes(body)

    def _client(self) -> "AsyncClient":
        if self._opened is None:
            from httpx import AsyncClient, Timeout  # its import takes as long as a short command

            context = self._context or ssl.create_default_context()
            times = Timeout(self._patience, connect=min(CONNECTING, self._patience))
            self._opened = AsyncClient(verify=context, timeout=times, follow_redirects=False, trust_env=False)
        return self._opened

    async def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened:
            await opened.aclose()
