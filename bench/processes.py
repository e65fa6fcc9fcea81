"""What processes cost: seconds of CPU and bytes of memory, each with all that it has started."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

TICK: Final = os.sysconf("SC_CLK_TCK")
PROC: Final = Path("/proc")
PAUSE: Final = 1.0


def family(pid: int) -> list[int]:
    """A process and all that it has started and that still run."""
    found = [pid]
    for one in found:
        for task in (PROC / str(one) / "task").glob("*/children"):
            with suppress(OSError):
                found += map(int, task.read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """Seconds of CPU of a process, of what it has started, and of what of that has ended and was waited for."""
    ticks = 0
    for one in family(pid):
        with suppress(OSError):
            fields = (PROC / str(one) / "stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15] if one == pid else fields[11:13]))
    return ticks / TICK


async def quiet(pid: int) -> None:
    """Return when it has hardly anything to do any more: what a start brings with it is over."""
    before = float("-inf")
    while (now := cpu_seconds(pid)) > before + PAUSE / 20:
        before = now
        await asyncio.sleep(PAUSE)


def resident(pid: int) -> int:
    """Bytes of memory that a process and what it has started hold, what they share with others counted in part."""
    return sum(_proportional(one) for one in family(pid))


def _proportional(pid: int) -> int:
    with suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


@dataclass(slots=True)
class Spent:
    """Seconds of CPU of each process of a measurement, by its name."""

    seconds: dict[str, float] = field(default_factory=dict)

    def us_each(self, count: int) -> dict[str, float]:
        """Microseconds of each for one of so many operations."""
        return {name: spent / max(count, 1) * 1e6 for name, spent in self.seconds.items()}


@contextmanager
def spending(pids: Mapping[str, int]) -> Iterator[Spent]:
    """What these processes spend while inside; known afterwards."""
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    spent = Spent()
    yield spent
    spent.seconds = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
