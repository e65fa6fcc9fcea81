"""A customer with hundreds of phones, or in `make chaos` thousands, ends whatever is killed half-way."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from .installation import Installation, Place
from .platform import PATIENCE, Platform
from .storm import QUEUES

pytestmark = pytest.mark.process

IS_LONG = bool(os.environ.get("CHAOS_KILLS"))
LAYOUTS = ["mariadb", "postgresql"] if IS_LONG else ["mariadb"]
MANY = 2500 if IS_LONG else 500
NUMBER = "first"
NAMES = ("endpoint_id", "aor_id", "auth_id", "extension", "domain_name", "realm", "username")
OWN = {
    "registrar_extensions": ("id", "customer_id", "name", "detail", *NAMES, "ha1", "tm_create"),
    "registrar_sip_auths": (
        *("id", "reference_type", "auth_types", "realm", "username", "allowed_ips", "ha1", "tm_create"),
    ),
}
ASTERISK = {
    "ps_aors": ("id", "max_contacts", "remove_existing"),
    "ps_auths": ("id", "auth_type", "username", "realm", "md5_cred"),
    "ps_endpoints": ("id", "aors", "auth"),
}
LIVE = "registrar_extensions WHERE tm_delete IS NULL"
KILLS = {0.8: "both daemons", 0.6: "database", 0.4: "broker", 0.2: "a daemon"}
"""What is killed when that part of the extensions is left."""


@pytest.mark.contract("registrar R-67")
@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_customer_with_many_extensions_ends_whatever_is_killed_half_way(layout: str, tmp_path: Path) -> None:
    customer = uuid4()
    async with Installation.of(layout, tmp_path) as installation, asyncio.TaskGroup() as group:
        running = group.create_task(installation.run())
        await installation.all_ready()
        async with Platform.at(installation.broker.url(), installation.broker_is_up) as platform:
            asked = {"customer_id": str(customer), "extension": NUMBER}
            made = await platform.ask("POST", "/v1/extensions", asked)
            assert (made and made.status) == 200
            await asyncio.to_thread(multiply, installation, MANY)
            installation.say("the customer ends")
            await platform.tell("customer_deleted", customer)
            for left, victim in KILLS.items():
                await until(installation, partial(is_down_to, left * MANY, installation.own))
                assert messages(installation) > 0 or count(installation.own, LIVE) == 0
                await installation.kill(victim, 0)
                await installation.revive(victim)

            await until(installation, lambda: messages(installation) == 0)

            installation.say("the event is acknowledged")
            assert rows_left(installation) == 0
            told = Counter(deleted(installation.own))
            assert (len(told), {*told.values()}) == (MANY, {1})
            await until(installation, lambda: told.keys() <= heard(platform))
            await platform.tell("customer_deleted", customer)
            await until(installation, lambda: messages(installation) == 0)
            assert Counter(deleted(installation.own)) == told
        running.cancel()


def multiply(installation: Installation, number: int) -> None:
    """The only extension so often, with other numbers, and the rows that SIP servers read."""
    ids = [uuid4() for _ in range(number - 1)]
    for place, tables in ((installation.own, OWN), (installation.asterisk, ASTERISK)):
        for table, columns in tables.items():
            (first,) = place.rows(table, *columns)
            rows = [like(first, id, f"n{at}") for at, id in enumerate(ids)]
            marks = ", ".join(["%s"] * len(columns))
            statement = f"INSERT INTO {place.schema}.{table} ({', '.join(columns)}) VALUES ({marks})"
            server: Any = place.server
            with server.connect(place.database) as connection, connection.cursor() as cursor:
                cursor.executemany(statement, rows)


def like(first: dict[str, Any], id: UUID, number: str) -> tuple[Any, ...]:
    """The same row for another number."""
    row = {name: value.replace(NUMBER, number) if isinstance(value, str) else value for name, value in first.items()}
    if not isinstance(first["id"], str):
        row["id"] = id.bytes if isinstance(first["id"], bytes) else id
    return tuple(json.dumps(value) if isinstance(value, list) else value for value in row.values())


def is_down_to(number: float, own: Place) -> bool:
    """Whether so many extensions are left, or fewer."""
    return count(own, LIVE) <= number


def rows_left(installation: Installation) -> int:
    """How many rows are left of anything of the customer."""
    own = sum(count(installation.own, table) for table in (LIVE, "registrar_sip_auths", "registrar_customer_domains"))
    return own + sum(count(installation.asterisk, table) for table in ASTERISK)


def count(place: Place, rows: str) -> int:
    ((found,),) = place.execute(f"SELECT COUNT(*) FROM {place.schema}.{rows}")
    return int(found)


def deleted(own: Place) -> list[UUID]:
    """Whose deletion was told, as often as it was."""
    rows = own.execute(f"SELECT object_id FROM {own.schema}.registrar_outbox WHERE event_type = 'extension_deleted'")
    return [UUID(bytes=id) if isinstance(id, bytes) else id for (id,) in rows]


def heard(platform: Platform) -> set[UUID]:
    """Whose deletion was heard of."""
    return {UUID(news.data["id"]) for news in platform.heard if news.type == "extension_deleted"}


def messages(installation: Installation) -> int:
    """How many there are in our queues, in hand or not."""
    return sum(queue["messages"] for queue in installation.broker.listed("queues") if queue["name"] in QUEUES)


async def until(installation: Installation, seen: Callable[[], bool]) -> None:
    """Wait for it, as long as for an answer."""
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(seen):
            await installation.pace()
