"""What docs/servers.md says, run as it is written, with servers of ours in the place of those that it names."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.house import ROOT
from tests.live.amqp import SERVICE, Peer
from tests.live.conftest import until
from tests.servers.fixtures import MakeDatabase, MakeVhost
from tests.servers.mariadb import MariaDb
from tests.servers.rabbitmq import RabbitMq
from tests.servers.redis import Redis

PAGE = (ROOT / "docs/servers.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


@pytest.mark.process
async def test_its_commands_and_its_program_do_what_it_says(
    make_database: MakeDatabase,
    mariadb: MariaDb,
    rabbitmq: RabbitMq,
    make_vhost: MakeVhost,
    redis_server: Redis,
    tmp_path: Path,
) -> None:
    own, asterisk, broker = make_database("mariadb"), make_database("mariadb"), rabbitmq.url(make_vhost())
    named = {
        "bin:secret@tcp(db.example.com:3306)/bin_manager": own.dsn,
        "asterisk:secret@tcp(db.example.com:3306)/asterisk": asterisk.dsn,
        "amqp://ringback:secret@mq.example.com:5672/": broker,
        "redis.example.com:6379": redis_server.address,
    }
    commands, program = block("sh"), block("python")
    for theirs, ours in named.items():
        assert theirs in commands
        commands, program = commands.replace(theirs, ours), program.replace(theirs, ours)
    commands = commands.partition("ringback up")[0].replace("registrar-manager ", "exec registrar-manager ")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    free = {"PROMETHEUS_LISTEN_ADDRESS": "127.0.0.1:0", "REDIS_PASSWORD": redis_server.password}
    process = await asyncio.create_subprocess_exec(
        *("bash", "-ec", commands), env={"PATH": path, "HOME": str(tmp_path), **free}, cwd=tmp_path
    )
    try:
        async with Peer.at(broker) as peer:
            await until(lambda: _serves(peer), 60)
        answer = await _run(program, customer=uuid4())
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()

    assert answer["phone"].extension == "1001"
    assert list(own.execute("SELECT extension FROM registrar_extensions")) == [("1001",)]


async def _serves(peer: Peer) -> bool:
    queue = await peer.channel.declare_queue(SERVICE.requests, durable=True)
    return bool(queue.declaration_result.consumer_count)


async def _run(program: str, **names: Any) -> dict[str, Any]:
    """The names that a piece of asynchronous Python leaves behind."""
    lines = "".join(f"    {line}\n" for line in program.splitlines())
    known: dict[str, Any] = dict(names)
    exec(f"async def page():\n{lines}    return locals()\n", known)
    found: dict[str, Any] = await known["page"]()
    return found
