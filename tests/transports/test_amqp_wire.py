"""Messages whose headers pika cannot decode."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import frame
from pika.spec import FRAME_END, FRAME_HEADER, FRAME_METHOD, BasicProperties

from ringback.transports.amqp.wire import without_headers, without_table

SHORT = st.none() | st.text(max_size=60)
PROPERTIES = st.fixed_dictionaries(
    {
        **dict.fromkeys(("content_type", "content_encoding", "correlation_id", "reply_to", "expiration"), SHORT),
        "delivery_mode": st.none() | st.integers(0, 255),
        "timestamp": st.none() | st.integers(0, 2**64 - 1),
    }
)
UNREADABLE = [
    b"\x01aT" + struct.pack(">Q", 2**64 - 62135596800),  # Go's zero time
    b"\x01aT" + struct.pack(">Q", 2**60),
    b"\x01ad" + struct.pack(">d", float("nan")),
    b"\x01ad" + struct.pack(">d", float("inf")),
    b"\x01a\x00",
    b"\x01" + b"aF" * 5000,
    b"\x01",
]


def content_header(table: bytes, kind: int = FRAME_HEADER) -> bytes:
    """The frame before a body of 7 bytes, with these bytes as header table, a correlation id and a way back."""
    flags = BasicProperties.FLAG_HEADERS | BasicProperties.FLAG_CORRELATION_ID | BasicProperties.FLAG_REPLY_TO
    properties = struct.pack(">HI", flags, len(table)) + table + b"\x02id" + b"\x04back"
    payload = struct.pack(">HHQ", BasicProperties.INDEX, 0, 7) + properties
    return struct.pack(">BHL", kind, 3, len(payload)) + payload + bytes([FRAME_END])


@given(PROPERTIES, st.dictionaries(st.text(max_size=20), st.integers(0, 9) | st.text()))
@pytest.mark.long
def test_all_but_the_headers_stays(given: dict[str, object], headers: dict[str, object]) -> None:
    encoded = b"".join(BasicProperties(**given, headers=headers).encode())

    assert BasicProperties().decode(without_table(encoded)) == BasicProperties(**given)


@pytest.mark.parametrize("table", UNREADABLE)
def test_a_message_with_unreadable_headers_is_read_without_them(table: bytes) -> None:
    buffer = content_header(table)
    with pytest.raises(Exception, match=r"."):
        frame.decode_frame(buffer)

    read = without_headers(buffer + b"more")

    assert read is not None
    size, header = read
    assert (size, header.channel_number, header.body_size) == (len(buffer), 3, 7)
    assert header.properties == BasicProperties(correlation_id="id", reply_to="back")


def test_what_is_unreadable_for_another_reason_stays_so() -> None:
    assert without_headers(content_header(b"", FRAME_METHOD)) is None
    assert without_headers(content_header(b"")[:-1] + b"\x00") is None
    empty = b"".join(BasicProperties().encode())
    payload = struct.pack(">HHQ", BasicProperties.INDEX, 0, 7) + empty
    assert without_headers(struct.pack(">BHL", FRAME_HEADER, 3, len(payload)) + payload + bytes([FRAME_END])) is None
