"""Page tokens."""

import base64
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.kit.errors import InvalidPageToken
from ringback.kit.pages import Cursor, Page, cursor_of

MOMENTS = st.datetimes(timezones=st.just(UTC))


@given(before=MOMENTS, id=st.uuids())
def test_our_token_comes_back_as_what_it_was(before: datetime, id: UUID) -> None:
    cursor = Cursor(before, id)

    assert cursor_of(cursor.token()) == cursor
    assert Page([1], cursor).next_token == cursor.token()


@given(before=MOMENTS)
def test_a_timestamp_names_its_moment(before: datetime) -> None:
    text = before.replace(tzinfo=None).isoformat(timespec="microseconds")

    assert cursor_of(f"{text}Z") == Cursor(before)


@given(text=st.text() | st.binary(max_size=30).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_other_text_is_refused_in_one_way(text: str) -> None:
    with suppress(InvalidPageToken):
        cursor_of(text)


@pytest.mark.parametrize("empty", [None, ""])
def test_no_token_is_the_start(empty: str | None) -> None:
    assert cursor_of(empty) is None
    assert Page([], None).next_token == ""


@pytest.mark.parametrize(
    ("fraction", "micros"),
    [("", 0), (".1", 100_000), (".123456", 123_456), (".1234560", 123_456), (".123456001", 123_457)],
)
def test_a_fraction_finer_than_ours_is_rounded_up(fraction: str, micros: int) -> None:
    assert cursor_of(f"2026-02-11T09:30:00{fraction}Z") == Cursor(datetime(2026, 2, 11, 9, 30, 0, micros, UTC))
