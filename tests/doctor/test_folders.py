"""`ringback doctor` on the files of Asterisk and Kamailio: each is broken in turn."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ringback.kit.secret import Secret
from ringback.sip.ami_conf import ManagerPort
from ringback.sip.config import AsteriskOptions, asterisk_files
from ringback.sip.files import write
from ringback.sip.kamailio import KamailioOptions, kamailio_config, new_secret
from ringback.sip.odbc import sqlite_url
from ringback.sip.transports_conf import Nat, Tls
from tests.doctor.conftest import Installation

Spoil = Callable[[Path], object]


@pytest.fixture
def asterisk(installation: Installation, tmp_path: Path) -> Path:
    folder = tmp_path / "asterisk"
    options = AsteriskOptions(sqlite_url(installation.file), sip_port=5070, system_name="ast-7")
    write(folder, asterisk_files(options))
    installation.more["asterisk"] = folder
    return folder


@pytest.fixture
def kamailio(installation: Installation, tmp_path: Path) -> Path:
    folder = tmp_path / "kamailio"
    tls = Tls("/etc/edge.pem", "/etc/edge.key", 5061, 8443)
    options = KamailioOptions(
        sqlite_url(installation.file), "192.0.2.5", "192.0.2.7:5062", new_secret(), workers=2, tls=tls
    )
    write(folder, {"kamailio.cfg": kamailio_config(options)}, secret={"kamailio.cfg"})
    installation.more["kamailio"] = folder
    return folder


def edit(name: str, old: str, new: str) -> Spoil:
    def spoil(folder: Path) -> None:
        file = folder / name
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    return spoil


def readable(folder: Path) -> None:
    with (folder / "res_odbc.conf").open("a") as file:
        file.write("password => Sample-Pass-0001\n")


def a_folder_for_a_file(folder: Path) -> None:
    (folder / "rtp.conf").unlink()
    (folder / "rtp.conf").mkdir()


OF_ASTERISK: dict[str, tuple[Spoil, str]] = {
    "no folder": (shutil.rmtree, "There is no folder "),
    "no file": (lambda folder: (folder / "sorcery.conf").unlink(), " has no sorcery.conf: write it anew"),
    "a folder for a file": (
        a_folder_for_a_file,
        "rtp.conf cannot be read (is a directory)",
    ),
    "another version": (edit("extensions.conf", "static=yes", "static=no"), "extensions.conf in "),
    "another database": (edit("odbc.ini", "ringback.db", "other.db"), "Asterisk reads another database (ringback of "),
    "no sections": (edit("odbc.ini", "[ringback]", "ringback"), "Database is not there, not "),
    "another realm": (
        edit("pjsip.conf", "default_realm=registrar.localhost", "default_realm=pbx.example"),
        "with the realm pbx.example, and ours end in registrar.localhost",
    ),
    "a password for all": (readable, "res_odbc.conf, which holds a password: chmod o= "),
}


async def test_files_as_they_were_written_are_right_wherever_they_differ_from_the_usual(
    installation: Installation, asterisk: Path, kamailio: Path
) -> None:
    asking = replace(AsteriskOptions(sqlite_url(installation.file)), agi="192.0.2.7:4573", system_name="ast-7")
    write(asterisk, asterisk_files(asking), force=True)
    edit("pjsip.conf", "default_realm=registrar.localhost", "default_realm=acme.registrar.localhost")(asterisk)

    assert await installation.wrong() == {}


@pytest.mark.parametrize(
    "more",
    [
        {"cache": 300},
        {"agi": "127.0.0.1:4573"},
        {"edge": "192.0.2.5:5060", "public_port": 0, "bind": "192.0.2.7"},
        {"manager": ManagerPort("127.0.0.1", 5038, Secret("Sample-Pass-0001-Sample-Pass"))},
        {"tls": Tls("/srv/cert.pem", "/srv/key.pem", 5061, 8089), "nat": Nat("192.0.2.9")},
    ],
    ids=lambda more: next(iter(more)),
)
async def test_an_asterisk_that_was_given_more_is_right_too(
    installation: Installation, tmp_path: Path, more: dict[str, Any]
) -> None:
    options = AsteriskOptions(sqlite_url(installation.file), **more)
    write(tmp_path / "asterisk", asterisk_files(options), secret={"manager.conf"})
    installation.more["asterisk"] = tmp_path / "asterisk"

    assert await installation.wrong() == {}


@pytest.mark.contract("registrar R-89")
@pytest.mark.parametrize("case", OF_ASTERISK)
async def test_what_is_wrong_with_the_files_of_asterisk(installation: Installation, asterisk: Path, case: str) -> None:
    spoil, sentence = OF_ASTERISK[case]
    spoil(asterisk)

    state, told = (await installation.wrong())["asterisk_config"]

    assert state == "problem"
    assert sentence in told
    assert "Sample-Pass" not in told


async def test_a_folder_of_somebody_else_is_not_judged(installation: Installation, asterisk: Path) -> None:
    edit("asterisk.conf", "Written by `ringback sip asterisk-config`", "Mine")(asterisk)

    assert (await installation.wrong())["asterisk_config"][0] == "unknown"


OF_KAMAILIO: dict[str, tuple[Spoil, str]] = {
    "no folder": (shutil.rmtree, "There is no folder "),
    "no file": (lambda folder: (folder / "kamailio.cfg").unlink(), " has no kamailio.cfg"),
    "another database": (edit("kamailio.cfg", "ringback.db", "other.db"), "is not what this version writes"),
    "another domain": (edit("kamailio.cfg", "trunk[.]localhost", "trunk[.]example"), "is not what this version writes"),
    "a secret for all": (
        lambda folder: (folder / "kamailio.cfg").chmod(0o644),
        "Others may read its secret: chmod 600",
    ),
}


@pytest.mark.parametrize("case", OF_KAMAILIO)
async def test_what_is_wrong_with_the_file_of_kamailio(installation: Installation, kamailio: Path, case: str) -> None:
    spoil, sentence = OF_KAMAILIO[case]
    spoil(kamailio)

    state, told = (await installation.wrong())["kamailio_config"]

    assert state == "problem"
    assert sentence in told


async def test_an_edge_that_needs_digests_where_none_are_kept(installation: Installation, kamailio: Path) -> None:
    installation.settings["secret_storage"] = "plaintext"

    assert (await installation.wrong())["kamailio_config"][0] == "warning"
