"""The demo: from an empty folder to ringing phones and back, every step seen on a real Asterisk."""

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringback.demo.asterisk import Asterisk, AsteriskFailed
from ringback.demo.phone import Account, CallReport, Phone, PhoneFailed, PhoneOptions
from ringback.demo.ports import Ports
from ringback.demo.programs import AsteriskProgram
from ringback.demo.report import Report
from ringback.demo.server import Answer, Server, ServerFailed
from ringback.kit.secret import Secret

TONES = {"1001": 440, "1002": 660, "stranger": 1000}
"""What each phone plays, in Hz: whoever hears it, hears that phone."""
PURE = 0.9  # a recording that is nothing but that tone
EXTENSIONS = "/v1.0/extensions"
WORDS = {200: "200 OK", 401: "401 Unauthorized", 403: "403 Forbidden"}


class NotSeen(Exception):
    """A step did not show what it promises; the text says what was seen instead."""


@dataclass(frozen=True, slots=True)
class Step:
    """One promise: what is done, what it needs to have been done before, and how."""

    name: str
    needs: tuple[str, ...]
    what: str
    run: Callable[["Story"], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many steps were as promised, failed, or could not be tried."""

    ok: int
    failed: int
    skipped: int


class Story:
    """The scene and the steps. What a step starts, `stack` stops."""

    def __init__(self, folder: Path, program: AsteriskProgram, ports: Ports, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.program = program
        self.ports = ports
        self.stack = stack
        self.server: Server
        self.asterisk: Asterisk
        self.extensions: dict[str, Any] = {}
        self.phones: dict[str, Phone] = {}
        self.recordings: set[Path] = set()
        self.addresses: list[str] = []
        """Direct addresses so far, the one that counts last."""
        self.manager = Secret.generate()
        """Of Asterisk's manager port, where Ringback hears what happens."""
        self.detail = ""
        """What the step that runs wants to be shown below its line."""

    async def play(self, steps: tuple[Step, ...], report: Report) -> Outcome:
        """Run the steps in order; those that need one that failed are skipped."""
        done: set[str] = set()
        failed = skipped = 0
        for step in steps:
            if missing := [name for name in step.needs if name not in done]:
                report.step("skipped", None, step.what, f"needs what failed: {', '.join(missing)}")
                skipped += 1
                continue
            begun = time.monotonic()
            self.detail = ""
            try:
                with report.busy(step.what):
                    word, seen = "ok", await step.run(self)
                done.add(step.name)
            except (NotSeen, PhoneFailed, AsteriskFailed, ServerFailed) as error:
                word, seen = "FAILED", str(error)
                failed += 1
            except Exception as error:
                word, seen = "FAILED", f"{type(error).__name__}: {error}"
                failed += 1
            report.step(word, time.monotonic() - begun, step.what, seen, self.detail)
        return Outcome(len(done), failed, skipped)

    # ---- what several steps do -----------------------------------------------------------------------------

    async def rest(self, method: str, path: str, body: object = None, *, status: int = 200) -> Answer:
        """A REST request that must answer with that status."""
        answer = await self.server.rest(method, path, body)
        if answer.status != status:
            raise NotSeen(f"{method} {path} answered {answer.status} {answer.reason}")
        return answer

    def path(self, number: str) -> str:
        """Where an extension is in REST."""
        return f"{EXTENSIONS}/{self.extensions[number]['id']}"

    async def create(self, number: str) -> None:
        """Create an extension; the password that Ringback made is kept in memory."""
        answer = await self.rest("POST", EXTENSIONS, {"extension": number, "name": f"Demo {number}"}, status=201)
        self.extensions[number] = answer.body

    async def pick_up(self, number: str, tone: int) -> Phone:
        """Take a new phone with the credentials of an extension; the one before is put away."""
        shown = self.extensions[number]
        account = Account(number, shown["realm"], shown["password"], shown["username"])
        if number in self.phones:
            await self.phones[number].close()
        options = PhoneOptions(number, self.ports.phones_at, self.folder, tone, account)
        self.phones[number] = await self.stack.enter_async_context(await Phone.start(options))
        return self.phones[number]

    async def stranger(self) -> Phone:
        """A phone without any account, at the port that anybody may call."""
        if "stranger" not in self.phones:
            options = PhoneOptions("stranger", self.ports.public_at, self.folder, TONES["stranger"])
            self.phones["stranger"] = await self.stack.enter_async_context(await Phone.start(options))
        return self.phones["stranger"]

    async def ring(self, caller: str, callee: str, uri: str) -> str:
        """Call, talk a second, and check on both recordings that each heard the other."""
        phone = await self.stranger() if caller == "stranger" else self.phones[caller]
        made = await phone.call(uri)
        if made.status != 200:
            raise NotSeen(f"{made.status} {made.reason}")
        taken = await self.phones[callee].next_call()
        ways = [(callee, made, caller), (caller, taken, callee)]
        heard = [self._heard(*way) for way in ways]
        return f"200 OK, {'; '.join(heard)}"

    def _heard(self, speaker: str, report: CallReport, listener: str) -> str:
        share = report.heard(TONES[speaker])
        text = f"{listener} hears {speaker}'s {TONES[speaker]} Hz ({report.received} packets, {share:.0%} pure)"
        if share < PURE or not report.received:
            raise NotSeen(f"{text}: no clean audio")
        kept = Path(report.recording)
        self.recordings.add(kept.rename(kept.with_name(f"{listener}-hears-{speaker}.wav")))
        return text

    def complaints(self) -> list[str]:
        """Where to look when something failed: Asterisk's last words, and where Ringback's are."""
        found = [f"Asterisk: {line}" for line in self.asterisk.problems()[-5:]] if hasattr(self, "asterisk") else []
        return [*found, f"Ringback's log: {self.server.log}"] if hasattr(self, "server") else found


async def refused(answer: Awaitable[int], why: str) -> str:
    """The REGISTER must not succeed."""
    status = await answer
    if status // 100 == 2:
        raise NotSeen(f"{status}: accepted, though {why}")
    return f"{WORDS.get(status, status)}: {why}"
