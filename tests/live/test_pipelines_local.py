"""`router-control pipelines --local` where NATS is set: in the command's own process, with those who answer there."""

import asyncio
import json
import shutil
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from ringback import cli
from ringback.kit.bus import Letter
from tests.servers.nats import Nats
from tests.transports.links import linked

pytestmark = pytest.mark.process


async def test_a_run_reaches_the_workers_at_nats(
    nats: Nats, template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(template, tmp_path / "ringback.db")
    (tmp_path / "support.json").write_text('{"pre": [{"id": "normalize_text"}]}')
    there = ("--local", "--ringback_home", str(tmp_path), "--customer_id", str(uuid4()), "--format", "json")
    at = ("--nats_address", nats.url, "--nats_user", nats.USER, "--nats_password", nats.password)

    async def shout(letter: Letter) -> Letter:
        said = msgspec.json.decode(letter.body)["payload"]["payload"]
        return Letter(msgspec.json.encode({"payload": f"{said}!"}))

    async with linked(nats) as link:
        await link.services().serve("shout", "beamline.ext.pre.normalize_text.v1", shout)
        create = ("policies", "create", "p", "--document", str(tmp_path / "support.json"))
        run = ("pipelines", "run", "p", "--text", "Hello", *at)
        ended = [await asyncio.to_thread(told, [*words, *there]) for words in (create, run)]

    assert ended == [0, 0]
    first, _, second = capsys.readouterr().out.partition("}\n{")
    assert first
    assert json.loads("{" + second)["message"] == {"payload": "Hello!"}


def told(words: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        cli.router_control(words)
    return int(end.value.code or 0)
