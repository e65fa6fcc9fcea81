"""Text that cannot be printed by accident."""

import copy
import logging
import pickle

import msgspec
import pytest

from ringback.kit.secret import Discreet, Secret

SECRET = Secret("Marker-Pass-4711")


def test_no_way_of_printing_shows_it() -> None:
    shown = [
        str(SECRET),
        repr(SECRET),
        f"{SECRET}",
        f"{SECRET!r:>40}",
        repr([SECRET]),
        repr({"a": SECRET}),
    ]
    shown.append(logging.makeLogRecord({"msg": "%s", "args": (SECRET,)}).getMessage())

    assert all("[REDACTED]" in text and "Marker" not in text for text in shown)
    assert SECRET.reveal() == "Marker-Pass-4711"


def test_it_leaves_the_process_in_no_other_way() -> None:
    for leave in (pickle.dumps, copy.copy, msgspec.json.encode):
        with pytest.raises(TypeError):
            leave(SECRET)
    assert not hasattr(SECRET, "__dict__")


def test_secrets_are_equal_by_their_text_alone() -> None:
    assert Secret("Marker-Pass-4711") == SECRET
    assert Secret("Marker-Pass-4712") != SECRET
    assert SECRET != "Marker-Pass-4711"
    assert len({SECRET, Secret("Marker-Pass-4711")}) == 1


@pytest.mark.contract("registrar R-21")
def test_generated_ones_are_long_and_never_the_same() -> None:
    made = {Secret.generate().reveal() for _ in range(200)}

    assert len(made) == 200
    assert {len(text) for text in made} == {24}
    assert all(text.isascii() and text.isalnum() for text in made)
    assert len(set("".join(made))) == 62


def test_an_answer_with_a_password_prints_without_it_and_is_sent_with_it() -> None:
    class Account(Discreet, frozen=True):
        name: str
        password: str

    shown = Account("x", "Sample-Pass-0001")

    assert f"{shown}" == repr(shown) == "Account(name='x', password='[REDACTED]')"
    assert repr(Account("x", "")) == "Account(name='x', password='')"
    assert msgspec.json.encode(shown) == b'{"name":"x","password":"Sample-Pass-0001"}'
