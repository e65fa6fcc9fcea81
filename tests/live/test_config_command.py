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
        f"--rtp_ports={options.rtp_ports[0]}-{options.rtp_ports[1]}",
        f"--odbc_driver={options.drivers['sqlite']}",
        f"--modules={options.directories.modules}",
    ]


async def command(world: World, out: Path, *more: str) -> tuple[int, str]:
    return await world.server.run("ringback", "sip", "asterisk-config", f"--out={out}", *flags(world), *more)


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


async def test_the_files_are_those_that_this_asterisk_serves_phones_with(world: World, tmp_path: Path) -> None:
    code, text = await command(world, tmp_path / "etc")

    assert code == 0, text
    found, expected = written(tmp_path / "etc"), asterisk_files(world.asterisk.options)
    conf = found.pop("asterisk.conf")
    expected.pop("asterisk.conf")  # the folders are other ones
    assert found == expected
    assert f"astetcdir => {tmp_path}/etc\n" in conf
    for told in (*found, "libsqliteodbc", f"ODBCINI={tmp_path}/etc/odbc.ini asterisk ", str(world.server.database)):
        assert told in text


async def test_files_that_differ_are_named_and_left_alone_unless_forced(world: World, tmp_path: Path) -> None:
    (tmp_path / "pjsip.conf").write_text("; mine\n")
    (tmp_path / "other.conf").write_text("; mine, too\n")

    refused = await command(world, tmp_path)
    assert refused == (2, f"ringback: {tmp_path} has files that differ: pjsip.conf; --force replaces them\n")
    assert written(tmp_path) == {"pjsip.conf": "; mine\n", "other.conf": "; mine, too\n"}

    assert (await command(world, tmp_path, "--force"))[0] == 0
    after = written(tmp_path)
    assert after["other.conf"] == "; mine, too\n"
    assert "type=transport" in after["pjsip.conf"]

    code, text = await command(world, tmp_path)
    assert (code, text.splitlines()[0]) == (0, f"0 files written to {tmp_path} ({len(after) - 1} were so already)")


async def test_a_folder_that_cannot_be_one_is_refused_in_one_line(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert await command(world, tmp_path / "file") == (
        2,
        f"ringback: {tmp_path / 'file'} cannot be used: not a directory\n",
    )
    assert await world.server.run("ringback", "sip", "asterisk-config") == (
        2,
        "ringback: One or more fields are invalid. --out is required\n",
    )


async def test_every_faulty_flag_is_named_at_once_and_nothing_is_written(world: World, tmp_path: Path) -> None:
    faulty = ("--bind=::1", "--rtp_ports=9-8", "--system_name=a b", "--database=a;b", "--odbc_driver=a\nb")

    code, text = await command(world, tmp_path / "etc", *faulty)

    assert code == 2
    assert [flag for flag in ("bind", "rtp_ports", "system_name", "database", "odbc_driver") if f"--{flag} " in text] \
        == ["bind", "rtp_ports", "system_name", "database", "odbc_driver"]  # fmt: skip
    assert not (tmp_path / "etc").exists()
