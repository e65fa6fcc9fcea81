"""Stand-ins for the vendors of language models: real sockets, and the checks that the vendors make of a request."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

KEY: Final = "sk-planted-key-0001"
Raw = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What happens in the place of an answer."""


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    document: Any


@dataclass
class StandIn:
    """Answers as the vendors do, until a test says otherwise."""

    port: int = 0
    scheme: str = "http"
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    instead: Raw | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"

    def says(self, status: int, body: bytes | dict[str, Any], *headers: str) -> None:
        """From now on this is the answer."""

        async def say(writer: asyncio.StreamWriter) -> None:
            writer.write(_answer(status, body if isinstance(body, bytes) else json.dumps(body).encode(), *headers))

        self.instead = say

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            request = await _read(reader)
            self.requests.append(request)
            if self.instead:
                await self.instead(writer)
            else:
                writer.write(_answer(*CHECKS.get(request.path, _nothing)(request)))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def standing_in(context: ssl.SSLContext | None = None) -> AsyncIterator[StandIn]:
    stand_in = StandIn(scheme="https" if context else "http")
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", 0, ssl=context)
    stand_in.port = server.sockets[0].getsockname()[1]
    try:
        yield stand_in
    finally:
        server.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
    body = await reader.readexactly(int(headers["content-length"]))
    assert method == "POST"
    return Request(path, headers, json.loads(body))


def _answer(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _nothing(request: Request) -> tuple[int, bytes]:
    return 404, b'{"error":{"message":"unknown url"}}'


def _faults(request: Request, known: dict[str, type | tuple[type, ...]], needed: set[str]) -> list[str]:
    """What both vendors mind: unknown and missing fields, types, roles."""
    document = request.document
    faults = [name for name in document if name not in known or not isinstance(document[name], known[name])]
    faults += needed - set(document)
    faults += ["role" for one in document.get("messages", []) if set(one) != {"role", "content"}]
    return faults + (["content-type"] if request.headers.get("content-type") != "application/json" else [])


KNOWN: Final[dict[str, type | tuple[type, ...]]] = {
    "model": str,
    "messages": list,
    "max_tokens": int,
    "temperature": (int, float),
}


def openai(request: Request) -> tuple[int, bytes]:
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return 401, json.dumps({"error": {"message": f"Incorrect API key: {request.headers}"}}).encode()
    if _faults(request, KNOWN, {"model", "messages"}):
        return 400, json.dumps({"error": {"message": f"bad request: {request.document}"}}).encode()
    if not request.document["model"].startswith("gpt-"):
        return 404, b'{"error":{"code":"model_not_found"}}'
    text = request.document["messages"][-1]["content"]
    choice = {"index": 0, "message": {"role": "assistant", "content": f"You said: {text}"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
    answer = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4-0613"}
    return 200, json.dumps({**answer, "choices": [choice], "usage": usage}).encode()


def anthropic(request: Request) -> tuple[int, bytes]:
    if request.headers.get("x-api-key") != KEY:
        return 401, b'{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}'
    if request.headers.get("anthropic-version") != "2023-06-01" or _faults(request, KNOWN, {*KNOWN} - {"temperature"}):
        return 400, b'{"type":"error","error":{"type":"invalid_request_error","message":"bad"}}'
    if not request.document["model"].startswith("claude-"):
        return 404, b'{"type":"error","error":{"type":"not_found_error","message":"model"}}'
    text = request.document["messages"][-1]["content"]
    blocks = [{"type": "text", "text": "You said: "}, {"type": "text", "text": text}]
    usage = {"input_tokens": 9, "output_tokens": 12}
    answer = {"id": "msg_1", "type": "message", "role": "assistant", "model": request.document["model"]}
    answer |= {"stop_reason": "end_turn", "stop_sequence": None}
    return 200, json.dumps({**answer, "content": blocks, "usage": usage}).encode()


CHECKS: Final = {"/v1/chat/completions": openai, "/v1/messages": anthropic}
