"""Keeps one server: starts and ends it when told, and when nobody is left to tell, ends it and removes its folder.

A program of its own that needs the standard library alone: `python -I -S keeper.py FOLDER`. It reads one JSON object a
line and answers each with one line. When its input ends, because its owner wants it or was killed, all that the server
has started is killed and the folder is gone. If it is killed itself, the server dies with it.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import sys
from contextlib import suppress
from typing import Any

IPC_RMID = 0
PR_SET_CHILD_SUBREAPER = 36
PR_SET_PDEATHSIG = 1


class Keeper:
    """One server, or none at the moment."""

    pid = 0
    code = 0

    def __init__(self) -> None:
        self.pids: list[int] = []

    def start(self, command: list[str], env: dict[str, str], given: str, log: str, uid: int | None) -> int:
        """Its process id. `given` is the file that it reads; with `uid` it is that user, and may read what we may."""
        self.pid = os.fork()
        if self.pid == 0:
            try:
                become(command, env, given, log, uid)
            finally:
                os._exit(127)
        self.pids.append(self.pid)
        return self.pid

    def wait(self, seconds: float) -> int | None:
        """Its exit code (of a signal, negative) if it ends within so long."""
        if self.pid:
            ended = os.pidfd_open(self.pid)
            try:
                if not select.select([ended], [], [], seconds)[0]:
                    return None
            finally:
                os.close(ended)
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self.pid = 0
        return self.code

    def end(self, number: int, seconds: float) -> int | None:
        """Send a signal; whatever is there after so long is killed, all that the server has started too."""
        if self.pid:
            os.kill(self.pid, number)
        code = self.wait(seconds)
        while children := list(descendants(os.getpid())):
            for child in children:
                signal_to(child, signal.SIGKILL)
            reap()
        self.pid = 0
        return code

    def pause(self) -> None:
        """Returns when all of its processes stand still."""
        children = descendants(os.getpid())
        for child in children:
            signal_to(child, signal.SIGSTOP)
        while not all(map(is_still, children)):
            os.sched_yield()

    def resume(self) -> None:
        """After `pause`."""
        for child in descendants(os.getpid()):
            signal_to(child, signal.SIGCONT)


def become(command: list[str], env: dict[str, str], given: str, log: str, uid: int | None) -> None:
    """The child's way from the fork to the server."""
    os.chdir(os.path.dirname(log))
    os.dup2(os.open(given, os.O_RDONLY), 0)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 1)
    os.dup2(1, 2)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if uid is not None:
        user = ["--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
        power = ["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"]
        power += ["--securebits", "+no_setuid_fixup"]  # or access(2) would deny what open(2) grants
        command = ["setpriv", *user, *power, "--pdeathsig", "KILL", *command]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execvpe(command[0], command, env)


def descendants(pid: int) -> list[int]:
    """The processes that this one has started, and those that they have."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return found
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                children = [int(word) for word in file.read().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def forget_memory(pids: list[int]) -> None:
    """Remove the shared memory that these processes have made and left behind."""
    with open("/proc/sysvipc/shm") as file:
        names, *rows = [line.split() for line in file]
    for row in rows:
        segment = dict(zip(names, map(int, row), strict=False))
        if segment["cpid"] in pids:
            ctypes.CDLL(None).shmctl(segment["shmid"], IPC_RMID, None)


def signal_to(pid: int, number: int) -> None:
    """That, unless it has just gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def is_still(pid: int) -> bool:
    """Whether no thread of a stopped process runs: each goes on until the first has had its turn to take the signal."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] not in "TtZX":
                    return False
    except OSError:
        pass  # it is gone
    return True


def reap() -> None:
    """Take leave of whoever has ended, at least of one."""
    try:
        os.waitpid(-1, 0)
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def main(folder: str) -> None:
    """Do as told until the input ends."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    keeper = Keeper()
    try:
        for line in sys.stdin:
            asked: dict[str, Any] = json.loads(line)
            answer = getattr(keeper, asked.pop("do"))(**asked)
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    finally:
        keeper.end(signal.SIGKILL, 1)
        forget_memory(keeper.pids)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
