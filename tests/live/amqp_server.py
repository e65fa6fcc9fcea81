"""A process that takes requests and never answers: run by `test_amqp_requests.py`, which kills it."""

import asyncio
import sys

from tests.live.amqp import serving


async def serve(body: bytes) -> bytes:
    say(body.decode())
    await asyncio.Event().wait()
    return b""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(url: str) -> None:
    async with serving(url, serve):
        say("serving")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
