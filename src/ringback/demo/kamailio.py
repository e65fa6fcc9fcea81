"""Runs a Kamailio of our own on loopback, in front of an Asterisk: started, stopped, and nothing left behind."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Self

from ringback.demo.children import Child, end, spawn
from ringback.demo.programs import KamailioProgram
from ringback.sip.files import write
from ringback.sip.kamailio import FILE, KamailioOptions, kamailio_files

START_SECONDS = 60.0
MEGABYTES = ("-m", "64", "-M", "8")  # shared, and of each process


class KamailioFailed(Exception):
    """Kamailio did not start; the text has lines of its log."""


class Kamailio(Child):
    """A running Kamailio. Use `await Kamailio.start(program, options, folder)`, and `stop()` or `async with`."""

    def __init__(self, program: KamailioProgram, options: KamailioOptions, folder: Path) -> None:
        self.program = program
        self.options = options
        self._folder = folder

    @classmethod
    async def start(cls, program: KamailioProgram, options: KamailioOptions, folder: Path) -> Self:
        """Write the configuration into `folder` (made here, removed by `stop`), start, wait until it answers SIP.

        The folders in `options` are set here. Raises KamailioFailed."""
        folder = folder.absolute()
        folder.mkdir(parents=True)
        self = cls(program, replace(options, modules=program.modules, folder=str(folder)), folder)
        write(folder, kamailio_files(self.options), secret={FILE})
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._start()
        except TimeoutError:
            lines = self.problems()
            await self.stop()
            raise KamailioFailed(f"no answer after {START_SECONDS:g} s: {' | '.join(lines[-3:])}") from None
        except BaseException:
            await self.stop()
            raise
        return self

    async def _start(self) -> None:
        where = [f"-f{self._folder / FILE}", f"-Y{self._folder}", f"-w{self._folder}"]
        self._process = await spawn(
            [*self.program.command, "-DD", "-E", *where, *MEGABYTES], output=self._log, cwd=self._folder
        )
        while not await asyncio.to_thread(_answers, self.options.bind, self.options.sip_port):
            if self._process.returncode is not None or any(" CRITICAL: " in line for line in self.problems()):
                raise KamailioFailed(f"it does not start: {' | '.join(self.problems()[:2])}")
            await asyncio.sleep(0.02)  # its port is not open yet

    @property
    def at(self) -> str:
        """`host:port` of the SIP server that trunks use."""
        return f"{self.options.bind}:{self.options.sip_port}"

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def problems(self) -> list[str]:
        """The warnings and errors that it has logged so far, oldest first."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL|ALERT): ", line)]

    async def stop(self) -> None:
        """End it (SIGTERM, after five seconds SIGKILL) and remove its folder; may be called twice."""
        process, self._process = self._process, None
        if process is not None:
            await end(process, self.STOP_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a worker that missed the end of the first process
        shutil.rmtree(self._folder, ignore_errors=True)


def _answers(host: str, port: int) -> bool:
    """Whether somebody there answers an OPTIONS over UDP within a fifth of a second."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.2)
        udp.connect((host, port))
        here = "{}:{}".format(*udp.getsockname())
        lines = [
            f"OPTIONS sip:{host}:{port} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};branch=z9hG4bK{token_hex(8)}",
            f"From: <sip:{here}>;tag={token_hex(4)}",
            f"To: <sip:{host}:{port}>",
            f"Call-ID: {token_hex(8)}",
            "CSeq: 1 OPTIONS",
            "Max-Forwards: 70",
            "Content-Length: 0",
        ]
        try:
            udp.send("\r\n".join([*lines, "", ""]).encode())
            return udp.recv(65535).startswith(b"SIP/2.0 200 ")
        except OSError:
            return False
