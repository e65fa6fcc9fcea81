"""`ringback doctor` on the file of Kamailio: it is broken in turn."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

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
