"""Asterisk's manager interface: how it is spelt, and that nothing said there can become another action."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.kit.secret import Secret
from ringback.sip import ami
from ringback.sip.ami import Address, Unsayable


@pytest.mark.parametrize(
    ("text", "shown", "user", "password"),
    [
        ("ami://ringback:geheim@127.0.0.1:5039", "127.0.0.1:5039", "ringback", "geheim"),
        ("ami://ringback:geheim@pbx.example.com", "pbx.example.com:5038", "ringback", "geheim"),
        ("ami://r%40x:a%2Cb%3A%2F@[::1]:1", "::1:1", "r@x", "a,b:/"),
    ],
)
def test_an_address_is_a_url(text: str, shown: str, user: str, password: str) -> None:
    found = Address.parse(text)

    assert (str(found), found.user, found.password.reveal()) == (shown, user, password)
    assert password not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sample-Pass",
        "http://u:Sample-Pass@h",
        "ami://h:5038",
        "ami://u@h",
        "ami://:Sample-Pass@h",
        "ami://u:Sample-Pass@",
        "ami://u:Sample-Pass@h:0",
        "ami://u:Sample-Pass@h:70000",
        "ami://u:Sample-Pass@h/x",
        "ami://u:Sample-Pass@h?x=1",
        "ami://u:Sample-Pass%0d%0aAction%3A%20Originate@h",
    ],
)
def test_what_is_no_address_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(must be ami://|user and password)") as refused:
        Address.parse(text)

    assert "Sample-Pass" not in str(refused.value)


def test_several_asterisks_stand_in_one_setting_each_once() -> None:
    assert [str(one) for one in ami.addresses_in("ami://u:p@a, ami://u:p@b:1")] == ["a:5038", "b:1"]
    assert ami.addresses_in("") == ()
    with pytest.raises(ValueError, match="once"):
        ami.addresses_in("ami://u:p@a,ami://u:q@a:5038")


def test_an_action_is_lines_and_a_blank_one() -> None:
    assert ami.action("Ping", ActionID="7") == b"Action: Ping\r\nActionID: 7\r\n\r\n"


@given(st.text(), st.text(alphabet="\r\n\x00\x0b\x1f\x7f", min_size=1), st.text())
def test_no_value_can_end_its_line(before: str, end: str, after: str) -> None:
    with pytest.raises(Unsayable):
        ami.action("SorceryMemoryCacheExpireObject", Object=before + end + after)


@given(st.text())
def test_what_can_be_said_is_one_field(value: str) -> None:
    try:
        raw = ami.action("X", Object=value)
    except Unsayable:
        return
    assert raw.count(b"\r\n") == 3
    assert ami.read(raw).keys() == {"Action", "Object"}


def test_of_two_fields_with_one_name_the_first_counts() -> None:
    raw = b"Event: ContactStatus\r\nAOR: 1001@a\r\nUserAgent: x\r\nAOR: 2002@b\r\nno field\r\n\xff: y\r\n\r\n"

    assert ami.read(raw) == {"Event": "ContactStatus", "AOR": "1001@a", "UserAgent": "x", "\ufffd": "y"}


def test_a_challenge_is_answered_as_asterisk_computes_it() -> None:
    assert ami.key_of("131234567", Secret("geheim")) == "cd0a4599914edc920dc2caafd8d8a764"


async def stream_of(*parts: bytes) -> ami.Reader:
    stream = asyncio.StreamReader(limit=ami.LONGEST)
    for part in parts:
        stream.feed_data(part)
    stream.feed_eof()
    return ami.Reader(stream)


async def test_messages_come_one_by_one_and_then_the_end() -> None:
    reader = await stream_of(
        b"Asterisk Call Manager/11.0.0\r\nResponse: Success\r\n\r", b"\nEvent: A\r\nB: C: D\r\n\r\n"
    )

    assert await reader.greeting() == "Asterisk Call Manager/11.0.0"
    assert await reader.next() == {"Response": "Success"}
    assert await reader.next() == {"Event": "A", "B": "C: D"}
    with pytest.raises(EOFError):
        await reader.next()


async def test_what_is_no_asterisk_is_noticed_by_its_first_line() -> None:
    with pytest.raises(ValueError, match="no manager port"):
        await (await stream_of(b"220 mail.example.com ESMTP\r\n")).greeting()
    with pytest.raises(ValueError, match="no manager port"):
        await (await stream_of(b"2" * 2 * ami.LONGEST)).greeting()


@pytest.mark.parametrize("size", [ami.LONGEST, ami.LONGEST + 1, 2 * ami.LONGEST + 7, 5 * ami.LONGEST])
async def test_a_message_that_is_too_long_is_thrown_away_and_the_next_one_read(size: int) -> None:
    reader = await stream_of(b"Event: Long\r\nX: " + size * b"x", b"\r\n\r\nEvent: Next\r\n\r\n")

    assert await reader.next() == {"Event": "Next"}
