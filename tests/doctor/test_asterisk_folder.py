"""`ringback doctor` on the folder of an Asterisk: each thing in it, and each that it names, is broken in turn."""

import os
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ringback.kit.secret import Secret
from ringback.sip.ami_conf import MANAGER, ManagerPort
from ringback.sip.config import AsteriskOptions, Directories, asterisk_files, modules_of
from ringback.sip.files import write
from ringback.sip.odbc import sqlite_url
from ringback.sip.transports_conf import Nat, Tls
from tests.certificates import certificate
from tests.doctor.conftest import Installation

PASSWORD = "Sample-Pass-0001-Sample-Pass"


@dataclass
class Asterisk:
    """Its folder, and its parts in folders beside it; somebody listens where it would."""

    installation: Installation
    folder: Path
    listening: socket.socket
    options: AsteriskOptions = field(init=False)

    @property
    def etc(self) -> Path:
        return self.folder / "etc"

    def write(self, **more: Any) -> None:
        names = ("modules", "run")
        for name in names:
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "driver.so").touch()
        self.options = AsteriskOptions(
            sqlite_url(self.installation.file),
            bind="127.0.0.1",
            sip_port=self.listening.getsockname()[1],
            system_name="ast-7",
            drivers={"sqlite": str(self.folder / "driver.so")},
            directories=replace(Directories(), **{name: str(self.folder / name) for name in names}),
        )
        self.options = replace(self.options, **more)
        for name in modules_of(self.options):
            (self.folder / "modules" / name).touch()
        write(self.etc, asterisk_files(self.options), force=True, secret={MANAGER} if self.options.manager else set())
        self.installation.more["asterisk"] = self.etc

    async def wrong(self) -> tuple[str, str]:
        return (await self.installation.wrong()).get("asterisk_config", ("ok", ""))


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


@pytest.fixture
def asterisk(installation: Installation, tmp_path: Path) -> Iterator[Asterisk]:
    with listening() as one:
        made = Asterisk(installation, tmp_path, one)
        made.write(manager=ManagerPort("127.0.0.1", 5038, Secret(PASSWORD)))
        yield made


Spoil = Callable[[Asterisk], object]


def edit(name: str, old: str, new: str) -> Spoil:
    def spoil(of: Asterisk) -> None:
        text = (of.folder / name).read_text()
        assert old in text
        (of.folder / name).write_text(text.replace(old, new), errors="surrogateescape")

    return spoil


def a_folder_for_a_file(of: Asterisk) -> None:
    (of.etc / "rtp.conf").unlink()
    (of.etc / "rtp.conf").mkdir()


def another_users(of: Asterisk) -> None:
    """It runs as somebody who may not write where the database is."""
    (of.folder / "run" / "asterisk.ctl").touch()
    if os.geteuid():
        pytest.skip("root alone can give files away")
    os.chown(of.folder / "run" / "asterisk.ctl", 65534, 65534)


def without_a_view(of: Asterisk) -> None:
    with sqlite3.connect(of.installation.file) as connection:
        connection.execute("DROP VIEW ringback_trunk_numbers")


BROKEN: dict[str, tuple[Spoil, str]] = {
    "no folder": (lambda of: shutil.rmtree(of.etc), "There is no folder "),
    "no file": (lambda of: (of.etc / "sorcery.conf").unlink(), "sorcery.conf is missing: write it anew"),
    "no main file": (lambda of: (of.etc / "asterisk.conf").unlink(), " has no asterisk.conf: write it anew"),
    "a folder for a file": (a_folder_for_a_file, "rtp.conf cannot be read (is a directory)"),
    "a line of the dialplan": (edit("etc/extensions.conf", "[default]", "[other]"), "is '[other]', and would be '[def"),
    "a line of sorcery": (edit("etc/sorcery.conf", "contact=realtime,ps_contacts\n", ""), "'contact=realtime,ps_con"),
    "a line of extconfig": (edit("etc/extconfig.conf", "ps_auths => ", ";ps_auths => "), "extconfig.conf is not what"),
    "a module of the list": (edit("etc/modules.conf", "load=cel_odbc.so\n", ""), "'load=cel_odbc.so'"),
    "an old version": (
        edit("etc/asterisk.conf", "; Written with", "; Made with"),
        "is not this version's, or was edited",
    ),
    "odd bytes": (edit("etc/asterisk.conf", "ast-7", "ast-\udcc1"), "is not this version's, or was edited"),
    "another database": (
        edit("etc/odbc.ini", "ringback.db", "other.db"),
        "Asterisk reads another database (ringback of ",
    ),
    "no sections": (edit("etc/odbc.ini", "[ringback]", "ringback"), "Database is not there, not "),
    "another driver": (edit("etc/odbc.ini", "driver.so", "other.so"), "odbc.ini is not what would be written now"),
    "another realm": (
        edit("etc/pjsip.conf", "default_realm=registrar.localhost", "default_realm=pbx.example"),
        "(line 7 is 'default_realm=pbx.example', and would be 'default_realm=registrar.localhost')",
    ),
    "no driver": (lambda of: (of.folder / "driver.so").unlink(), "There is no "),
    "no module": (lambda of: (of.folder / "modules" / "func_odbc.so").unlink(), "has no func_odbc.so: install all of"),
    "no view": (without_a_view, "has no ringback_trunk_numbers: 'ringback db upgrade' makes it again"),
    "a secret for all": (
        lambda of: (of.etc / MANAGER).chmod(0o644),
        "manager.conf holds a secret, and others may read",
    ),
    "another secret's form": (edit("etc/manager.conf", "deny=0.0.0.0", "permit=0.0.0.0"), "manager.conf is not what"),
    "another user": (another_users, "nobody, who runs Asterisk, may not write to "),
}


@pytest.mark.contract("registrar R-89")
@pytest.mark.parametrize("case", BROKEN)
async def test_what_is_wrong_with_an_asterisk_is_said_with_what_to_do(asterisk: Asterisk, case: str) -> None:
    spoil, sentence = BROKEN[case]
    assert await asterisk.wrong() == ("ok", "")
    spoil(asterisk)

    state, told = await asterisk.wrong()

    assert (state, sentence in told) == ("problem", True), told
    assert "Sample-Pass" not in told


@pytest.mark.parametrize(
    "more",
    [
        {"cache": 300},
        {"edge": "192.0.2.5:5060", "public_port": 0, "default_realm": "acme.registrar.localhost"},
        {"nat": Nat("192.0.2.9"), "rtp_ports": (30000, 31000), "manager": None},
    ],
    ids=lambda more: next(iter(more)),
)
async def test_an_asterisk_that_was_given_more_is_right_too(asterisk: Asterisk, more: dict[str, Any]) -> None:
    asterisk.write(**more)

    assert await asterisk.wrong() == ("ok", "")


async def test_a_certificate_is_looked_at_where_it_is(asterisk: Asterisk, tmp_path: Path) -> None:
    chain, key = certificate(tmp_path, "sip")
    key.chmod(0o600)
    asterisk.write(tls=Tls(str(chain), str(key), 5061, 8089), nat=Nat("192.0.2.9"))
    state, told = await asterisk.wrong()
    assert (state, f"{chain} ends on" in told) == ("warning", True), told

    certificate(tmp_path, "other")[1].rename(key)
    key.chmod(0o600)

    state, told = await asterisk.wrong()
    assert (state, f"is not the key of {chain}" in told) == ("problem", True), told


@pytest.mark.parametrize(
    ("name", "who"),
    [("agi", "call-manager"), pytest.param("screen", "router-manager", marks=pytest.mark.contract("router P-6"))],
)
async def test_whom_the_dialplan_asks_must_be_there(asterisk: Asterisk, name: str, who: str) -> None:
    setting = f"{name}_listen_address"
    with listening() as manager:
        address = f"127.0.0.1:{manager.getsockname()[1]}"
        asterisk.write(**{name: address})
        state, told = await asterisk.wrong()
        assert (state, f"{who} listens at no address ({setting})" in told) == ("problem", True), told

        asterisk.installation.settings[setting] = address
        assert await asterisk.wrong() == ("ok", "")

    state, told = await asterisk.wrong()
    assert (state, f"Nobody listens at {address}" in told) == ("warning", True), told


@pytest.mark.contract("router P-6")
async def test_a_dialplan_that_has_no_policies_run_is_told_where_somebody_would_run_them(asterisk: Asterisk) -> None:
    asterisk.installation.settings["screen_listen_address"] = "127.0.0.1:4574"

    state, told = await asterisk.wrong()

    assert (state, told.startswith("The dialplan asks nobody to run policies")) == ("warning", True), told


async def test_an_asterisk_that_does_not_run_is_told_and_one_of_another_machine_is_not(asterisk: Asterisk) -> None:
    asterisk.listening.close()
    state, told = await asterisk.wrong()
    assert (state, told.startswith("No Asterisk listens at 127.0.0.1:")) == ("warning", True), told

    shutil.rmtree(asterisk.folder / "modules")

    assert await asterisk.wrong() == ("ok", "")


async def test_a_folder_of_somebody_else_is_not_judged(asterisk: Asterisk) -> None:
    edit("etc/asterisk.conf", "Written by `ringback sip asterisk-config`", "Mine")(asterisk)

    assert (await asterisk.wrong())[0] == "unknown"
