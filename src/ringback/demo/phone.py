"""A softphone for the demo and the live tests: register, call, play a tone, record what is heard."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from ringback.demo.children import spawn
from ringback.demo.tones import tone_share, write_tone

PATIENCE = 60.0
"""Seconds for what must come: what takes longer hangs."""


class PhoneFailed(Exception):
    """The softphone could not do what it was asked: its process ended, stayed silent, or said why."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a phone registers as: `sip:<number>@<realm>`, proving `username` (default: the number)."""

    number: str
    realm: str
    password: str
    username: str = ""

    def __repr__(self) -> str:
        return f"Account({self.number}@{self.realm})"


@dataclass(frozen=True, slots=True)
class PhoneOptions:
    """One phone: a name, the SIP server (`host:port`; every request goes there, no DNS), its tone in Hz.

    Each call that has audio is recorded as `<folder>/<name>-<n>.wav`, counted from 1. Without an account the
    phone cannot register and calls as a stranger. `answer` is the status that it gives to incoming calls
    (200; e.g. 486 to be busy).
    """

    name: str
    server: str
    folder: Path
    tone: int = 440
    account: Account | None = None
    bind: str = "127.0.0.1"
    answer: int = 200
    transport: Literal["udp", "tcp", "tls"] = "udp"


@dataclass(frozen=True, slots=True)
class CallReport:
    """How a call ended: final SIP status, seconds talked, RTP packets each way, what was heard ("": nothing)."""

    status: int
    reason: str
    peer: str
    seconds: float
    sent: int
    received: int
    lost: int
    recording: str

    def heard(self, hertz: int) -> float:
        """How much of what this phone heard is that tone: near 1.0 if the other side played it, else near 0.0."""
        return tone_share(Path(self.recording), hertz) if self.recording else 0.0


class Phone:
    """A running softphone process. Use `await Phone.start(options)`, and `close()` or `async with`."""

    def __init__(self, process: asyncio.subprocess.Process, options: PhoneOptions, tone: Path) -> None:
        self._process = process
        self._tone = tone
        self._events: dict[str, asyncio.Queue[Mapping[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read())
        self.options = options
        self.rang = 0
        """How many calls have come in since the start, answered or not."""

    @classmethod
    async def start(cls, options: PhoneOptions) -> Self:
        """Start the process and wait until its SIP socket is open.

        Raises PhoneFailed, e.g. when pjsua2 is not installed."""
        options.folder.mkdir(parents=True, exist_ok=True)
        tone = options.folder / f"{options.name}-tone.wav"
        write_tone(tone, options.tone)
        try:
            process = await spawn([sys.executable, "-m", "ringback.demo.softphone"], talk=True)
        except BaseException:
            tone.unlink()
            raise
        phone = cls(process, options, tone)
        try:
            await phone._tell(_wire(options, tone))
            await phone._hear("ready", PATIENCE)
        except BaseException:
            await phone.close()
            raise
        return phone

    async def register(self, *, within: float = PATIENCE) -> int:
        """Send a REGISTER and return the final SIP status (another password: start another phone).

        Raises PhoneFailed after `within` seconds without an answer."""
        await self._tell({"do": "register"})
        return int((await self._hear("registration", within))["status"])

    async def unregister(self, *, within: float = PATIENCE) -> int:
        """Remove this phone's contact and return the final SIP status."""
        await self._tell({"do": "unregister"})
        return int((await self._hear("registration", within))["status"])

    async def call(self, uri: str, *, talk: float = 1.0, within: float = PATIENCE) -> CallReport:
        """Call a SIP URI; if it is answered, talk at most that many seconds and hang up; tell how it went."""
        self._queue("answered-out")
        await self._tell({"do": "call", "uri": uri})
        ended = asyncio.create_task(self._hear("ended-out", within + talk))
        answered = asyncio.create_task(self._hear("answered-out", within + talk))
        try:
            await asyncio.wait({ended, answered}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done() and answered.exception() is None:
                await asyncio.wait({ended}, timeout=talk)
                await self.hang_up()
            return _report(await ended)
        finally:
            for task in (ended, answered):
                task.cancel()
            await asyncio.gather(ended, answered, return_exceptions=True)

    async def answered(self, *, within: float = PATIENCE) -> None:
        """Comes back when the next incoming call has been answered."""
        await self._hear("answered-in", within)

    async def next_call(self, *, within: float = PATIENCE) -> CallReport:
        """The report of the next incoming call that has ended, oldest first."""
        return _report(await self._hear("ended-in", within))

    async def hang_up(self) -> None:
        """End whatever call there is; nothing happens when there is none."""
        await self._tell({"do": "hangup"})

    async def close(self) -> None:
        """Unregister, end the process and wait for it; may be called twice."""
        if self._process.returncode is None:
            with contextlib.suppress(PhoneFailed):
                await self._tell({"do": "close"})
            try:
                async with asyncio.timeout(5):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._reader
        self._tone.unlink(missing_ok=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _queue(self, name: str) -> asyncio.Queue[Mapping[str, Any]]:
        return self._events.setdefault(name, asyncio.Queue())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event = json.loads(line)
            name = event["event"]
            if name == "ringing":
                self.rang += 1
            elif name in ("answered", "ended"):
                name += "-in" if event["incoming"] else "-out"
            self._queue(name).put_nowait(event)
        for queue in self._events.values():
            queue.put_nowait({"event": "failed", "reason": "the softphone process has ended"})

    async def _tell(self, command: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise PhoneFailed("the softphone process has ended") from error

    async def _hear(self, name: str, within: float) -> Mapping[str, Any]:
        waits = [asyncio.create_task(self._queue(queue).get()) for queue in (name, "failed")]
        try:
            done, _ = await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if not done:
            raise PhoneFailed(f"no {name} within {within:g} s")
        event = min((wait.result() for wait in done), key=lambda one: one["event"] == "failed")
        if event["event"] == "failed":
            raise PhoneFailed(str(event["reason"]))
        return event


def _wire(options: PhoneOptions, tone: Path) -> Mapping[str, object]:
    account = options.account
    return {
        "bind": options.bind,
        "answer": options.answer,
        "tone": str(tone),
        "folder": str(options.folder),
        "name": options.name,
        "transport": options.transport,
        "proxy": f"sip:{options.server};transport={options.transport};lr",
        "identity": f"sip:{account.number}@{account.realm}" if account else f"sip:caller@{options.bind}",
        "registrar": f"sip:{account.realm}" if account else "",
        "realm": account.realm if account else "",
        "username": (account.username or account.number) if account else "",
        "password": account.password if account else "",
    }


def _report(event: Mapping[str, Any]) -> CallReport:
    return CallReport(**{name: event[name] for name in CallReport.__slots__})
