"""What identifies people is found in texts, and what only looks alike is not."""

import re
import sys
from itertools import pairwise
from re import _constants as words
from re import _parser as parser
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.router import pii
from ringback.router.secrets import SAID

CARDS = [
    "4111111111111111",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "4111.1111.1111.1111",
    "4111 - 1111 - 1111 - 1111",
    "5555555555554444",
    "3782 822463 10005",
    "378282246310005",
    "3056 930902 5904",
    "4222222222222",
    "6304000000000000000",
    "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
    "４１１１１１１１１１１１１１１１",
    "٤١١١١١١١١١١١١١١١",
    "4111\u00a01111\u20111111\u20131111",
    "4111\u200b1111\u200b1111\u200b1111",
    "4111\t1111\t1111\t1111",
    "4111_1111_1111_1111",
]
NO_CARDS = [
    "4111111111111112",  # Luhn's sum is wrong
    "0000 0000 0000 0000",
    "DE89 3704 0044 0532 0130 00",
    "DE89370400440532013000",
    "GB29 NWBK 6016 1331 9268 19",
    "FR14 2004 1010 0505 0001 3M02 606",
    "order 0b9a4111111111111111",
    "4111111111111111f0",
    "4111\n1111\n1111\n1111",  # a column of numbers
    "20150822_0914345",
    "EAN4222222222222",
    "550e8400-e29b-41d4-a716-446655440000",
    "2024-01-15 10:30:00.123456",
    "192.168.100.200 10.20.30.40",
    "3.1415926535897932",
    "0.4111111111111111",
    "b0f4111111111111111a",
    "411111111111",  # twelve
    "41111111111111111111",  # twenty, none of the cards of 13 to 19 stands alone
    "+49 170 1234 5678 909",
]
SSNS = ["123-45-6789", "123 45 6789", "１２３-４５-６７８９", "SSN: 123456789", "social security number 123456789"]
NO_SSNS = [
    "000-45-6789", "666-45-6789", "900-45-6789", "987-65-4320", "123-00-6789", "123-45-0000", "123456789",
    "2024-01-1500", "1123-45-6789", "123-45-67890", "123-456-7890", "1-123-45-6789", "A123-45-6789", "ssn 000456789",
]  # fmt: skip
EMAILS = [
    "jane.doe@example.com", "j@x.io", "Jane+news@sub.example.co.uk", "o'brien@example.ie", "jörg@exämple.de",
    "x_1%y@example.museum", "jane＠example.com", "a@xn--bcher-kva.example", "USER@EXAMPLE.COM",
]  # fmt: skip
NO_EMAILS = [
    "@home",
    "jane@",
    "jane@localhost",
    "pip install x@1.2.3",
    "a @ b.com",
    "@param name",
    "5 @ 3.20",
    "u@10.0.0.1",
]
PHONES = [
    "07911123456",
    "0612345678",
    "01701234567",
    "017612345678",
    "+14155552671", "+1 (415) 555-2671", "+1-415-555-2671", "+49 30 1234567", "+44 (0)20 7946 0958", "+49 (30) 12-34-5",
    "00442079460958", "0012025550123", "004930901820",
    "0049 170 1234567", "00 49 170 1234567", "415-555-2671", "(415) 555-2671", "415.555.2671", "415 555 2671",
    "1-800-555-0199", "030 1234567", "0171/2012345", "(030) 123 4567", "020 7946 0958", "07700 900123", "089-12345678",
    "01 23 45 67 89", "01.23.45.67.89", "03-1234-5678", "＋４９ ３０ １２３４５６７", "+33 1 23 45 67 89",
]  # fmt: skip
NO_PHONES = [
    "NL91 ABNA 0417 1643 00", "at 10:00 200 4000 came", "09:00-17:00 123 45678",
    "DE89 3704 0044 0532 0130 00", "GB29 NWBK 6016 1331 9268 19", "DE89370400440532013000",
    "192.168.100.200", "10.0.0.1:8080", "255.255.255.255", "2001:db8::ff00:42:8329",
    "v1.2.3", "1.2.3.4567", "3.11.2rc1", "1.0.0+20240115123456", "v2+20240115",
    "2024-01-15", "15.01.2024", "01/15/2024", "2024-01-15T10:30:00Z", "01-02-2024 10:30", "01.02.2024 10.30",
    "2024-01-15T10:00:00+0100", "20240115", "1700000000", "1700000000123",
    "4155552671", "order 1234567890", "ORD-2024-000123", "0012345678", "05-2024-0001", "INV 2024/0012345",
    "978-3-16-148410-0", "12345", "1,234,567", "1 234 567", "+12", "2+2=4", "4111 1111 1111 1111",
    "123-45-6789", "550e8400-e29b-41d4-a716-446655440000", "$1,000,000.00", "+5 %", "48.8566, 2.3522",
]  # fmt: skip
FOUND: list[tuple[pii.Pattern, str]] = [
    *(("credit_card", text) for text in CARDS),
    *(("email", text) for text in EMAILS),
    *(("phone", text) for text in PHONES),
    *(("ssn", text) for text in SSNS[:3]),
]
LEFT: list[tuple[pii.Pattern, str]] = [
    *(("credit_card", text) for text in NO_CARDS),
    *(("ssn", text) for text in NO_SSNS),
    *(("email", text) for text in NO_EMAILS),
    *(("phone", text) for text in NO_PHONES),
]


@pytest.mark.parametrize(("pattern", "text"), FOUND)
def test_what_identifies_somebody_is_found_and_masked_whole(pattern: pii.Pattern, text: str) -> None:
    for around in ("{}", "It is {}, says Jane.", "({})", "号{}号" if pattern == "credit_card" else "«{}»", "a\n{}\nb"):
        assert pii.counts(around.format(text), [pattern]) == {pattern: 1}
        assert pii.masked(around.format(text), [pattern]) == around.format(pii.MASKS[pattern])


@pytest.mark.parametrize(("pattern", "text"), LEFT)
def test_what_only_looks_alike_is_left_alone(pattern: pii.Pattern, text: str) -> None:
    for around in ("{}", "It is {}, says Jane.", "({})"):
        assert pii.masked(around.format(text), [pattern]) == around.format(text)


def test_what_a_word_before_it_names_is_found_without_any_sign() -> None:
    said: list[tuple[str, pii.Pattern]] = [
        ("phone: 4155552671", "phone"),
        ("Tel. 03012345678", "phone"),
        ("call me at 5551234567", "phone"),
        ("mobile number is 491701234567", "phone"),
        ("SSN: 123456789", "ssn"),
        ("social security number 123456789", "ssn"),
    ]
    for text, pattern in said:
        assert pii.counts(text) == {pattern: 1}, text
        assert pii.masked(text) == re.sub(r"\d+", pii.MASKS[pattern], text)


def test_a_card_is_found_between_other_numbers_and_without_its_check_code() -> None:
    assert pii.masked("12 4111 1111 1111 1111 123") == "12 [CARD_MASKED] 123"
    assert pii.masked("4111111111111111,5555555555554444") == "[CARD_MASKED],[CARD_MASKED]"
    assert pii.counts("4111 1111 1111 1111 5555 5555 5555 4444") == {"credit_card": 2}
    assert (
        pii.masked("DE89 3704 0044 0532 0130 00, 4111 1111 1111 1111") == "DE89 3704 0044 0532 0130 00, [CARD_MASKED]"
    )


@pytest.mark.parametrize("word", ["card", "Visa", "Nr", "x", "CC", "号", "ab cd"])
def test_a_card_that_hangs_on_a_word_is_found(word: str) -> None:
    for card in ("4111111111111111", "4111 1111 1111 1111", "3782-822463-10005"):
        assert pii.masked(f"a {word}{card} b") == f"a {word}[CARD_MASKED] b"
        assert pii.masked(f"a {card}{word} b") == f"a [CARD_MASKED]{word} b"
        assert pii.masked(f"{card}and{card}") == "[CARD_MASKED]and[CARD_MASKED]"


def test_of_two_that_overlap_nothing_stays() -> None:
    assert pii.masked("4111 1111 1111 1111 508-22-1234") == "[CARD_MASKED]", "Luhn's sum is right with the 508 as well"
    assert pii.masked("4111 1111 1111 1111 509-22-1234") == "[CARD_MASKED] [SSN_MASKED]"
    assert pii.masked("ssn508-22-1234") == "ssn[SSN_MASKED]"


def test_numbers_side_by_side_are_found_each() -> None:
    for text in (
        "555-123-4567 555-123-4568",
        "030 1234567 030 7654321",
        "+49 30 1234567; +49 171 2345678, 415 555 2671",
    ):
        assert re.sub(r"[;, ]*\[PHONE_MASKED\]", "", pii.masked(text)) == "", text
        assert pii.counts(text)["phone"] == (3 if "+" in text else 2)


def test_all_that_is_in_a_text_is_counted_by_pattern_and_what_is_not_asked_for_stays() -> None:
    text = "jane@example.com, joe@example.com: 123-45-6789, +49 30 1234567, 4111 1111 1111 1111"

    assert pii.counts(text) == {"email": 2, "ssn": 1, "phone": 1, "credit_card": 1}
    assert pii.counts(text, ["ssn"]) == {"ssn": 1}
    assert pii.masked(text, ["email", "phone"]) == (
        "[EMAIL_MASKED], [EMAIL_MASKED]: 123-45-6789, [PHONE_MASKED], 4111 1111 1111 1111"
    )


@pytest.mark.contract("router S-4")
def test_a_sentence_of_somebody_else_is_masked_before_it_is_cut() -> None:
    told = pii.told("x" * 250 + " 4111 1111 1111 1111")

    assert len(told) == 255
    assert told == "x" * 250 + " [CAR"
    assert len(pii.told("é" * 10_000)) == 255


@pytest.mark.contract("router S-4")
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("token=sk-1 is wrong", "token=[REDACTED] is wrong"),
        ("Password: hunter2", "Password: [REDACTED]"),
        ("password = 'two words' failed", "password = [REDACTED] failed"),
        ('{"api_key": "sk-\\"1", "a": 1}', '{"api_key": [REDACTED], "a": 1}'),
        (r"{\"secret\":\"sk-1\"}", r"{\"secret\":[REDACTED]"),
        ("401 for Bearer sk-1!", "401 for Bearer [REDACTED]"),
        ("Authorization: Key k=1 sk-1\nis wrong", "Authorization: [REDACTED]\nis wrong"),
        ("token: bearer sk-1 is wrong", "token: [REDACTED] is wrong"),
        ("X-Api-Key=>sk-1", "X-Api-Key=>[REDACTED]"),
        ("refresh_token='sk-1", "refresh_token=[REDACTED]"),
        ("/v1?a=1&access_token=sk-1 said 403", "/v1?a=1&access_token=[REDACTED] said 403"),
        ("AWS_SECRET_ACCESS_KEY=sk-1 is wrong", "AWS_SECRET_ACCESS_KEY=[REDACTED] is wrong"),
        ("apiKey: sk-1, client-secret=sk-2", "apiKey: [REDACTED] client-secret=[REDACTED]"),
        ("Set-Cookie: a=sk-1; b=sk-2\nis wrong", "Set-Cookie: [REDACTED]\nis wrong"),
        ("max_tokens=12, tokens: 7, a token was missing", "max_tokens=12, tokens: 7, a token was missing"),
    ],
)
def test_a_sentence_tells_no_credential_that_it_names(said: str, told: str) -> None:
    assert pii.told(said) == told


@pytest.mark.contract("router S-4")
def test_a_credential_at_the_end_of_what_is_told_is_hidden_before_it_is_cut() -> None:
    assert pii.told("x" * 240 + " token=sk-1" + "y" * 2000) == "x" * 240 + " token=[REDACTE"


@given(st.text(alphabet="0149 .-/()+@aZ_\n٤４é\u200b", max_size=80))
def test_any_text_is_read_and_what_is_not_found_stays_where_it_is(text: str) -> None:
    found = pii.places(text)

    assert all(before.end <= after.start for before, after in pairwise(found))
    rest = "".join(
        text[a:b] for a, b in zip([0, *(p.end for p in found)], [*(p.start for p in found), None], strict=True)
    )
    assert re.sub(r"\[[A-Z]+_MASKED\]", "", pii.masked(text)) == rest


HOSTILE = [
    "1", "1 ", "4111 ", "4111 1111 1111 1111 ", "@", "a@", "a.", "a@a.", "+1", "+1-", "0", "01 ", "(01) ", "٤", "-",
    "DE89 4111 1111 1111 1111 ", "123-45-6789 ", "tel 1234567 ", "555 555 5555 ", "030 1234567 ",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_work_grows_with_the_text_and_not_faster(piece: str) -> None:
    def steps(size: int) -> int:
        """How many functions are entered, ours and Python's own."""
        count = 0

        def note(frame: FrameType, event: str, argument: Any) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        text = piece * (size // len(piece))
        sys.setprofile(note)
        try:
            pii.places(text)
        finally:
            sys.setprofile(None)
        return count

    assert steps(8192) <= 2.2 * steps(4096) + 100


def test_no_pattern_has_a_part_that_repeats_without_end_and_gives_back() -> None:
    def unbounded(parsed: Any) -> bool:
        for name, content in parsed:
            if name in (words.MAX_REPEAT, words.MIN_REPEAT) and content[1] == words.MAXREPEAT:
                return True
            stack = [content]
            while stack:
                inner = stack.pop()
                if isinstance(inner, parser.SubPattern):
                    if unbounded(inner):
                        return True
                elif isinstance(inner, list | tuple):
                    stack += inner
        return False

    patterns = [one for one in vars(pii).values() if isinstance(one, re.Pattern)]
    assert len(patterns) > 10
    for pattern in [*patterns, *pii.SHAPES, SAID]:
        assert not unbounded(parser.parse(pattern.pattern, pattern.flags)), pattern.pattern
    assert unbounded(parser.parse("(?:a|(b+))"))


def test_a_text_of_a_mebibyte_is_read_whole() -> None:
    text = "lorem ipsum dolor 12 " * (2**20 // 21) + " jane@example.com"

    assert pii.counts(text) == {"email": 1}
