"""`ringback sip kamailio-config`: what it writes is what the Kamailio of these tests runs with."""

import asyncio
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ringback.sip.kamailio import kamailio_config, secret_in

from .conftest import Edge

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]


def without_secret(text: str) -> str:
    secret = secret_in(text)
    assert secret is not None
    return text.replace(secret.reveal(), "")


async def test_the_file_is_that_which_this_kamailio_lets_trunks_in_with(edge: Edge, tmp_path: Path) -> None:
    options = edge.kamailio.options
    flags = (f"--bind={options.bind}", f"--asterisk={options.asterisks[0]}", f"--sip-port={options.sip_port}")

    more = ("--workers=2", f"--modules={edge.kamailio.program.modules}", f"--out={tmp_path}/etc")
    code, text = await edge.world.server.run("ringback", "sip", "kamailio-config", *flags, *more)

    assert code == 0, text
    file = tmp_path / "etc/kamailio.cfg"
    assert sorted(path.name for path in file.parent.iterdir()) == ["dispatcher.list", "kamailio.cfg"]
    written = file.read_text()
    assert options.modules == edge.kamailio.program.modules
    assert without_secret(written) == without_secret(kamailio_config(replace(options, folder=str(file.parent))))
    for told in ("kamailio-sqlite-modules", f"chown kamailio {file} ", str(edge.world.server.database)):
        assert told in text
    checked = await asyncio.to_thread(
        subprocess.run,
        [*edge.kamailio.program.command, "-c", "-f", str(file), f"-Y{tmp_path}"],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr
