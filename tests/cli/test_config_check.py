"""`--check` of `ringback sip asterisk-config` and `kamailio-config`: what is wrong, found without starting anything."""

import re
import socket
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ringback import config_checks
from ringback.sip.config import CACHE_MODULE, DRIVERS, MODULES
from ringback.sip.transports_conf import WEBSOCKET_MODULES
from tests.certificates import certificate

from .conftest import Ran, Shell

LIBRARY = "libsqlite3odbc.so"


class Installation:
    """An Asterisk's parts in a folder, all in order: break one, and look."""

    def __init__(self, shell: Shell, folder: Path) -> None:
        self.shell, self.folder, self.etc = shell, folder, folder / "etc"
        self.modules = folder / "modules"
        self.modules.mkdir()
        for name in (*DRIVERS, *MODULES, *WEBSOCKET_MODULES, CACHE_MODULE):
            (self.modules / name).touch()
        (folder / LIBRARY).touch()
        self.chain, self.key = certificate(folder, "sip")
        self.key.chmod(0o600)
        for path in (shell.home, shell.home / "ringback.db"):
            path.chmod(0o770)
        self.flags = [f"--out={self.etc}", f"--modules={self.modules}", f"--odbc_driver={folder / LIBRARY}"]
        self.flags += [f"--tls_cert={self.chain}", f"--tls_key={self.key}", "--bind=127.0.0.1"]
        with socket.socket() as one, socket.socket() as two, socket.socket() as three, socket.socket() as four:
            for each in (one, two, three, four):
                each.bind(("127.0.0.1", 0))
            self.ports = [each.getsockname()[1] for each in (one, two, three, four)]
        names = ("sip_port", "public_port", "tls_port", "wss_port")
        self.flags += [f"--{name}={port}" for name, port in zip(names, self.ports, strict=True)]

    def run(self, *more: str) -> Ran:
        return self.shell.ringback("sip", "asterisk-config", *self.flags, *more)

    def faults(self, *more: str) -> tuple[int, "Table"]:
        """The exit code, and what was seen."""
        ran = self.run("--check", *more)
        return ran.code, Table(ran.out)


class Table:
    """What a command showed: its cells are long, and broken into lines anywhere."""

    def __init__(self, shown: str) -> None:
        self.shown = shown
        cells = [line.split("│")[1:-1] for line in shown.splitlines() if line.startswith("│")]
        columns = ("".join(column) for column in zip(*cells, strict=True))
        self.text = self.squeezed("".join(columns) + shown.rsplit("┘", 1)[-1])

    def __contains__(self, words: str) -> bool:
        return self.squeezed(words) in self.text

    def __repr__(self) -> str:
        return self.shown

    @staticmethod
    def squeezed(text: str) -> str:
        return re.sub(r"\s", "", text)


@pytest.fixture
def installation(shell: Shell, tmp_path: Path) -> Installation:
    made = Installation(shell, tmp_path)
    ran = made.run("--cache=60")
    assert ran.code == 0, ran
    return made


def test_nothing_is_wrong_with_what_was_just_written_and_nothing_is_changed(installation: Installation) -> None:
    before = {path: path.stat().st_mtime_ns for path in installation.folder.rglob("*")}

    code, said = installation.faults("--cache=60")

    assert (code, "0 problems" in said) == (0, True), said
    for seen in (
        "are what would be written now",
        "are free",
        "sip.pem ends on",
        f"{LIBRARY} is there",
        "has all that is read there",
    ):
        assert seen in said, said
    assert {path: path.stat().st_mtime_ns for path in installation.folder.rglob("*")} == before


def remove(name: str) -> Callable[[Installation], None]:
    return lambda of: (of.folder / name).unlink()


def replace(name: str, old: str, new: str) -> Callable[[Installation], None]:
    def spoil(of: Installation) -> None:
        text = (of.folder / name).read_text()
        assert old in text
        (of.folder / name).write_text(text.replace(old, new))

    return spoil


def mode(name: str, bits: int) -> Callable[[Installation], None]:
    return lambda of: (of.folder / name).chmod(bits)


def old_database(of: Installation) -> None:
    with sqlite3.connect(of.shell.home / "ringback.db") as connection:
        connection.execute("DROP VIEW ringback_addresses")


def no_database(of: Installation) -> None:
    (of.shell.home / "ringback.db").write_bytes(b"no database" * 1000)


def another_key(of: Installation) -> None:
    certificate(of.folder, "other")[1].rename(of.key)
    of.key.chmod(0o600)


SPOILT = {
    "a file is gone": (remove("etc/rtp.conf"), "rtp.conf is missing"),
    "a line was changed": (
        replace("etc/rtp.conf", "rtpstart=10000", "rtpstart=9000"),
        "rtp.conf is not what would be written now (line 3 is 'rtpstart=9000', and would be 'rtpstart=10000')",
    ),
    "everybody writes": (mode("etc/pjsip.conf", 0o666), "Everybody may write pjsip.conf"),
    "a module is gone": (remove("modules/res_srtp.so"), "has no res_srtp.so"),
    "no driver": (remove(LIBRARY), f"{LIBRARY}"),
    "no certificate": (remove("sip.pem"), "sip.pem cannot be read (no such file or directory)"),
    "not PEM": (lambda of: of.chain.write_text("none"), "sip.pem is no certificate in PEM"),
    "another key": (another_key, "sip.key is not the key of"),
    "a key for all": (mode("sip.key", 0o644), "Everybody may read"),
    "a view is gone": (old_database, "has no ringback_addresses"),
    "no database": (no_database, "ringback.db cannot be read (file is not a database)"),
}


@pytest.mark.parametrize(("spoil", "seen"), SPOILT.values(), ids=SPOILT)
def test_what_is_wrong_is_told_with_what_to_do(
    installation: Installation, spoil: Callable[[Installation], None], seen: str
) -> None:
    spoil(installation)

    code, said = installation.faults("--cache=60")

    assert (code, seen in said) == (1, True), said
    assert "1 problem," in said


def test_other_flags_than_those_of_the_files_are_a_difference(installation: Installation) -> None:
    code, said = installation.faults("--cache=61")

    assert code == 1
    assert "object_lifetime_maximum=60,expire_on_reload=yes', and would be 'endpoint/cache" in said


def test_a_taken_port_is_a_warning_and_a_strange_address_a_problem(installation: Installation) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", installation.ports[0]))
        code, said = installation.faults("--cache=60")
    assert (code, f"UDP 127.0.0.1:{installation.ports[0]} is taken" in said) == (0, True), said

    code, said = installation.faults("--cache=60", "--bind=192.0.2.77")
    assert (code, "192.0.2.77 is no address of this machine" in said) == (1, True), said


def test_a_secret_is_told_to_nobody_and_must_be_readable_by_nobody_else(
    installation: Installation, tmp_path: Path
) -> None:
    named = (
        "--ami_bind=127.0.0.1:5038",
        f"--out={tmp_path}/other",
        "--asterisk_ami=ami://rb:Sample-Pass@127.0.0.1:5038",
    )
    assert installation.run(*named).code == 0
    file = tmp_path / "other/manager.conf"
    file.write_text(file.read_text().replace("Sample-Pass", "Sample-Other"))
    file.chmod(0o640)

    code, said = installation.faults(*named)

    assert (code, "manager.conf is not what would be written now" in said) == (1, True), said
    assert "manager.conf holds a secret, and others may read it" in said
    assert "Sample" not in said


def test_a_name_of_a_driver_is_looked_for_where_odbc_looks(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODBCSYSINI", str(installation.folder))
    ini = installation.folder / "odbcinst.ini"
    assert "odbcinst.ini, so no driver SQLite3" in installation.faults("--odbc_driver=SQLite3")[1]
    ini.write_text("[MariaDB]\nDriver=libmaodbc.so\n")
    assert "odbcinst.ini has no driver SQLite3" in installation.faults("--odbc_driver=SQLite3")[1]
    ini.write_text(f"[SQLite3]\nDriver={installation.folder}/none.so\n")
    assert "none.so, which " in installation.faults("--odbc_driver=SQLite3")[1]
    ini.write_text(f"[SQLite3]\nDriver={installation.folder / LIBRARY}\n")
    assert f"leads SQLite3 to {installation.folder / LIBRARY}" in installation.faults("--odbc_driver=SQLite3")[1]


def test_a_server_that_does_not_answer_is_a_problem_without_its_password(
    installation: Installation, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dsn = f"asterisk:Sample-Pass@tcp(127.0.0.1:{free.getsockname()[1]})"
    servers = (f"--database_dsn_bin={dsn}/bin_manager", f"--database_dsn_asterisk={dsn}/asterisk")

    code, said = installation.faults(*servers)

    assert (code, "ringback-directs: " in said, "is the server up" in said) == (1, True, True), said
    assert "Sample-Pass" not in said


@pytest.mark.parametrize(
    ("days", "hosts", "seen"),
    [
        (2, ["127.0.0.1"], ("problem", "ended on")),
        (-3, ["127.0.0.1"], ("problem", "on only")),
        (0, ["127.0.0.1"], ("warning", "ends on")),
        (0, ["sip.example.com"], ("warning", "is for 127.0.0.1, not for sip.example.com")),
    ],
)
def test_a_certificate_is_judged_by_its_dates_and_names(
    tmp_path: Path, days: int, hosts: list[str], seen: tuple[str, str]
) -> None:
    chain, key = certificate(tmp_path, "sip")
    key.chmod(0o600)

    found = config_checks.certificate(str(chain), str(key), hosts, datetime.now(UTC) + timedelta(days=days))

    assert [(one.state, one.seen) for one in found if one.state == seen[0] and seen[1] in one.seen], found


# ---- Kamailio


def test_kamailio_has_the_same(shell: Shell, tmp_path: Path) -> None:
    flags = [f"--out={tmp_path}/edge", "--bind=127.0.0.1", "--asterisk=127.0.0.2:5062", f"--modules={tmp_path}/modules"]
    (tmp_path / "modules").mkdir()
    assert shell.ringback("sip", "kamailio-config", *flags).code == 0
    config = tmp_path / "edge/kamailio.cfg"
    loaded = re.findall(r'^loadmodule "(.+)"$', config.read_text(), re.MULTILINE)
    for name in loaded[1:]:
        (tmp_path / "modules" / name).touch()

    ran = shell.ringback("sip", "kamailio-config", "--check", *flags)
    assert (ran.code, f"has no {loaded[0]}" in Table(ran.out)) == (1, True), ran

    (tmp_path / "modules" / loaded[0]).touch()
    assert shell.ringback("sip", "kamailio-config", "--check", *flags).code == 0

    config.chmod(0o644)
    ran = shell.ringback("sip", "kamailio-config", "--check", *flags)
    assert (ran.code, "kamailio.cfg holds a secret, and others may read it" in Table(ran.out)) == (1, True), ran
