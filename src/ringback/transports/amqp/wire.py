"""pika's connection as we need it: one that can be dropped, and that no header of a message can end."""

import asyncio
import struct
from collections.abc import Sequence
from typing import Any, Final

from pika import frame, spec
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.exceptions import AMQPConnectionError

PREFIX: Final = 12
"""Bytes of a content header before its properties: class, weight, size of the body."""
HEADERS: Final = spec.BasicProperties.FLAG_HEADERS


class Wire(AsyncioConnection):  # type: ignore[misc]
    """A connection of the running loop. What is said in one turn of it leaves in one piece."""

    def __init__(self, *values: Any, **named: Any) -> None:
        self._unsent: list[bytes] = []
        super().__init__(*values, **named)

    def drop(self, why: str) -> None:
        """Close the socket at once; those who listen for the end hear `why`."""
        if not self.is_closed:
            self._terminate_stream(AMQPConnectionError(why))

    def _output_marshaled_frames(self, marshaled_frames: Sequence[bytes]) -> None:
        """pika would give each frame to the system by itself, which costs both sides more than all else about it."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._send_all)
        self._unsent += marshaled_frames

    def _send_all(self) -> None:
        whole, self._unsent = b"".join(self._unsent), []
        if self._transport is not None:
            super()._output_marshaled_frames([whole])
        if self._transport is not None and self._transport.get_write_buffer_size():
            self._transport._on_socket_writable()  # it would wait for the loop to say so, which it nearly always will

    def _read_frame(self) -> tuple[int, Any]:
        """The next frame of the buffer. pika gives up the connection over a header table that it cannot decode, and
        the message would come again; we read no header, so the frame is read without."""
        try:
            return super()._read_frame()  # type: ignore[no-any-return]
        except Exception:
            read = without_headers(self._frame_buffer)
            if read is None:
                raise
            return read


def without_headers(buffer: bytes) -> tuple[int, frame.Header] | None:
    """The content header that the buffer begins with, less its header table; `None` when it begins with none."""
    kind, channel, size = struct.unpack_from(">BHL", buffer)
    start = spec.FRAME_HEADER_SIZE
    payload, end = buffer[start : start + size], buffer[start + size]
    if kind != spec.FRAME_HEADER or end != spec.FRAME_END or not _flags(payload[PREFIX:]) & HEADERS:
        return None
    (length,) = struct.unpack_from(">Q", payload, PREFIX - 8)
    properties = spec.BasicProperties().decode(without_table(payload[PREFIX:]))
    return start + size + spec.FRAME_END_SIZE, frame.Header(channel, length, properties)


def _flags(encoded: bytes) -> int:
    return int(struct.unpack_from(">H", encoded)[0])


def without_table(encoded: bytes) -> bytes:
    """The encoded properties of a message less its header table (AMQP 0-9-1, 4.2.6.1)."""
    flags = _flags(encoded)
    at = 2
    for flag in (spec.BasicProperties.FLAG_CONTENT_TYPE, spec.BasicProperties.FLAG_CONTENT_ENCODING):
        if flags & flag:
            at += 1 + encoded[at]
    (size,) = struct.unpack_from(">I", encoded, at)
    kept = struct.pack(">H", flags & ~HEADERS)
    return bytes(kept + encoded[2:at] + encoded[at + 4 + size :])
