"""Runs an Asterisk of our own on loopback: started, asked, stopped, and nothing left behind."""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ringback.demo.children import Child, spawn
from ringback.demo.programs import AsteriskProgram
from ringback.sip.config import AsteriskOptions, Directories, asterisk_files

BOOT_SECONDS = 60.0
SOCKET_FOLDER_BYTES = 90  # the path of a Unix socket, here <folder>/asterisk.ctl, must be under 108


class AsteriskFailed(Exception):
    """Asterisk did not start, or did not answer; the text has the last lines of its log."""


@dataclass(frozen=True, slots=True)
class _Folders:
    work: Path
    run: Path

    def directories(self, program: AsteriskProgram) -> Directories:
        return Directories(
            etc=str(self.work / "etc"),
            modules=program.modules,
            data=program.data,
            var=str(self.work / "var"),
            run=str(self.run),
            log=str(self.work / "log"),
            spool=str(self.work / "spool"),
        )

    @classmethod
    def create(cls, work: Path) -> Self:
        for name in ("etc", "var/keys", "log", "spool", "run"):
            (work / name).mkdir(parents=True, exist_ok=True)
        run = work / "run"
        if len(bytes(run)) > SOCKET_FOLDER_BYTES:
            run = Path(tempfile.mkdtemp(prefix="ringback-"))
        return cls(work, run)

    def remove(self) -> None:
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.rmtree(self.work, ignore_errors=True)


class Asterisk(Child):
    """A running Asterisk. Use `await Asterisk.start(program, options, folder)`, and `stop()` or `async with`."""

    def __init__(self, program: AsteriskProgram, options: AsteriskOptions, folders: _Folders) -> None:
        self.program = program
        self.options = options
        self._folders = folders

    @classmethod
    async def start(
        cls, program: AsteriskProgram, options: AsteriskOptions, folder: Path, more: Mapping[str, str] | None = None
    ) -> Self:
        """Write the configuration into `folder` (made here, removed by `stop`), start, wait until fully booted.

        The directories and the drivers of `options` are set here; `more` are files (name → text) beside or in
        place of Ringback's own. Raises AsteriskFailed."""
        folders = _Folders.create(folder.absolute())
        options = replace(options, directories=folders.directories(program), drivers=program.drivers)
        for name, text in {**asterisk_files(options), **(more or {})}.items():
            file = folders.work / "etc" / name
            file.touch(mode=0o600)
            file.write_text(text)
        self = cls(program, options, folders)
        await self.again()
        return self

    async def again(self) -> None:
        """Start it with the configuration that is there, and wait until fully booted. Raises AsteriskFailed."""
        try:
            await self._start()
            async with asyncio.timeout(BOOT_SECONDS):
                await self._booted()
        except TimeoutError:
            lines = self.problems()
            await self.stop()
            raise AsteriskFailed(f"not booted after {BOOT_SECONDS:g} s: {' | '.join(lines[-3:])}") from None
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        command = [*self.program.command, "-f", "-C", self._conf]
        self._process = await spawn(
            command,
            output=self._folders.work / "log" / "console",
            cwd=self._folders.work,
            env={**os.environ, "ODBCINI": str(self._folders.work / "etc" / "odbc.ini")},
        )

    async def _booted(self) -> None:
        while True:
            if self._process is None or self._process.returncode is not None:
                raise AsteriskFailed(f"it ended at once: {' | '.join(self.problems()[-3:])}")
            try:
                if "fully booted" in await self.command("core waitfullybooted"):
                    break
            except AsteriskFailed:
                await asyncio.sleep(0.02)  # its control socket is not there yet
        if lost := [line for line in self.problems() if "could not be started" in line]:
            raise AsteriskFailed(lost[0])

    @property
    def _conf(self) -> str:
        return str(self._folders.work / "etc" / "asterisk.conf")

    async def command(self, text: str) -> str:
        """What Asterisk's console answers to one command. Raises AsteriskFailed when it cannot be reached."""
        process = await asyncio.create_subprocess_exec(
            *self.program.command, "-C", self._conf, "-rx", text,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, error = await process.communicate()
        if process.returncode:
            raise AsteriskFailed((error or out).decode(errors="replace").strip()[-300:])
        return out.decode(errors="replace")

    @property
    def log(self) -> Path:
        """Where it logs notices, warnings and errors."""
        log = self._folders.work / "log" / "messages"
        return log if log.exists() else log.with_name("messages.log")  # newer ones add .log

    def problems(self) -> list[str]:
        """The warnings and errors that Asterisk has logged so far, oldest first; its last words if it has no log."""
        if self.log.exists():
            lines = self.log.read_text(errors="replace").splitlines()
            return [line for line in lines if re.search(r"\b(WARNING|ERROR)\[", line)]
        console = self._folders.work / "log" / "console"
        return console.read_text(errors="replace").splitlines()[-5:] if console.exists() else []

    async def stop(self) -> None:
        """End it (SIGTERM, after five seconds SIGKILL) and remove its folders; may be called twice."""
        await super().stop()
        self._folders.remove()
