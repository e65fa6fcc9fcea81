"""`ringback demo` as somebody types it: every step ok, recordings left, nothing else left."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import pytest
import pytest_asyncio

from ringback.demo.install import CACHE
from ringback.demo.phone import Account, Phone, PhoneOptions
from ringback.demo.programs import AsteriskProgram
from ringback.demo.show import OURS
from ringback.demo.steps import STEPS
from ringback.demo.tones import tone_share

from .conftest import until

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

ROOT = Path(__file__).parents[2]
MARK = "RINGBACK_TEST_RUN"
RECORDINGS = {"1001-hears-1002": 660, "1002-hears-1001": 440, "1002-hears-stranger": 1000, "stranger-hears-1002": 660}


class Demo:
    """A running `ringback demo`, what it has printed so far, and the processes that come of it."""

    def __init__(self, process: asyncio.subprocess.Process, mark: str) -> None:
        self.process = process
        self.printed = ""
        self._mark = f"{MARK}={mark}".encode()

    async def read_until(self, text: str) -> None:
        assert self.process.stdout is not None
        while text not in self.printed:
            line = await self.process.stdout.readline()
            assert line, self.printed
            self.printed += line.decode()

    async def ended(self) -> int:
        """Its exit code, after reading the rest."""
        assert self.process.stdout is not None
        self.printed += (await self.process.stdout.read()).decode()
        return await self.process.wait()

    def alive(self) -> set[int]:
        """The ids of all processes that were started by it, directly or not."""
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self._mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.add(int(folder.name))
            except (OSError, ValueError):
                continue  # ended meanwhile, or another user's
        return found


@asynccontextmanager
async def demo(folder: Path, *words: str) -> AsyncIterator[Demo]:
    mark = token_hex(8)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("ringback")), "demo", "--folder", str(folder), *words,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT, env={**os.environ, MARK: mark}, start_new_session=True,
    )  # fmt: skip
    one = Demo(process, mark)
    try:
        yield one
    finally:
        for pid in one.alive():
            with suppress(ProcessLookupError):  # ended meanwhile
                os.kill(pid, signal.SIGKILL)
        await process.wait()


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"ringback.log", OURS}


@dataclass
class Early:
    """Two demos that run while other tests do: to its end, and one that stays."""

    whole: Demo
    whole_folder: Path
    staying: Demo
    staying_folder: Path
    reading: asyncio.Task[int]


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def early(program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Early]:
    one, two = (tmp_path_factory.mktemp(name) for name in ("whole", "staying"))
    async with demo(one) as whole, demo(two, "--stay") as staying:
        yield Early(whole, one, staying, two, asyncio.create_task(whole.ended()))


async def test_a_demo_that_is_stopped_in_the_middle_leaves_no_process(tmp_path: Path) -> None:
    async def stop(signum: signal.Signals, code: int) -> None:
        folder = tmp_path / signum.name
        async with demo(folder) as one:
            await one.read_until("1001 registers")
            assert len(one.alive()) >= 4, one.printed

            one.process.send_signal(signum)

            assert await one.process.wait() == code
            if signum is signal.SIGKILL:
                await until(lambda: asyncio.to_thread(lambda: not one.alive()))
                return
            assert one.alive() == set()
            await one.ended()
            assert "Traceback" not in one.printed
            assert left(folder) == set()

    await asyncio.gather(stop(signal.SIGTERM, 143), stop(signal.SIGINT, 130), stop(signal.SIGKILL, -9))


async def test_a_second_demo_in_one_folder_is_refused_in_one_line(early: Early) -> None:
    await early.staying.read_until("Ringback starts")
    async with demo(early.staying_folder) as two:
        code = await two.ended()

    assert code == 2
    assert re.fullmatch(rf"ringback: The demo runs in {early.staying_folder} already \(process \d+\)\n", two.printed)


async def test_a_step_that_fails_is_told_with_what_depends_on_it_and_the_rest_goes_on(tmp_path: Path) -> None:
    """A file where Asterisk's folder should be lets it not start."""
    (tmp_path / OURS).touch()
    (tmp_path / "asterisk").write_text("in the way")
    async with demo(tmp_path) as one:
        code = await one.ended()

        assert code == 1
        assert one.alive() == set()
    words = re.findall(r"^(ok|FAILED|skipped) +(?:\d+\.\d\d s)? +(.+?)  ", one.printed, re.MULTILINE)
    assert words[:4] == [
        ("ok", "Ringback starts"),
        ("FAILED", "Asterisk starts"),
        ("ok", "POST /v1.0/extensions: 1001 and 1002"),
        ("skipped", "1001 registers"),
    ], one.printed
    assert re.search(r"^\d+ steps ok, 1 failed, \d+ skipped in ", one.printed, re.MULTILINE)


async def test_every_step_of_the_demo_is_as_promised_and_only_the_recordings_stay(early: Early) -> None:
    code = await early.reading

    assert code == 0, early.whole.printed
    assert early.whole.alive() == set()
    printed = early.whole.printed
    words = re.findall(r"^(ok|FAILED|skipped) ", printed, re.MULTILINE)
    assert words == ["ok"] * len(STEPS)
    assert f"{len(STEPS)} steps ok in " in printed
    assert "not registered" not in printed
    assert left(early.whole_folder) == {f"{name}.wav" for name in RECORDINGS}
    for name, tone in RECORDINGS.items():
        assert tone_share(early.whole_folder / f"{name}.wav", tone) > 0.9, name


async def test_a_demo_that_stays_tells_of_registrations_and_calls_until_ctrl_c(early: Early, tmp_path: Path) -> None:
    one = early.staying
    await one.read_until("Ctrl-C ends it.\n")
    (found,) = re.findall(r"server +(\S+).*domain +(\S+).*user +1001 +password +(\S+)", one.printed, re.DOTALL)
    server, realm, password = found
    (address,) = re.findall(r" at (sip:direct\.\S+)", one.printed)
    mine = PhoneOptions("mine", server, tmp_path, 440, Account("1001", realm, password))
    wrong = PhoneOptions("wrong", server, tmp_path, 440, Account("1001", realm, "something-else"))
    stranger = PhoneOptions("stranger", address.partition("@")[2], tmp_path, 1000)
    async with (
        await Phone.start(mine) as phone,
        await Phone.start(stranger) as caller,
        await Phone.start(wrong) as refused,
    ):
        assert await phone.register() == 200
        await one.read_until(f"  1001@{realm} registers from 127.0.0.1:")
        made = await phone.call(f"sip:1003@{realm}", talk=1)
        assert (made.status, made.heard(660) > 0.9) == (200, True)
        assert (await phone.call(f"sip:1002@{realm}")).status == 480
        assert (await caller.call(address, talk=0.1)).status == 200
        assert await refused.register() == 401
        await one.read_until(f"  1001@{realm} is refused at 127.0.0.1:")
        assert await phone.unregister() == 200
        await one.read_until("is registered there no more")

    one.process.send_signal(signal.SIGINT)

    assert await one.ended() == 0
    assert one.alive() == set()
    for line in (
        "1001 calls 1003",
        "1003 answers 1001",
        "1001's call to 1003 ends after ",
        "1001's call to 1002 ends unanswered: 480 ",
        "a stranger calls direct.",
        "1001 answers a stranger",
    ):
        assert f"  {line}" in one.printed
    assert left(early.staying_folder) - {"1003-1.wav"} == {f"{name}.wav" for name in RECORDINGS}


async def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "1001-song.wav").touch()
    async with demo(tmp_path) as one:
        code = await one.ended()

    assert code == 2
    assert one.printed == f"ringback: {tmp_path} holds other things: the demo needs a folder of its own\n"
    assert (tmp_path / "home" / "1001-song.wav").exists()


def no_tools(folder: Path) -> dict[str, str]:
    """An environment in which neither Asterisk nor apt is found."""
    (folder / "bin").mkdir()
    return {**os.environ, "PATH": str(folder / "bin")}


@pytest.mark.parametrize("words", [("-m", "ringback.demo"), ("-c", "from ringback.cli import main; main(['demo'])")])
async def test_without_asterisk_and_without_apt_one_line_says_so(tmp_path: Path, words: tuple[str, ...]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=tmp_path, env=no_tools(tmp_path),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await process.communicate()

    assert process.returncode
    assert error.decode().startswith("ringback: apt-get and dpkg-deb not found: install Asterisk 16 or newer")
    assert error.count(b"\n") == 1
    assert str(CACHE / "asterisk") in out.decode()
