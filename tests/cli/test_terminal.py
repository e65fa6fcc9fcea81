"""The command line on a terminal: a real pseudo-terminal, a real process."""

import contextlib
import os
import pty
import select
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.patience import ENOUGH

PASSWORD = "Sample-Pass-0001"


class Talk:
    """A process on a terminal of its own."""

    def __init__(self, *words: str) -> None:
        code = "from ringback.start import registrar_control; registrar_control()"
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [sys.executable, "-c", code, *words])
        self.seen = ""

    def until(self, text: str) -> None:
        """Read on until the text is there."""
        while text not in self.seen:
            assert select.select([self.terminal], [], [], ENOUGH)[0], f"waited for {text!r}, saw {self.seen!r}"
            self.seen += os.read(self.terminal, 4096).decode()

    def type(self, text: str) -> None:
        os.write(self.terminal, f"{text}\n".encode())

    def type_unseen(self, text: str) -> None:
        """Type once the terminal has stopped to echo; whatever is typed before that is thrown away."""
        last = time.monotonic() + ENOUGH
        while termios.tcgetattr(self.terminal)[3] & termios.ECHO:
            assert time.monotonic() < last, "the terminal still echoes"
            os.sched_yield()
        self.type(text)

    def end(self) -> int:
        """The exit code, after the rest was read."""
        with contextlib.suppress(OSError):
            while select.select([self.terminal], [], [], ENOUGH)[0]:
                self.seen += os.read(self.terminal, 4096).decode()
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.process
@pytest.mark.contract("registrar R-78")
def test_a_password_is_asked_for_twice_and_not_shown(shell: Shell, tmp_path: Path) -> None:
    home = ("--ringback_home", str(shell.home))
    talk = Talk("extension", "create", "--customer_id", shell.customer, *home)
    talk.until("Extension number")
    talk.type("1001")
    talk.until("Password")
    talk.type_unseen(PASSWORD)
    talk.until("epeat")
    talk.type_unseen(PASSWORD)
    talk.until("shown this once")

    assert talk.end() == 0
    assert talk.seen.count(PASSWORD) == 1
    (row,) = shell.sql("SELECT ha1 FROM registrar_extensions")
    assert row["ha1"] is not None


@pytest.mark.process
@pytest.mark.contract("registrar R-78")
def test_delete_shows_the_phone_and_a_no_keeps_it(shell: Shell) -> None:
    made = shell.create("1001", "--name", "Front desk")
    talk = Talk("extension", "delete", "--id", made["id"], "--ringback_home", str(shell.home))
    talk.until("Delete it?")
    talk.type("n")

    assert talk.end() == 1
    assert "Front desk" in talk.seen
    assert shell.sql("SELECT tm_delete FROM registrar_extensions") == [{"tm_delete": None}]


@pytest.mark.process
@pytest.mark.contract("registrar R-78")
def test_a_trunk_is_asked_for_a_password_only_if_it_has_a_username(shell: Shell) -> None:
    create = ("trunk", "create", "--customer_id", shell.customer, "--ringback_home", str(shell.home))
    by_address = Talk(*create, "--allowed_ips", "203.0.113.7")
    by_address.until("Domain name")
    by_address.type("carrier-a")

    assert by_address.end() == 0
    assert "assword" not in by_address.seen
    by_digest = Talk(*create, "--domain", "carrier-b", "--username", "pbx01")
    by_digest.until("Password")
    by_digest.type_unseen("")
    by_digest.until("shown this once")
    assert by_digest.end() == 0
    rows = shell.sql("SELECT ha1 IS NULL AS none FROM registrar_trunks ORDER BY domain_name")
    assert [row["none"] for row in rows] == [1, 0]


@pytest.mark.process
def test_who_looks_on_sees_how_far_an_import_is(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "phones.csv"
    file.write_text("extension,password\n" + "".join(f"{1000 + row},{PASSWORD}\n" for row in range(250)))
    words = ("extension", "import", str(file), "--customer_id", shell.customer, "--log_level", "error")

    talk = Talk(*words, "--ringback_home", str(shell.home))
    code = talk.end()
    again = shell.control(*words)

    assert (code, "250 rows (100% of the file), 0 faulty" in talk.seen) == (0, True), talk.seen
    assert "\x1b[K250 of 250 rows done, 0 faulty" in talk.seen
    assert "\x1b[K\r250 created, 0 updated" in talk.seen
    assert (again.code, again.err) == (0, "")
