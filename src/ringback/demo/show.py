"""The command `ringback demo`: the story is played, told and cleared away."""

import asyncio
import importlib.util
import shutil
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

from ringback import __version__
from ringback.demo.asterisk import AsteriskFailed
from ringback.demo.news import CallFeed
from ringback.demo.phone import PhoneFailed
from ringback.demo.ports import Ports
from ringback.demo.programs import ASTERISK, AsteriskProgram
from ringback.demo.report import Report
from ringback.demo.server import ServerFailed
from ringback.demo.stay import stay_open
from ringback.demo.steps import STEPS
from ringback.demo.story import NotSeen, Outcome, Story
from ringback.kit.errors import CannotStart
from ringback.kit.lock import only_one

OURS = ".ringback-demo"
"""The file that makes a folder the demo's own, which it may sweep; the demo that runs there holds its lock."""
RECORDINGS = "*-hears-*.wav", "100[123]-*.wav", "stranger-*.wav"


def show(folder: Path, *, stay: bool) -> bool:
    """Play the whole demo in a folder of its own; whether every step was as promised.

    Raises CannotStart when something that it needs cannot be had."""
    report = Report()
    require_softphone()
    signal.signal(signal.SIGTERM, _terminated)
    program = ASTERISK.obtain(tell=report.say)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not (folder / OURS).exists():
            raise CannotStart(f"{folder} holds other things: the demo needs a folder of its own")
        with only_one(folder / OURS, f"The demo runs in {folder}"):
            return asyncio.run(_play(folder, program, report, stay=stay))
    except (AsteriskFailed, PhoneFailed, ServerFailed, NotSeen) as error:
        report.say(f"FAILED  {error}", "bold red")
        return False
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)
    except OSError as error:
        raise CannotStart(f"{folder} cannot be used: {error.strerror or error}") from None


def require_softphone() -> None:
    """CannotStart without pjsua2."""
    if importlib.util.find_spec("pjsua2") is None:
        raise CannotStart("the softphones need pjsua2, which is not installed: pip install pjsua2-python")


def _terminated(signum: int, frame: object) -> None:
    raise SystemExit(128 + signum)


async def _play(folder: Path, program: AsteriskProgram, report: Report, *, stay: bool) -> bool:
    _sweep(folder)
    begun = time.monotonic()
    report.say(f"Ringback {__version__} and Asterisk {program.version} on loopback; recordings go to {folder}\n")
    ended = asyncio.current_task()
    assert ended is not None
    for signum in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(signum, ended.cancel)
    try:
        async with AsyncExitStack() as stack:
            story = Story(folder, program, Ports.find(usual=stay), stack)
            outcome = await story.play(STEPS, report)
            _sum_up(report, outcome, time.monotonic() - begun, story)
            if stay and not outcome.failed:
                await stay_open(story, CallFeed(story.ports.news, story.manager), report)
    finally:
        _sweep(folder, recordings=False)
    if not outcome.failed:
        story.server.log.unlink()  # after a failure it is what to read
    return not outcome.failed


def _sum_up(report: Report, outcome: Outcome, seconds: float, story: Story) -> None:
    failed = f", {outcome.failed} failed" if outcome.failed else ""
    skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
    report.say()
    report.say(f"{outcome.ok} steps ok{failed}{skipped} in {seconds:.1f} s", "bold red" if failed else "bold green")
    for file in sorted(story.recordings):
        report.say(f"  {file}")
    if failed:
        for line in story.complaints():
            report.say(f"  {line}")


def _sweep(folder: Path, *, recordings: bool = True) -> None:
    """Remove what a demo has left; `recordings` too, before the next one."""
    for name in ("home", "asterisk"):
        shutil.rmtree(folder / name, ignore_errors=True)
    if recordings:
        for pattern in RECORDINGS:
            for file in folder.glob(pattern):
                file.unlink()
