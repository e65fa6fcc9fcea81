"""Runs a Ringback of our own on loopback: `ringback up` on a home and ports that nobody else uses."""

import asyncio
import contextlib
import http.client
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import SecretStr

from ringback import first_start
from ringback.demo.children import Child, spawn
from ringback.knobs import knobs
from ringback.server import SOCKET
from ringback.settings import Settings
from ringback.transports import local

START_SECONDS = 60.0


class ServerFailed(Exception):
    """Ringback did not start, or did not answer; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What REST or RPC answered: the status code and the JSON, if there was any."""

    status: int
    body: Any

    @property
    def reason(self) -> str:
        """The promise to programs in an error, e.g. EXTENSION_NOT_FOUND; empty where there is none."""
        body = self.body if isinstance(self.body, dict) else {}
        return str(body.get("error", body).get("reason", ""))


class Server(Child):
    """A running `ringback up`. Use `await Server.start(home)`, and `stop()` or `async with`."""

    STOP_SECONDS = 12.0  # requests in hand get 10

    def __init__(self, home: Path, settings: Mapping[str, str]) -> None:
        self.home = home
        self.log = home.with_name("ringback.log")
        """What it logs, beside its home."""
        self.keys: first_start.Keys
        self._settings = {name: value for name, value in settings.items() if not _is_secret(name)}
        self._secrets = {name.upper(): value for name, value in settings.items() if _is_secret(name)}
        self._printed: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, home: Path, **settings: str) -> Self:
        """Start on an empty or an earlier home and wait until it serves. Raises ServerFailed."""
        home.parent.mkdir(parents=True, exist_ok=True)
        self = cls(home.absolute(), settings)
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._start()
        except TimeoutError:
            await self.stop()
            raise ServerFailed(f"not ready after {START_SECONDS:g} s; its log is {self.log}") from None
        except BaseException:
            await self.stop()
            raise
        return self

    async def _start(self) -> None:
        flags = {"rest_listen_address": "127.0.0.1:0", "prometheus_listen_address": "127.0.0.1:0"}
        command = self._command("ringback", "up", **flags)
        self._process = await spawn(command, errors=self.log, env={**clean(), **self._secrets, "PYTHONUNBUFFERED": "1"})
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            if line.startswith(b"Ringback is running at "):
                self._printed = asyncio.create_task(_drain(self._process.stdout))
                break
        else:
            raise ServerFailed(self.log.read_text(errors="replace").strip()[-300:] or "it ended without a word")
        keys = first_start.read(self.home)
        assert keys is not None
        self.keys = keys

    def _command(self, program: str, *arguments: str, **flags: str) -> list[str]:
        settings = {"ringback_home": str(self.home), **self._settings, **flags}
        words = [f"--{name}={value}" for name, value in settings.items()]
        return [str(Path(sys.executable).with_name(program)), *arguments, *words]

    @property
    def url(self) -> str:
        """Where REST listens."""
        return self.keys.url

    @property
    def database(self) -> Path:
        """The SQLite file that Asterisk reads, too."""
        return self.home / "ringback.db"

    async def rest(self, method: str, path: str, body: object = None) -> Answer:
        """One request of the demo customer. Raises ServerFailed when there is no answer."""
        return await asyncio.to_thread(self._rest, method, path, body)

    def _rest(self, method: str, path: str, body: object) -> Answer:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=START_SECONDS)
        headers = {"Authorization": f"Bearer {self.keys.customer_key}"}
        data = None if body is None else json.dumps(body)
        if data:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, data, headers)
            reply = connection.getresponse()
            raw = reply.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServerFailed(f"{method} {path}: {error or type(error).__name__}") from None
        finally:
            connection.close()
        return Answer(reply.status, json.loads(raw) if raw else None)

    async def rpc(self, method: str, uri: str, data: object = None) -> Answer:
        """One RPC envelope through the socket in its home. Raises ServerFailed when there is no answer."""
        envelope = {"uri": uri, "method": method, "publisher": "demo", "data_type": "application/json", "data": data}
        answer = await local.ask(self.home / SOCKET, json.dumps(envelope).encode())
        if answer is None:
            raise ServerFailed(f"nobody answers at {self.home / SOCKET}")
        reply = json.loads(answer)
        return Answer(reply["status_code"], reply.get("data"))

    async def run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Run `ringback` or `registrar-control` on this home: its exit code, and all that it printed."""
        process = await asyncio.create_subprocess_exec(
            *self._command(program, *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**clean(), **self._secrets},
        )
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode(errors="replace")

    async def stop(self) -> None:
        """End it by SIGTERM; may be called twice."""
        await super().stop()
        if self._printed is not None:
            await self._printed


def _is_secret(name: str) -> bool:
    """Whether it must not stand on a command line, which everybody on the machine can read."""
    return isinstance(Settings.model_fields[name].get_default(), SecretStr)


def clean() -> dict[str, str]:
    """Our environment without the settings of the Ringback that somebody may run beside this one."""
    ours = {knob.variable for knob in knobs()}
    return {name: value for name, value in os.environ.items() if name not in ours}


async def _drain(stream: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while await stream.read(65536):
            pass
