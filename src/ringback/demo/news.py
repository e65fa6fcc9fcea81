"""What happens at Asterisk, as it happens, in words: registrations from its table, calls from its manager interface."""

import asyncio
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from ringback.demo.asterisk import AsteriskFailed
from ringback.demo.ports import HOST
from ringback.kit.secret import Secret
from ringback.sip import ami
from ringback.sip.ami_conf import USER

REFUSED = re.compile(r"Request 'REGISTER' from '.*?<sips?:([^>;]+).*?' failed for '([^']+)' \(.*?\) - (.+)")


class CallFeed:
    """The events of an Asterisk's manager interface (AMI) on loopback."""

    def __init__(self, port: int, secret: Secret) -> None:
        self.port = port
        self._secret = secret

    async def events(self) -> AsyncIterator[Mapping[str, str]]:
        """Each event as its fields, until Asterisk ends. Raises AsteriskFailed if it does not let us in."""
        try:
            stream, writer = await asyncio.open_connection(HOST, self.port, limit=ami.LONGEST)
        except OSError as error:
            raise AsteriskFailed(f"its manager port does not answer: {error.strerror}") from None
        try:
            reader = ami.Reader(stream)
            await reader.greeting()
            writer.write(ami.action("Login", Username=USER, Secret=self._secret.reveal()))
            while True:
                message = await reader.next()
                if "Event" in message:
                    yield message
                elif message.get("Response") == "Error":
                    raise AsteriskFailed(f"its manager port says: {message.get('Message', '')}")
        except EOFError:
            return
        finally:
            writer.close()


@dataclass(slots=True)
class Calls:
    """Turns call events into lines: who calls whom, who answers, how it ended."""

    asked: dict[str, str] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)

    def lines(self, event: Mapping[str, str]) -> Iterator[str]:
        """What one event has to say; most say nothing."""
        channel = event.get("Channel", "")
        kind = event["Event"]
        caller = _who(channel)
        if kind == "Newchannel" and event.get("Exten") and event.get("ChannelStateDesc") == "Ring":
            self.asked[channel] = event["Exten"]
            yield f"{caller} calls {event['Exten']}"
        elif channel not in self.asked:
            return
        elif kind == "DialBegin":
            yield f"{_who(event['DestChannel'])} rings"
        elif kind == "DialEnd" and event.get("DialStatus") == "ANSWER":
            self.answered[channel] = time.monotonic()
            yield f"{_who(event['DestChannel'])} answers {caller}"
        elif kind == "Hangup":
            yield self._ended(channel, caller, event)

    def _ended(self, channel: str, caller: str, event: Mapping[str, str]) -> str:
        asked = self.asked.pop(channel)
        since = self.answered.pop(channel, None)
        if since is None:
            status = event.get("TechCause", "")
            why = event.get("Cause-txt", "")
            return f"{caller}'s call to {asked} ends unanswered: {' '.join(filter(None, (status, why)))}"
        return f"{caller}'s call to {asked} ends after {time.monotonic() - since:.1f} s"


def _who(channel: str) -> str:
    """`PJSIP/1001@demo.registrar.localhost-0000001a` → `1001`; a caller without an account is a stranger."""
    name = channel.removeprefix("PJSIP/").rpartition("-")[0]
    number = name.partition("@")[0]
    return "a stranger" if number == "anonymous" else number


class Registrations:
    """Turns Asterisk's table of contacts into lines: who came, who left."""

    def __init__(self, database: Path) -> None:
        self._database = f"file:{quote(str(database))}?mode=ro"
        self._before = self._now()

    def _now(self) -> dict[str, tuple[str, str, str, int]]:
        query = "SELECT id, endpoint, uri, user_agent, expiration_time FROM ps_contacts"
        with closing(sqlite3.connect(self._database, uri=True)) as connection:
            return {row[0]: (*row[1:4], int(row[4] or 0)) for row in connection.execute(query)}

    def lines(self) -> Iterable[str]:
        """What has changed since the last look."""
        before, self._before = self._before, self._now()
        for id, (endpoint, uri, agent, expires) in self._before.items():
            if id not in before:
                left = max(0, expires - int(time.time()))
                where = uri.partition("@")[2].partition("^")[0]
                yield f"{endpoint} registers from {where or uri} for {left} s ({agent or 'an unnamed phone'})"
        for id, (endpoint, _, _, expires) in before.items():
            if id not in self._before:
                yield f"{endpoint} {'has expired' if expires <= time.time() else 'is registered there no more'}"


class Refusals:
    """Turns lines of Asterisk's log into lines for eyes: whose REGISTER was refused."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = log.stat().st_size if log.exists() else 0

    def lines(self) -> Iterable[str]:
        """What has been refused since the last look."""
        if not self._log.exists():
            return
        with self._log.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            if found := REFUSED.search(line):
                yield f"{found[1]} is refused at {found[2]}: {found[3].lower()}"
