"""What a process leaves behind that is killed by SIGKILL at each step of its work."""

import asyncio
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ringback.kit.events import Message
from tests.registrar.test_atomic import FEWEST, WRITES, prepared
from tests.world import MakeWorld, World

REPOSITORY = Path(__file__).parents[2]


class Heard:
    """A bus that remembers."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def publish(self, message: Message) -> None:
        self.messages.append(message)

    def subscribe(self, listener: Any) -> Any:
        raise NotImplementedError


async def killed(*works: dict[str, Any]) -> list[dict[str, Path]]:
    """For each work: step → the database that a process left which was killed there."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.registrar.killed"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )
    out, _ = await process.communicate("".join(json.dumps(work) + "\n" for work in works).encode())
    assert process.returncode == 0
    return [{step: Path(file) for step, file in json.loads(line).items()} for line in out.splitlines()]


def whole(world: World) -> Path:
    """The world's database as one file, without its journal."""
    with sqlite3.connect(world.settings.database_file) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    return world.settings.database_file


def restarted(make_world: MakeWorld, database: Path, customer: UUID) -> tuple[World, Heard]:
    """A new process over what is left."""
    heard = Heard()
    world = make_world(database=database, bus=heard)
    world.customer = customer
    return world, heard


@pytest.mark.process
@pytest.mark.contract("registrar R-63")
async def test_a_killed_process_leaves_all_of_a_request_or_nothing_and_no_event_is_lost(
    make_world: MakeWorld,
) -> None:
    world = make_world()
    extension = (await prepared(world, "delete"))[1].rpartition("/")[2]
    trunk = str(UUID(bytes=world.sql("SELECT id FROM registrar_trunks")[0]["id"]))
    of = {"customer_id": str(world.customer)}
    requests = {
        what: (method, uri.format(extension=extension, trunk=trunk), {**of, **data})
        for what, (method, uri, data, _) in WRITES.items()
    }
    before, common = world.everything(), {"database": str(whole(world)), "customer": str(world.customer)}
    known = len(before["registrar_outbox"])

    killings = await killed(
        *({"what": what, "request": request, **common} for what, request in requests.items()),
        {"what": "relay", **common},
    )

    for (what, request), steps in zip(requests.items(), killings, strict=False):
        assert len(steps) > FEWEST
        for step, database in steps.items():
            place = f"{what} killed at {step}"
            done = step == "after"
            left, heard = restarted(make_world, database, world.customer)
            tables = left.everything()
            news = len(tables["registrar_outbox"]) - known
            assert news == (WRITES[what][-1] if done else 0), place
            assert (tables != before) if done else (tables == before), place

            assert await left.ringback.relay.publish_waiting() == known + news
            assert [message.id for message in heard.messages] == list(range(1, known + news + 1)), place
            assert (await left.ringback.reconciler.once()).due == [], place
            repeated = {"create": 409, "delete": 404}.get(what.split()[0], 200) if done else 200
            assert (await left.rpc(*request)).status_code == repeated, place
            left.close()

    everything = [row["id"] for row in before["registrar_outbox"]]
    for step, database in killings[-1].items():
        said = database.with_suffix(".published")
        published = [int(line) for line in said.read_text().split()] if said.exists() else []
        left, heard = restarted(make_world, database, world.customer)
        await left.ringback.relay.publish_waiting()
        again = [message.id for message in heard.messages]
        assert sorted({*published, *again}) == everything, f"relay killed at {step}"
        assert again == ([] if step == "after" else everything), f"relay killed at {step}"
        left.close()
