"""Router extensions of all four types in a process of their own, that may be killed: `python -m`, settings by line.

What they answer follows from what they are asked, so whoever asks can tell whether an answer is its own.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from ringback.brokers import nats_of
from ringback.demo.children import end, spawn
from ringback.kit.bus import Letter, Serve
from ringback.knobs import load
from tests.live.conftest import ROOT
from tests.servers.nats import Nats

SUBJECTS: Final = {
    "pre": "beamline.ext.pre.storm.v1",
    "validator": "beamline.ext.validate.storm.v1",
    "provider": "beamline.provider.storm.v1",
    "post": "beamline.ext.post.storm.v1",
}
BAD: Final = "bad"
"""The word that the validator rejects."""
BAD_WORD: Final = "bad_word"
"""What it says then."""
LEAVING: Final = 10.0


def marked(asked: Any, mark: str) -> Any:
    payload = asked["payload"]
    return {"payload": {**payload, "payload": f"{payload['payload']} {mark}"}}


def judged(asked: Any) -> Any:
    is_bad = BAD in asked["payload"]["payload"].split()
    return {"status": "reject", "reason": BAD_WORD} if is_bad else {"status": "ok"}


def provided(asked: Any) -> Any:
    return {"provider_id": asked["provider_id"], "output": f"{asked['prompt']} provider", "usage": {}, "metadata": {}}


ANSWERS: Final[dict[str, Callable[[Any], Any]]] = {
    "pre": partial(marked, mark="pre"),
    "validator": judged,
    "provider": provided,
    "post": partial(marked, mark="post"),
}


def expected(text: str) -> str:
    """What becomes of a text that nothing is wrong with."""
    return f"{text} pre provider post"


def serving(type: str) -> Serve:
    async def serve(letter: Letter) -> Letter:
        return Letter(json.dumps(ANSWERS[type](json.loads(letter.body))).encode())

    return serve


async def run() -> None:
    """Until nobody says anything any more."""
    link = nats_of(load(json.loads(sys.stdin.readline())))
    assert link
    await link.start()
    try:
        for type, subject in SUBJECTS.items():
            await link.services().serve("storm", subject, serving(type))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
    finally:
        await link.close()


class Worker:
    """One such process."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Return when it serves."""
        process = await spawn(
            [sys.executable, "-m", "tests.live.pipeline_workers"], cwd=ROOT, talk=True, env=self._environment()
        )
        self._process = process
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(self._settings).encode() + b"\n")
        assert await process.stdout.readline() == b"ready\n"

    async def kill(self) -> None:
        """SIGKILL, whatever it has in hand."""
        assert self._process
        os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> None:
        if self._process and self._process.returncode is None:
            assert self._process.stdin
            self._process.stdin.close()
            await end(self._process, LEAVING)

    @staticmethod
    def _environment() -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}


@asynccontextmanager
async def workers(at: Nats, count: int) -> AsyncIterator[list[Worker]]:
    """So many that share the work, while inside."""
    found = [Worker({"nats_address": at.url, "nats_user": at.USER, "nats_password": at.password}) for _ in range(count)]
    try:
        await asyncio.gather(*(one.start() for one in found))
        yield found
    finally:
        await asyncio.gather(*(one.stop() for one in found))


if __name__ == "__main__":
    asyncio.run(run())
