"""What docs/servers.md says, run as it is written, with servers of ours in the place of those that it names."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.house import ROOT
from tests.live.amqp import SERVICE, Peer
from tests.live.conftest import until
from tests.patience import ENOUGH
from tests.servers.database import DatabaseServer
from tests.servers.fixtures import MakeVhost
from tests.servers.rabbitmq import RabbitMq
from tests.servers.redis import Redis

PAGE = (ROOT / "docs/servers.md").read_text()
NAMED = re.findall(r"'(ringback(?:_owner)?:secret@tcp\S+?)'", PAGE)
"""The DSNs in its commands: first those of the services, then those of an upgrade, of both databases each."""
POSTGRESQL = re.findall(r"`(postgresql://ringback:secret@\S+?)`", PAGE)
DSNS = {
    "mariadb": NAMED,
    "postgresql": [*POSTGRESQL, *(one.replace("ringback:", "ringback_owner:") for one in POSTGRESQL)],
}


def block(language: str, begin: str = "") -> str:
    found = re.search(rf"^```{language}\n({begin}.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


@dataclass(frozen=True, slots=True)
class Made:
    """What the page's SQL makes, on a server where others may have made the same: ours has names of its own."""

    engine: str
    server: DatabaseServer
    tag: str

    def named(self, text: str) -> str:
        text = re.sub(r"\b(bin_manager|asterisk|voip|ringback|ringback_owner)\b", rf"\1_{self.tag}", text)
        return re.sub(r"db\.example\.com:\d+", self.server.address, text)

    def dsns(self) -> list[str]:
        """Of the services, and of an upgrade: our own database, then Asterisk's."""
        return list(map(self.named, DSNS[self.engine]))

    def run(self, when: str = "") -> None:
        """The page's SQL for this server: what makes databases and users, or what is for later."""
        database = ""
        text = re.sub(r"^--.*$", "", block("sql", f"-- {self.server.recipe.name}{when}"), flags=re.MULTILINE)
        for statement in filter(None, map(str.strip, self.named(text).split(";"))):
            if statement.startswith("\\connect "):
                connect, _, statement = statement.partition("\n")
                database = connect.split()[1]
            self.server.execute(statement, database=database)

    def drop(self) -> None:
        for name in ["voip"] if self.engine == "postgresql" else ["bin_manager", "asterisk"]:
            self.server.execute(self.server.DROP.format(self.named(name)))
        for user in ("ringback", "ringback_owner"):
            self.server.execute(self.named(f"DROP USER IF EXISTS {user}"))

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """What whoever runs the server says."""
        database = self.named("voip") if self.engine == "postgresql" else ""
        return self.server.execute(self.named(statement), database=database)


@pytest.fixture(params=["mariadb", "postgresql"])
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    one = Made(request.param, request.getfixturevalue(request.param), uuid4().hex[:8])
    try:
        one.run()
        yield one
    finally:
        one.drop()


@pytest.mark.process
async def test_its_commands_and_its_program_do_what_it_says(
    made: Made, rabbitmq: RabbitMq, make_vhost: MakeVhost, redis_server: Redis, tmp_path: Path
) -> None:
    broker = rabbitmq.url(make_vhost())
    named = {
        **dict(zip(NAMED, made.dsns(), strict=True)),
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
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-ec", commands), env={"PATH": path, "HOME": str(tmp_path), **free}, cwd=tmp_path, stderr=stderr
        )
    try:
        async with Peer.at(broker) as peer:
            await until(lambda: _serves(peer, process, log))
        answer = await _run(program, customer=uuid4())
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(ENOUGH):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()

    assert answer["phone"].extension == "1001"
    assert made.execute("SELECT extension FROM bin_manager.registrar_extensions") == [("1001",)]
    assert "one transaction for both databases" in log.read_text()


async def _serves(peer: Peer, process: asyncio.subprocess.Process, log: Path) -> bool:
    assert process.returncode is None, log.read_text()
    queue = await peer.channel.declare_queue(SERVICE.requests, durable=True)
    return bool(queue.declaration_result.consumer_count)


async def _run(program: str, **names: Any) -> dict[str, Any]:
    """The names that a piece of asynchronous Python leaves behind."""
    lines = "".join(f"    {line}\n" for line in program.splitlines())
    known: dict[str, Any] = dict(names)
    exec(f"async def page():\n{lines}    return locals()\n", known)
    found: dict[str, Any] = await known["page"]()
    return found
