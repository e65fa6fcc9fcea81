"""Letters on the wire of NATS, without a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.kit.bus import BusAway, Letter, TooLarge
from ringback.transports.nats.client import Client, headers_of
from ringback.transports.nats.inbox import Inbox
from ringback.transports.nats.letters import head_of, published


async def test_who_asks_where_there_is_no_connection_is_told_so_each_time() -> None:
    inbox = Inbox(Client())

    for _ in range(2):
        with pytest.raises(BusAway):
            await inbox.ask("a.b", Letter(b"x"), 1.0)


@pytest.mark.contract("router R-9f")
def test_headers_count_in_what_a_server_takes_at_once() -> None:
    letter = Letter(b"x" * 10, {"A": "b"})
    size = len("NATS/1.0\r\nA: b\r\n\r\n") + 10

    assert published(b"a.b", b"re.ply", letter, size)[0].startswith(b"HPUB a.b re.ply 18 28\r\n")
    for most in (size - 1, 0):
        with pytest.raises(TooLarge):
            published(b"a.b", b"re.ply", letter, most)
    with pytest.raises(TooLarge):
        published(b"a.b", b"", Letter(b"xx"), 1)


def test_the_body_is_sent_as_it_is_and_never_copied() -> None:
    body = b"x" * 1000

    for headers in ({}, {"A": "b"}):
        assert published(b"a.b", b"", Letter(body, headers), 2000)[1] is body


@given(st.dictionaries(st.from_regex(r"[A-Za-z-]{1,20}", fullmatch=True), st.text(), max_size=5))
def test_whatever_a_value_is_it_ends_no_header(headers: dict[str, str]) -> None:
    read = headers_of(head_of(headers))

    assert read.keys() == headers.keys()
    assert all(
        read[name] == value.strip() for name, value in headers.items() if value.isprintable() and value.isascii()
    )


@given(st.binary(max_size=100))
def test_headers_that_are_none_are_left_out_and_raise_nothing(head: bytes) -> None:
    assert all(isinstance(value, str) for value in headers_of(head).values())
