"""A worker in a process of its own: `python -m tests.live.worker_process nats://… user password`."""

import asyncio
import os
import sys

from ringback.kit.bus import Letter
from ringback.kit.secret import Secret
from ringback.transports.nats.address import Address
from ringback.transports.nats.link import Link


async def main(url: str, user: str, password: str) -> None:
    """Answer `a.pid` with the number of this process, and `a.never` never."""
    link = Link(Address.parse(url, user=user, password=Secret(password)), "worker")

    async def pid(letter: Letter) -> Letter:
        return Letter(b"%d" % os.getpid())

    async def never(letter: Letter) -> Letter:
        await asyncio.Event().wait()
        return letter

    await link.start()
    await link.services().serve("pid", "a.pid", pid)
    await link.services().serve("never", "a.never", never)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
