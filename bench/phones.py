"""A child that is an Asterisk as Ringback sees one: contacts in its table, words of them over AMI; and hears the news.

It stands in where a real one would take the machine for itself: what phones and SIP cost is not what is measured.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncmy
import msgspec

from bench.amqp import channel, done
from bench.child import Ask, serve
from ringback.router.bench.figures import spread

TICK: Final = 0.02
"""Seconds of phones that are written in one statement."""
EXPIRES: Final = 300
SETTLED: Final = (4.0, 60.0)
"""Seconds after which news would be news of nothing, and within which all that is due must have come."""
GREETING: Final = b"Asterisk Call Manager/11.0.0\r\n"
WORD: Final = (
    "Event: SuccessfulAuth\r\nPrivilege: security,all\r\nSystemName: bench\r\nEventTV: {time}\r\n"
    "Severity: Informational\r\nService: PJSIP\r\nEventVersion: 1\r\nAccountID: {name}\r\nSessionID: {name}@here\r\n"
    "LocalAddress: IPV4/UDP/127.0.0.1/5060\r\nRemoteAddress: IPV4/UDP/127.0.0.1/5062\r\nUsingPassword: 1\r\n\r\n"
)
COLUMNS: Final = "id, uri, expiration_time, endpoint, user_agent, via_addr, via_port, reg_server, call_id, path"
WRITE: Final = f"INSERT INTO ps_contacts ({COLUMNS}) VALUES "
AGAIN: Final = " ON DUPLICATE KEY UPDATE expiration_time = VALUES(expiration_time)"
TOLD: Final = {"contact_registered": "new", "contact_unregistered": "gone"}


class Manager:
    """The manager port: everybody is let in and told everything."""

    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []
        self.heard = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        while raw := await _action(reader):
            fields = dict(line.partition(": ")[::2] for line in raw.decode().split("\r\n"))
            id = f"ActionID: {fields['ActionID']}\r\n" if "ActionID" in fields else ""
            writer.write(f"Response: Success\r\n{id}Challenge: 1\r\n\r\n".encode())
            if fields["Action"] == "Login":
                self._writers.append(writer)
                self.heard.set()

    def say(self, names: list[str]) -> None:
        """A word of each of them."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime())
        raw = "".join(WORD.format(time=now, name=name) for name in names).encode()
        for writer in self._writers:
            writer.write(raw)


class News:
    """What is told of contacts, and when each of them was told."""

    def __init__(self) -> None:
        self.told: Counter[tuple[str, str]] = Counter()
        self.at: dict[tuple[str, str], float] = {}

    def hear(self, _: Any, __: Any, ___: Any, body: bytes) -> None:
        message = msgspec.json.decode(body)
        if kind := TOLD.get(message["type"]):
            data = message["data"]
            one = kind, f"{data['extension']}@{data['realm']}"
            self.told[one] += 1
            self.at.setdefault(one, time.monotonic())


@asynccontextmanager
async def phones(settings: dict[str, Any]) -> AsyncIterator[Ask]:
    """`url` of the broker, `exchange` of the news, arguments of the driver for the `database`, `port`, `realm`. A line:
    `refreshed` and `changed` (first number and how many) within `seconds`; every other one that changes is new."""
    manager, news, realm = Manager(), News(), settings["realm"]
    link = await asyncmy.connect(**settings["database"], autocommit=True)
    async with channel(settings["url"]) as on, await asyncio.start_server(manager.serve, "127.0.0.1", settings["port"]):
        queue = (await done(on.queue_declare, "", exclusive=True)).method.queue
        await done(on.exchange_declare, settings["exchange"], "fanout", durable=True)
        await done(on.queue_bind, queue, settings["exchange"])
        await done(on.basic_consume, queue, news.hear, auto_ack=True)

        async def answer(asked: dict[str, Any]) -> Any:
            news.told.clear()
            news.at.clear()
            await manager.heard.wait()
            return await _load(asked, realm, link, manager, news)

        yield answer


async def _load(asked: dict[str, Any], realm: str, link: Any, manager: Manager, news: News) -> dict[str, Any]:
    ticks, statements, behind = max(int(asked["seconds"] / TICK), 1), 0, 0.0
    changed_at: dict[tuple[str, str], float] = {}
    begun = time.monotonic()
    refreshes, changes = _shares(asked["refreshed"], ticks), _shares(asked["changed"], ticks)
    async with link.cursor() as cursor:
        for tick, (refreshed, changed) in enumerate(zip(refreshes, changes, strict=True)):
            await asyncio.sleep(begun + tick * TICK - time.monotonic())
            now = time.monotonic()
            behind = max(behind, now - begun - tick * TICK)
            here = [name(number, realm) for number in (*refreshed, *(one for one in changed if one % 2))]
            gone = [name(number, realm) for number in changed if not number % 2]
            manager.say(here + gone)
            changed_at |= {("new", one): now for one in here[len(refreshed) :]} | {("gone", one): now for one in gone}
            if here:
                await cursor.execute(WRITE + ", ".join(map(_row, here)) + AGAIN)
            if gone:
                ids = ", ".join(f"'{contact_id(one)}'" for one in gone)
                await cursor.execute(f"DELETE FROM ps_contacts WHERE id IN ({ids})")
            statements += bool(here) + bool(gone)
    seconds = time.monotonic() - begun
    await asyncio.sleep(SETTLED[0])
    while time.monotonic() < begun + seconds + SETTLED[1] and not changed_at.keys() <= news.at.keys():  # noqa: ASYNC110
        await asyncio.sleep(TICK)
    took = [(news.at[one] - at) * 1000 for one, at in changed_at.items() if one in news.at]
    return {
        "seconds": seconds, "statements": statements, "changes": len(changed_at), "most_behind": behind,
        "told_once": sum(news.told[one] == 1 for one in changed_at),
        "told_too_much": sum(news.told.values()) - sum(news.told[one] > 0 for one in changed_at),
        "ms": spread(took) if took else None,
    }  # fmt: skip


def name(number: int, realm: str) -> str:
    """Of the endpoint of the copy with that number."""
    return f"{1_000_000 + number}@{realm}"


def contact_id(name: str) -> str:
    """Of the one contact of a phone."""
    return f"{name}^3B@bench"


def _row(name: str) -> str:
    until, number = int(time.time()) + EXPIRES, name.partition("@")[0]
    uri = f"sip:{number}@127.0.0.1:5062"
    return f"('{contact_id(name)}', '{uri}', {until}, '{name}', 'bench', '127.0.0.1', 5062, 'bench', '{number}', '')"


def _shares(asked: tuple[int, int], ticks: int) -> Iterator[range]:
    """So many from the first number on, in so many parts."""
    first, count = asked
    return (range(first + count * tick // ticks, first + count * (tick + 1) // ticks) for tick in range(ticks))


async def _action(reader: asyncio.StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).strip()
    except (EOFError, OSError):
        return b""


if __name__ == "__main__":
    serve(phones)
