"""A file replaced in one step."""

import stat
from pathlib import Path

import pytest

from ringback.kit.files import replace


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    replace(tmp_path / "keys", b"1", mode=0o600)

    assert ((tmp_path / "keys").read_bytes(), mode_of(tmp_path / "keys")) == (b"1", 0o600)


def test_an_old_file_keeps_its_mode_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "asterisk.conf"
    path.write_text("old")
    path.chmod(0o640)

    replace(path, b"new")

    assert (path.read_bytes(), mode_of(path)) == (b"new", 0o640)
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_replaced_stays_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)

    with pytest.raises(OSError, match="irectory"):
        replace(tmp_path / "folder", b"new", mode=0o600)

    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
