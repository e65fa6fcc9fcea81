"""Sockets that listen, and HTTP or HTTPS on them."""

import asyncio
import base64
import binascii
import contextlib
import math
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Final, Self

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ringback.kit.errors import CannotStart
from ringback.settings import Settings
from ringback.spellings import host_and_port

LARGEST_HEAD: Final = 1 << 16
"""Bytes of a request before its body."""


@contextlib.contextmanager
def listening(setting: str, address: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[socket.socket]:
    """A listening socket (TCP, or UDP) at `host:port`; `CannotStart` names the setting and what is in the way."""
    host, port = host_and_port(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, kind)
    try:
        if kind is socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        if kind is socket.SOCK_STREAM:
            opened.listen(1024)
    except OSError as error:
        opened.close()
        raise CannotStart(f"{setting}: {address} cannot be used: {(error.strerror or str(error)).lower()}") from None
    with opened:
        yield opened


def url_of(opened: socket.socket, scheme: str = "http") -> str:
    host, port = opened.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def certificate(settings: Settings) -> ssl.SSLContext | None:
    """What HTTPS needs, if it is set; `CannotStart` names the setting that is no good."""
    if settings.ssl_cert_base64 is None or settings.ssl_privkey_base64 is None:
        return None
    chain = _pem("ssl_cert_base64", settings.ssl_cert_base64.get_secret_value())
    key = _pem("ssl_privkey_base64", settings.ssl_privkey_base64.get_secret_value())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        with _in_memory(chain) as chain_file, _in_memory(key) as key_file:
            context.load_cert_chain(chain_file, key_file, password="")
    except (ssl.SSLError, OSError, ValueError):
        raise CannotStart("ssl_cert_base64, ssl_privkey_base64: are no certificate and its private key") from None
    return context


def _pem(setting: str, text: str) -> bytes:
    try:
        decoded = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if b"-----BEGIN" not in decoded:
        raise CannotStart(f"{setting}: must be PEM text in base64")
    return decoded


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A name under which the content can be read as a file, which is on no disk."""
    file = os.memfd_create("pem")
    try:
        os.write(file, content)
        yield f"/proc/self/fd/{file}"
    finally:
        os.close(file)


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 whose requests have a head of a size: a larger one is 400, and the end of the connection.

    So is a head that does not come within `patience` seconds, or a body that stands still for as long.
    """

    patience = 30.0
    _owed_since: float | None = None
    """When we began to wait for the rest of a request, or heard of it last; nothing where none is owed."""
    _watch: asyncio.TimerHandle | None = None
    _head: int | None = 0
    """Bytes so far of a head that is not whole."""
    _read = 0
    """Bytes of the head, and of what follows the body, that have been understood: they may have come at once."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._owed_since = self.loop.time()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch:
            self._watch.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        now = self.loop.time()
        if self._owed_since is not None and self.flow.read_paused:
            self._owed_since = now  # it is we who do not read on
        if self._owed_since is not None and now - self._owed_since >= self.patience:
            self.transport.close()
            return
        self._watch = self.loop.call_at((self._owed_since or now) + self.patience, self._look)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = self._read = 0
        self._owed_since = self.loop.time()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url) + 2)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value) + 4)

    def _count(self, size: int) -> None:
        """So many bytes more, with what stands between and behind them. The parser answers 400 to whatever is raised in
        the middle of it."""
        self._read += size
        if self._read > LARGEST_HEAD:
            raise ValueError

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head = None
        self._owed_since = self.loop.time()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._owed_since = self.loop.time()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._owed_since = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > LARGEST_HEAD:
                self.send_400_response("The head of the request is too large.")


class Http(uvicorn.Server):
    """A uvicorn server that leaves the signals to us."""

    @classmethod
    def of(
        cls, app: ASGIApp, settings: Settings, tls: ssl.SSLContext | None = None, protocol: type[Protocol] = Protocol
    ) -> Self:
        drain = math.ceil(settings.drain_timeout)
        made = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            http=protocol,
            server_header=False,
            proxy_headers=False,  # whom we believe is a setting of ours
            timeout_graceful_shutdown=drain,
        )
        made.load()
        made.ssl = tls
        return cls(made)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    @contextlib.asynccontextmanager
    async def serving(self, at: socket.socket) -> AsyncIterator[None]:
        task = asyncio.create_task(self.serve([at]))
        try:
            yield
        finally:
            self.should_exit = True
            await task
