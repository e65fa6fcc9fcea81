"""What the servers have in common: a folder and a port, start, kill, start again, and nothing left behind."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, ClassVar, Final, Self

from ringback.demo.install import Recipe
from tests.memory import memory

from .keeper import forget_memory
from .programs import Program, obtained

HOST: Final = "127.0.0.1"
KEEPER: Final = Path(__file__).with_name("keeper.py")
LAST_LINES: Final = 15


class ServerFailed(Exception):
    """A server did not start; the text has the last lines of its log."""


class NotYet(Exception):
    """The server does not answer yet."""


class Server(ABC):
    """One server. `with Kind.private() as one:` starts it; it ends there, or when this process does, however that ends.

    Its methods block: some tenths of a second, RabbitMQ's some seconds. In a running event loop call them by
    `asyncio.to_thread`. They are not for two threads at a time."""

    recipe: ClassVar[Recipe[Program]]
    uid: ClassVar[int | None] = None
    """The user that it runs as, when not as ours."""
    START_SECONDS: ClassVar[float] = 60.0
    STOP_SECONDS: ClassVar[float] = 20.0
    USER: ClassVar[str] = "ringback"

    pid = 0
    """Its process id since the last start."""

    def __init__(self) -> None:
        self.program = obtained(self.recipe)
        self.port = free_port()
        self.password = token_hex(12)
        self.folder = Path(tempfile.mkdtemp(prefix="ringback-", dir=memory()))
        if self.uid is not None:
            os.chown(self.folder, self.uid, self.uid)
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(KEEPER), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
            bufsize=1,
        )

    @classmethod
    @contextmanager
    def private(cls) -> Iterator[Self]:
        """One of one's own, started; stopped at the end."""
        self = cls()
        try:
            self.prepare()
            self.start()
            yield self
        finally:
            self.stop()

    @property
    def address(self) -> str:
        """host:port"""
        return f"{HOST}:{self.port}"

    @abstractmethod
    def prepare(self) -> None:
        """Make its data folder. Raises ServerFailed."""

    @abstractmethod
    def command(self) -> tuple[str, ...]:
        """What starts it."""

    @abstractmethod
    def ready(self) -> None:
        """Use it as a client does. Raises NotYet."""

    def environment(self) -> Mapping[str, str]:
        """All that it finds in its environment, which is not ours."""
        return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder), "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def start(self) -> None:
        """Start it on its port and its data, return when it answers. Raises ServerFailed."""
        self._spawn(self.command(), "log")
        for _ in range(round(self.START_SECONDS / 0.02)):
            try:
                return self.ready()
            except NotYet:
                if self._tell("wait", seconds=0.02) is not None:
                    break
        self.kill()
        raise ServerFailed(f"{self.recipe.name} did not start:\n{self._last_lines('log')}")

    def kill(self) -> None:
        """SIGKILL; returns when it and all that it has started are gone. Its data stay."""
        self._tell("end", number=signal.SIGKILL, seconds=0)

    def shutdown(self) -> None:
        """SIGTERM, as an operator would; returns when it is gone. Its data stay."""
        self._tell("end", number=signal.SIGTERM, seconds=self.STOP_SECONDS)

    def pause(self) -> None:
        """SIGSTOP: its port is open and it does not answer from now on."""
        self._tell("pause")

    def resume(self) -> None:
        """After `pause`."""
        self._tell("resume")

    def stop(self) -> None:
        """Kill it and remove its folder; may be called twice."""
        self._keeper.communicate()
        forget_memory([self.pid])  # this and the folder are left when somebody has killed the keeper
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """What it has printed."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def run(self, command: tuple[str, ...], given: Path = Path(os.devnull), seconds: float = 60.0) -> None:
        """Run a program to its end, as the server's user; `given` is what it reads. Raises ServerFailed."""
        self._spawn(command, "prepared", given)
        code = self._tell("wait", seconds=seconds)
        if code != 0:
            self.kill()
            raise ServerFailed(f"{command[-1]} ended with {code}:\n{self._last_lines('prepared')}")

    def _spawn(self, command: tuple[str, ...], log: str, given: Path = Path(os.devnull)) -> None:
        asked = {"command": command, "env": self.environment(), "given": str(given), "log": str(self.folder / log)}
        self.pid = self._tell("start", **asked, uid=self.uid)

    def _last_lines(self, log: str) -> str:
        path = self.folder / log
        return "\n".join(path.read_text(errors="replace").splitlines()[-LAST_LINES:]) if path.exists() else ""

    def _tell(self, do: str, **more: Any) -> Any:
        keeper = self._keeper
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        keeper.stdin.write(json.dumps({"do": do, **more}) + "\n")
        return json.loads(keeper.stdout.readline())


def free_port() -> int:
    """A port that nobody has, nor gets while the server is down: it is below those of outgoing connections."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10000, max(lowest, 20000))
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
