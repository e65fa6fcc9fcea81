"""`ringback sip asterisk-config`: what it writes is what the Asterisk of these tests runs with."""

from pathlib import Path

import pytest

from ringback.sip.config import asterisk_files

from .conftest import World

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]


def flags(world: World) -> list[str]:
    """The command line of this world's Asterisk."""
    options = world.asterisk.options
    return [
        f"--bind={options.bind}",
        f"--sip-port={options.sip_port}",
        f"--public_port={options.public_port}",
        f"--edge={options.edge}",
        f"--rtp_ports={options.rtp_ports[0]}-{options.rtp_ports[1]}",
        f"--odbc_driver={options.drivers['sqlite']}",
        f"--modules={options.directories.modules}",
        f"--ami_bind={options.bind}:{world.ports.news}",
    ]


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


async def test_the_files_are_those_that_this_asterisk_serves_phones_with(world: World, tmp_path: Path) -> None:
    code, text = await world.server.run("ringback", "sip", "asterisk-config", f"--out={tmp_path}/etc", *flags(world))

    assert code == 0, text
    found, expected = written(tmp_path / "etc"), asterisk_files(world.asterisk.options)
    conf = found.pop("asterisk.conf")
    expected.pop("asterisk.conf")  # the folders are other ones
    assert found == expected
    assert f"astetcdir => {tmp_path}/etc\n" in conf
    for told in (*found, "libsqliteodbc", f"ODBCINI={tmp_path}/etc/odbc.ini asterisk ", str(world.server.database)):
        assert told in text
