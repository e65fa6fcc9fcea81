"""Letters as they go over the wire of NATS."""

from collections.abc import Mapping
from typing import Final

from ringback.kit.bus import Letter, TooLarge

LINE_ENDS: Final = str.maketrans("\r\n", "  ")


def published(subject: bytes, reply: bytes, letter: Letter, most: int) -> tuple[bytes, bytes, bytes]:
    """What is said to publish a letter; `TooLarge` where its headers and its body have more than `most` bytes."""
    body = letter.body
    if not letter.headers:
        if len(body) > most:
            raise TooLarge
        return b"PUB %b %b %d\r\n" % (subject, reply, len(body)), body, b"\r\n"
    head = head_of(letter.headers)
    size = len(head) + len(body)
    if size > most:
        raise TooLarge
    return b"HPUB %b %b %d %d\r\n%b" % (subject, reply, len(head), size, head), body, b"\r\n"


def head_of(headers: Mapping[str, str]) -> bytes:
    """Headers as NATS has them. A line end in a value would be the end of the header: it becomes a space."""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if not text.count("\r") == text.count("\n") == len(headers):
        text = "".join([f"{name}: {value.translate(LINE_ENDS)}\r\n" for name, value in headers.items()])
    return f"NATS/1.0\r\n{text}\r\n".encode("utf-8", "replace")
