"""A child that answers one object over HTTP without Ringback: by Litestar, or by ASGI alone, on the same server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import uvicorn
from litestar import Litestar, get
from starlette.types import ASGIApp, Receive, Scope, Send

from bench.child import Ask, serve
from ringback.api.listen import listening, url_of
from ringback.registrar.extensions.wire import RegistrarManagerExtension

PLACE: Final = "/v1.0/extensions"
LABEL: Final = "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"
SHOWN: Final = RegistrarManagerExtension(
    UUID("b1d7c2aa-0f35-4c0e-8a66-5d0c9b7e4f21"), UUID(LABEL), "Front desk", "", "1001", LABEL,
    f"{LABEL}.registrar.example.com", "1001", "", "7c09e1b4d2f8", "sip:direct.7c09e1b4d2f8@sip.example.com",
    datetime(2026, 2, 11, 9, 30, 0, 123456, UTC), None, None,
)  # fmt: skip


def litestar() -> ASGIApp:
    """One route of it, as its documentation has it."""

    @get(PLACE + "/{extension_id:uuid}")
    async def one(extension_id: UUID) -> RegistrarManagerExtension:
        return SHOWN

    return Litestar([one], openapi_config=None)  # type: ignore[return-value]


def asgi() -> ASGIApp:
    """Two messages to whatever is asked."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        body = msgspec.json.encode(SHOWN)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


MADE: Final = {"litestar": litestar, "asgi": asgi}


@asynccontextmanager
async def bare(settings: dict[str, Any]) -> AsyncIterator[Ask]:
    """`by`: which of them. Any line is answered with its `url`."""
    config = uvicorn.Config(MADE[settings["by"]](), log_config=None, access_log=False, lifespan="off",
                            http="httptools", server_header=False, proxy_headers=False)  # fmt: skip
    server = uvicorn.Server(config)
    with listening("bare", "127.0.0.1:0") as at:
        serving = asyncio.create_task(server._serve([at]))

        async def answer(asked: Any) -> Any:
            return {"url": url_of(at)}

        yield answer
        server.should_exit = True
        await serving


if __name__ == "__main__":
    serve(bare)
