"""Asterisk's manager interface (AMI): where it is, how its messages are written and read."""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import SplitResult, unquote, urlsplit

from ringback.kit.secret import Secret

FORM: Final = "must be ami://user:password@host:5038, several with commas, with , / : @ in user or password as %2C …"
USUAL_PORT: Final = 5038
LONGEST: Final = 65536
"""Bytes of a message; a longer one is thrown away."""
END: Final = b"\r\n\r\n"

Message = Mapping[str, str]
"""The fields of an event or of a response, by their names."""


class Unsayable(ValueError):
    """A value that would end its line, and begin another field or action."""


@dataclass(frozen=True, slots=True)
class Address:
    """An Asterisk's manager port, and who we are there; printed without the password."""

    host: str
    port: int
    user: str
    password: Secret

    @classmethod
    def parse(cls, text: str) -> Self:
        """`ValueError` says what is wrong, without a word of the text."""
        url, port = _split(text)
        user, password = unquote(url.username or ""), unquote(url.password or "")
        if not (url.hostname and user and password) or url.path.strip("/") or url.query or url.fragment:
            raise ValueError(FORM)
        for value in (user, password):
            try:
                _value(value)
            except Unsayable:
                raise ValueError("user and password: no control characters") from None
        return cls(url.hostname, port or USUAL_PORT, user, Secret(password))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def addresses_in(text: str) -> tuple[Address, ...]:
    """The Asterisks of a comma list, which may be empty; each is named once. `ValueError` as for one."""
    found = tuple(Address.parse(item.strip()) for item in text.split(",")) if text.strip() else ()
    if len({str(one) for one in found}) < len(found):
        raise ValueError("must name each Asterisk once")
    return found


def _split(text: str) -> tuple[SplitResult, int | None]:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(FORM) from None
    if url.scheme != "ami" or port == 0:
        raise ValueError(FORM)
    return url, port


def action(name: str, **fields: str) -> bytes:
    """An action as it is sent. `Unsayable` where a value could not be one line."""
    lines = [f"{key}: {_value(value)}" for key, value in {"Action": name, **fields}.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _value(text: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise Unsayable("a value must be one line, without control characters")
    return text


def key_of(challenge: str, password: Secret) -> str:
    """What proves at a login that we know the password, without saying it."""
    return hashlib.md5((challenge + password.reveal()).encode(), usedforsecurity=False).hexdigest()


def read(raw: bytes) -> Message:
    """The fields of one message. Of two with one name the first counts: what a phone has said comes late in events."""
    fields: dict[str, str] = {}
    for line in raw.decode(errors="replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name, value.strip())
    return fields


class Reader:
    """Messages out of a stream whose limit is `LONGEST`."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self._is_too_long = False

    async def greeting(self) -> str:
        """The one line before all messages. `ValueError` where it is not Asterisk's."""
        try:
            line = (await self._stream.readuntil(b"\r\n")).decode(errors="replace").strip()
        except asyncio.LimitOverrunError:
            line = ""
        if not line.startswith("Asterisk Call Manager/"):
            raise ValueError("what answers there is no manager port of Asterisk")
        return line

    async def next(self) -> Message:
        """The next message that is not too long. `EOFError` when there will be none; it may be cancelled."""
        while True:
            try:
                raw = await self._stream.readuntil(END)
            except asyncio.LimitOverrunError as overrun:
                await self._stream.readexactly(overrun.consumed)  # they are in the buffer: this does not wait
                self._is_too_long = True
                continue
            if self._is_too_long:
                self._is_too_long = False
            elif message := read(raw):
                return message
