"""The file of a plan: all its faults at once, each with its line, and no value of a password in any of them."""

from pathlib import Path

import pytest

from ringback.kit import marked
from ringback.kit.errors import ValidationFailed
from ringback.kit.marked import Unreadable
from ringback.registrar.plans import wire
from tests.registrar.plans import faults, file
from tests.world import PASSWORD

AWKWARD = """\
version: 2
customers: acme
prune: maybe
extensions:
  - extension: 1001
    direct: perhaps
    nickname: x
  - extension: 1002
    password: Sample-Pass-0001
  - name: nobody
    name: twice
  - extension: a b
  - extension: 2001
  - 17
  - extension: "2001"
    password: env:NOT_THERE
trunks:
  - domain_name: -x
    auth_types: [digest]
  - domain_name: carrier
    auth_types: [ip]
    allowed_ips: [0.0.0.0/0, nonsense]
"""


def test_every_fault_of_a_file_is_told_with_its_line() -> None:
    assert faults(AWKWARD) == [
        (1, "version"),
        (2, "customers"),
        (3, "prune"),
        (6, "extensions[0].direct"),
        (7, "extensions[0].nickname"),
        (9, "extensions[1].password"),
        (10, "extensions[2].extension"),
        (11, "extensions[2].name"),
        (12, "extensions[3].extension"),
        (14, "extensions[5]"),
        (15, "extensions[6].extension"),
        (16, "extensions[6].password"),
        (18, "trunks[0].domain_name"),
        (19, "trunks[0].auth_types[0]"),
        (22, "trunks[1].allowed_ips[0]"),
        (22, "trunks[1].allowed_ips[1]"),
    ]


def test_a_password_that_stands_in_a_file_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValidationFailed) as refused:
        file(AWKWARD)

    assert "Sample-Pass" not in str(refused.value)


def test_numbers_and_days_are_the_text_that_was_written() -> None:
    wanted = file("version: 1\nextensions: [{extension: 0017, name: 12:30, detail: 2026-02-11}]\n")

    (item,) = wanted.extensions or ()
    assert (item.asked.extension, item.asked.name, item.asked.detail) == ("0017", "12:30", "2026-02-11")


def test_what_is_not_named_is_none_of_its_business() -> None:
    assert (file("version: 1\n").extensions, file("version: 1\ntrunks: []\n").trunks) == (None, ())
    assert file('{"version": 1, "extensions": [{"extension": "1001"}]}').extensions is not None


def test_a_password_comes_from_the_environment_or_from_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "desk").write_text(f"{PASSWORD}\n")
    (tmp_path / "short").write_text("x")
    text = "version: 1\nextensions:\n  - {extension: 1001, password: 'file:desk'}\n"

    assert file(text, tmp_path).secrets["file:desk"].reveal() == PASSWORD
    for name in ("short", "missing", "."):
        with pytest.raises(ValidationFailed):
            file(text.replace("desk", name), tmp_path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("version: 1\nextensions: [\n", 3),
        ("a: &x [1]\nb: *x\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: \x00\n", 1),
        ("[" * 10_000, 1),
    ],
    ids=["open", "alias", "two", "null", "deep"],
)
def test_what_is_no_document_is_refused_at_its_line(text: str, line: int) -> None:
    with pytest.raises(Unreadable) as refused:
        marked.read(text.encode())

    assert refused.value.line == line or text.startswith("[")


@pytest.mark.parametrize("text", ["", "[]", "x", "version: [[[[[[[[[[[1]]]]]]]]]]]", "? [a]\n: b\n", "extensions: 1"])
def test_a_document_of_another_shape_is_faulty_and_no_accident(text: str) -> None:
    found = marked.read(text.encode())

    with pytest.raises(ValidationFailed):
        wire.wanted(found.value, found.faults, Path(), {})
