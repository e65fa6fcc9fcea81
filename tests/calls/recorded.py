"""Events of calls as a real Asterisk 22 has written them, by what happened."""

import json
from pathlib import Path
from typing import Final

from tests.world import World

COLUMNS: Final = ("eventtype", "eventtime", "cid_num", "exten", "channame", "uniqueid", "linkedid", "extra")
RECORDED: Final[dict[str, list[list[str]]]] = json.loads(Path(__file__).with_name("recorded.json").read_text())
RECORDED_AT: Final = "demo.registrar.localhost"
"""The realm of the phones there: 1201 calls, 1202 answers, 1203 is busy, 1204 does not answer."""
PHONES: Final = ("1201", "1202", "1203", "1204")


async def phones(world: World) -> dict[str, dict[str, str]]:
    """The extensions that took part, by number."""
    return {number: await world.create(number) for number in PHONES}


def rows(world: World, what: str, realm: str) -> list[list[str]]:
    """What Asterisk wrote, for phones of that realm."""
    return [[str(value).replace(RECORDED_AT, realm) for value in row] for row in RECORDED[what]]


def write(world: World, *events: list[str]) -> None:
    """As Asterisk does."""
    for event in events:
        values = dict(zip(COLUMNS, event, strict=True))
        marks = ", ".join("?" * len(values))
        world.sql(f"INSERT INTO ringback_channel_events ({', '.join(values)}) VALUES ({marks})", *values.values())
