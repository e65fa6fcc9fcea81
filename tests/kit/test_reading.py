"""Bytes to a typed request."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest

from ringback.kit.errors import Fault, InvalidJsonBody, ValidationFailed
from ringback.kit.reading import Asked, Identity, object_of, read, rule
from ringback.kit.secret import Secret

Words = Annotated[
    tuple[Annotated[str, rule("a short word", lambda word: len(word) < 5)], ...],
    rule("at most 150 words", lambda words: len(words) <= 150),
]


class Order(Asked, frozen=True, kw_only=True):
    id: Identity
    word: Annotated[str, rule("a short word", lambda word: len(word) < 5)] | None = None
    count: int | None = None
    key: Secret | None = None
    words: Words | None = None
    numbers: tuple[int, ...] | None = None
    kind: Annotated[Literal["big", "small"], msgspec.Meta(description="only those of this kind")] | None = None
    more: dict[str, Any] | None = None

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        if values.get("count") == 7 and "word" in values:
            yield Fault("count", "must not be 7 with a word")


def told(failure: ValidationFailed) -> tuple[tuple[str, str], ...]:
    """Each wrong field and what it must be."""
    return tuple((fault.field, fault.description) for fault in failure.faults)


ID = "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"


def test_a_good_object_is_read_and_null_is_absent() -> None:
    order = read(Order, {"id": ID.upper(), "word": None, "count": 3, "key": "k", "x": object()})

    assert order == Order(id=UUID(ID), count=3, key=Secret("k"))


def test_every_fault_is_named_in_words() -> None:
    with pytest.raises(ValidationFailed) as caught:
        read(Order, {"word": "longer", "count": 1.5, "key": 1, "kind": "odd", "more": [], "x": 1}, refuse_unknown=True)

    assert told(caught.value) == (
        ("id", "is required"),
        ("word", "must be a short word"),
        ("count", "must be a whole number"),
        ("key", "must be a string"),
        ("kind", "must be one of big, small"),
        ("more", "must be an object"),
        ("x", "is not a field of this request"),
    )


def test_faults_between_fields_are_told_beside_faults_of_fields() -> None:
    with pytest.raises(ValidationFailed) as caught:
        read(Order, {"id": "x", "word": "w", "count": 7})

    assert [fault.field for fault in caught.value.faults] == ["id", "count"]


def test_a_list_is_read_item_by_item() -> None:
    assert read(Order, {"id": ID, "words": ["a", "b", "a"], "numbers": []}) == Order(
        id=UUID(ID), words=("a", "b", "a"), numbers=()
    )


def test_items_that_are_wrong_are_named_by_their_numbers() -> None:
    with pytest.raises(ValidationFailed) as caught:
        read(Order, {"id": ID, "words": ["a", "longer", 7, "b", None, ["c"]], "numbers": [1, "2", 3.5, True]})

    assert told(caught.value) == (
        ("words[1]", "must be a short word"),
        ("words[2]", "must be a string"),
        ("words[4]", "must be a string"),
        ("words[5]", "must be a string"),
        ("numbers[1]", "must be a whole number"),
        ("numbers[2]", "must be a whole number"),
        ("numbers[3]", "must be a whole number"),
    )


@pytest.mark.parametrize("raw", ["a", "", 0, False, {}, {"0": "a"}])
def test_what_is_no_list_is_told_so(raw: Any) -> None:
    with pytest.raises(ValidationFailed) as caught:
        read(Order, {"id": ID, "words": raw})

    assert told(caught.value) == (("words", "must be a list"),)


def test_a_list_against_its_own_rule_is_one_fault_and_a_long_row_of_faults_ends() -> None:
    with pytest.raises(ValidationFailed) as caught:
        read(Order, {"id": ID, "words": ["longer"] * 151, "numbers": ["x"] * 500})

    assert caught.value.faults[0][:2] == ("words", "must be at most 150 words")
    assert [fault.field for fault in caught.value.faults[1:]] == [f"numbers[{number}]" for number in range(100)]


@pytest.mark.parametrize("body", [None, b"", b" \n", b"{}"])
def test_no_body_is_the_empty_object(body: bytes | None) -> None:
    assert object_of(body) == {}


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b"{", b'{"a":1}x', b"\xff", b'{"a":"\xff"}', b"[" * 100_000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidJsonBody):
        object_of(body)
