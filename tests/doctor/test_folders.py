"""`ringback doctor` on the file of Kamailio: it is broken in turn."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ringback.sip.config import AsteriskOptions, asterisk_files
from ringback.sip.files import write
from ringback.sip.kamailio import KamailioOptions, kamailio_files, new_secret
from ringback.sip.odbc import sqlite_url
from ringback.sip.transports_conf import Tls
from tests.doctor.conftest import Installation

Spoil = Callable[[Path], object]


@pytest.fixture
def kamailio(installation: Installation, tmp_path: Path) -> Path:
    folder = tmp_path / "kamailio"
    tls = Tls("/etc/edge.pem", "/etc/edge.key", 5061, 8443)
    options = KamailioOptions(
        sqlite_url(installation.file),
        "192.0.2.5",
        ("192.0.2.7:5062", "192.0.2.8:5062"),
        new_secret(),
        workers=2,
        name="edge-2",
        tls=tls,
        folder=str(folder),
        external_address="198.51.100.7",
        tells="192.0.2.4:4574",
    )
    write(folder, kamailio_files(options), secret={"kamailio.cfg"})
    installation.more["kamailio"] = folder
    return folder


def edit(name: str, old: str, new: str) -> Spoil:
    def spoil(folder: Path) -> None:
        file = folder / name
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    return spoil


async def test_a_file_as_it_was_written_is_right(installation: Installation, kamailio: Path) -> None:
    assert await installation.wrong() == {}


OF_KAMAILIO: dict[str, tuple[Spoil, str]] = {
    "no folder": (shutil.rmtree, "There is no folder "),
    "no file": (lambda folder: (folder / "kamailio.cfg").unlink(), " has no kamailio.cfg"),
    "another database": (edit("kamailio.cfg", "ringback.db", "other.db"), "is not what would be written now (line "),
    "another domain": (
        edit("kamailio.cfg", "trunk[.]localhost", "trunk[.]example"),
        "is not what would be written now",
    ),
    "another limit": (edit("kamailio.cfg", "|MISS_LIMIT|10|", "|MISS_LIMIT|1000|"), "is not what would be written now"),
    "other Asterisks": (edit("dispatcher.list", "192.0.2.8:5062 0", "192.0.2.8:5062 1"), "dispatcher.list is not what"),
    "a secret for all": (
        lambda folder: (folder / "kamailio.cfg").chmod(0o644),
        "kamailio.cfg holds a secret, and others may read it: chmod 600",
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


async def test_an_edge_and_an_asterisk_that_do_not_know_each_other(
    installation: Installation, kamailio: Path, tmp_path: Path
) -> None:
    known = AsteriskOptions(sqlite_url(installation.file), bind="192.0.2.7", edge="192.0.2.6:5060,192.0.2.5:5066")
    installation.more["asterisk"] = tmp_path / "asterisk"
    write(tmp_path / "asterisk", asterisk_files(known))
    assert await installation.wrong() == {}

    write(tmp_path / "asterisk", asterisk_files(replace(known, edge="")), force=True)
    _, told = (await installation.wrong())["kamailio_config"]
    assert told.startswith(
        "This edge is 192.0.2.5:5066, and Asterisk believes nobody whose trunk calls: write Asterisk's "
    )

    write(tmp_path / "asterisk", asterisk_files(replace(known, bind="192.0.2.9")), force=True)
    _, told = (await installation.wrong())["kamailio_config"]
    assert "hands calls to 192.0.2.7:5062, 192.0.2.8:5062, and Asterisk takes them at 192.0.2.9:5062: " in told


async def test_an_edge_of_this_machine_lacks_modules_and_does_not_run(
    installation: Installation, kamailio: Path, tmp_path: Path
) -> None:
    (modules := tmp_path / "modules").mkdir()
    text = (kamailio / "kamailio.cfg").read_text()
    for name in re.findall(r'^loadmodule "(.+)"$', text, re.MULTILINE):
        (modules / name).touch()
    (before,) = re.findall(r'^mpath="(.*)"$', text, re.MULTILINE)
    edit("kamailio.cfg", before, str(modules))(kamailio)
    (modules / "sqlops.so").unlink()

    seen = [one.seen for one in await installation.checks() if one.name == "kamailio_config" and one.state == "problem"]

    assert f"{modules} has no sqlops.so" in seen
    assert any("/etc/edge.pem cannot be read" in one for one in seen)
