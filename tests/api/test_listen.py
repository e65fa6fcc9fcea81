"""Whoever owes the rest of a request is not waited for without end."""

import asyncio
import socket
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from ringback.api.listen import Http, Protocol, listening
from ringback.knobs import load
from tests.patience import ENOUGH

POST: Final = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n"


OWING: Final = (b"", b"GET / HTTP/1.1\r\nx: ", POST, POST + b"abc", POST + b"abcd" + POST)


class Hasty(Protocol):
    """One that waits for half a second."""

    patience = 0.5


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(await Request(scope, receive).body())(scope, receive, send)


async def test_who_owes_the_rest_of_a_request_is_hung_up_on(tmp_path: Path) -> None:
    async def answered(at: socket.socket, sent: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*at.getsockname())
        writer.write(sent)
        answer = await reader.read()
        writer.close()
        return answer

    http = Http.of(echo, load({"ringback_home": tmp_path}, None), protocol=Hasty)
    with listening("rest_listen_address", "127.0.0.1:0") as at:
        async with http.serving(at), asyncio.timeout(ENOUGH):
            answers = await asyncio.gather(*(answered(at, sent) for sent in OWING))

    assert [answer[-4:] for answer in answers] == [b"", b"", b"", b"", b"abcd"]
