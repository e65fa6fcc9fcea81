"""`ringback sip kamailio-config`: what it writes is what the Kamailio of these tests runs with."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from ringback.sip.kamailio import kamailio_config, secret_in

from .conftest import Edge, World

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

FLAGS = ("--bind=192.0.2.5", "--asterisk=192.0.2.7:5062")


async def command(world: World, out: Path, *flags: str) -> tuple[int, str]:
    return await world.server.run("ringback", "sip", "kamailio-config", f"--out={out}", *flags)


def without_secret(text: str) -> str:
    secret = secret_in(text)
    assert secret is not None
    return text.replace(secret.reveal(), "")


async def test_the_file_is_that_which_this_kamailio_lets_trunks_in_with(edge: Edge, tmp_path: Path) -> None:
    options = edge.kamailio.options
    flags = (f"--bind={options.bind}", f"--asterisk={options.asterisk}", f"--sip-port={options.sip_port}")

    code, text = await command(
        edge.world, tmp_path / "etc", *flags, "--workers=2", f"--modules={edge.kamailio.program.modules}"
    )

    assert code == 0, text
    file = tmp_path / "etc/kamailio.cfg"
    assert [path.name for path in file.parent.iterdir()] == ["kamailio.cfg"]
    written = file.read_text()
    assert options.modules == edge.kamailio.program.modules
    assert without_secret(written) == without_secret(kamailio_config(options))
    for told in ("kamailio-sqlite-modules", f"chown kamailio {file} ", str(edge.world.server.database)):
        assert told in text
    checked = await asyncio.to_thread(
        subprocess.run,
        [*edge.kamailio.program.command, "-c", "-f", str(file), f"-Y{tmp_path}"],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


async def test_the_secret_is_its_owners_alone_is_told_nobody_and_stays(world: World, tmp_path: Path) -> None:
    file = tmp_path / "kamailio.cfg"

    code, first = await command(world, tmp_path, *FLAGS, "--log_level=debug")
    secret = secret_in(file.read_text())
    assert (code, file.stat().st_mode & 0o777) == (0, 0o600)
    assert secret is not None
    file.chmod(0o644)
    again = await command(world, tmp_path, *FLAGS)
    assert file.stat().st_mode & 0o777 == 0o600
    refused = await command(world, tmp_path, *FLAGS, "--workers=2")
    file.chmod(0o644)
    forced = await command(world, tmp_path, *FLAGS, "--workers=2", "--force")

    assert again[1].splitlines()[0] == f"0 files written to {tmp_path} (1 were so already)"
    assert refused == (2, f"ringback: {tmp_path} has files that differ: kamailio.cfg; --force replaces them\n")
    assert (forced[0], secret_in(file.read_text()), file.stat().st_mode & 0o777) == (0, secret, 0o600)
    assert not [text for text in (first, again[1], refused[1], forced[1]) if secret.reveal() in text]
    await command(world, tmp_path / "other", *FLAGS)
    assert secret_in((tmp_path / "other/kamailio.cfg").read_text()) not in (secret, None)


async def test_a_file_of_somebody_elses_is_left_alone_unless_forced(world: World, tmp_path: Path) -> None:
    file = tmp_path / "kamailio.cfg"
    file.write_text("# mine\n")

    refused = await command(world, tmp_path, *FLAGS)
    assert refused == (2, f"ringback: {tmp_path} has files that differ: kamailio.cfg; --force replaces them\n")
    assert file.read_text() == "# mine\n"

    assert (await command(world, tmp_path, *FLAGS, "--force"))[0] == 0
    assert secret_in(file.read_text()) is not None
    file.unlink()
    file.mkdir()
    assert await command(world, tmp_path, *FLAGS) == (2, f"ringback: {tmp_path} cannot be used: is a directory\n")


async def test_every_faulty_flag_is_named_at_once_and_nothing_is_written(world: World, tmp_path: Path) -> None:
    def named(text: str) -> list[str]:
        return [flag for flag in ("bind", "asterisk", "database", "modules") if f"--{flag} must" in text]

    code, text = await command(
        world, tmp_path / "etc", "--bind=0.0.0.0", "--asterisk=voice:5062", '--database=a"b', "--modules=a|b"
    )
    assert (code, named(text)) == (2, ["bind", "asterisk", "database", "modules"])
    code, text = await command(world, tmp_path / "etc")
    assert (code, named(text)) == (2, ["bind", "asterisk"])
    code, text = await command(world, tmp_path / "etc", *FLAGS, "--database=/srv/CALL_SECRET/x.db", "--modules=lib")
    assert (code, named(text)) == (2, ["database", "modules"])
    odd = ("127.0.0.1:5062", "192.0.2.5:5060", "192.0.2.7", "0.0.0.0:5062", "192.0.2.7:٥٠٦٢", "255.255.255.255:5062")
    for asterisk in odd:
        code, text = await command(world, tmp_path / "etc", "--bind=192.0.2.5", f"--asterisk={asterisk}")
        assert (code, named(text)) == (2, ["asterisk"])
    assert await world.server.run("ringback", "sip", "kamailio-config", *FLAGS) == (
        2,
        "ringback: One or more fields are invalid. --out is required\n",
    )
    assert not (tmp_path / "etc").exists()


async def test_it_warns_that_no_password_is_proved_without_digests(world: World, tmp_path: Path) -> None:
    code, text = await command(world, tmp_path, *FLAGS, "--secret_storage=plaintext")

    assert (code, "warning: secret_storage=plaintext keeps no digests" in text) == (0, True)
    code, text = await command(world, tmp_path, *FLAGS)
    assert (code, "warning" in text) == (0, False)


async def test_the_help_says_whom_it_serves(world: World) -> None:
    code, text = await world.server.run("ringback", "sip", "kamailio-config", "--help")

    words = " ".join(text.split())
    assert code == 0
    assert "with secret_storage=plaintext there are none" in words
