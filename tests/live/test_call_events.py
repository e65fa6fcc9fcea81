"""call-manager over a real broker and on real database servers."""

import asyncio
import json
from typing import Any

import pytest

from tests.calls.recorded import COLUMNS, RECORDED, RECORDED_AT
from tests.live.amqp import Peer
from tests.live.daemon import Daemon, databases
from tests.live.test_customers import ringback
from tests.patience import ENOUGH
from tests.servers.fixtures import MakeDatabase, MakeVhost
from tests.servers.rabbitmq import RabbitMq

pytestmark = pytest.mark.process

CUSTOMER = "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"
NEW = {
    "uri": "/v1/extensions",
    "method": "POST",
    "publisher": "api-manager",
    "data": {"customer_id": CUSTOMER, "extension": "1201"},
}


@pytest.mark.parametrize("engine", ["mariadb", "postgresql"])
async def test_peers_hear_of_calls_at_an_exchange_of_their_own(
    engine: str, make_database: MakeDatabase, rabbitmq: RabbitMq, make_vhost: MakeVhost
) -> None:
    url, own = rabbitmq.url(make_vhost()), make_database(engine)
    dsns = databases(own, make_database(engine) if engine == "mariadb" else None)
    table = "ringback_channel_events" if engine == "mariadb" else "bin_manager.ringback_channel_events"
    async with Daemon.running(rabbitmq_address=url, **dsns), Peer.at(url) as peer:
        events = await peer.listen("bin-manager.call-manager.event")
        made = json.loads(await peer.ask(json.dumps(NEW).encode()))["data"]
        marks = ", ".join(["%s"] * len(COLUMNS))
        for event in RECORDED["cancelled"]:
            values = [value.replace(RECORDED_AT, made["realm"]) for value in event]
            own.execute(f"INSERT INTO {table} ({', '.join(COLUMNS)}) VALUES ({marks})", *values)
        told: list[dict[str, Any]] = []
        async with asyncio.timeout(ENOUGH), events.iterator() as messages:
            while len(told) < 2:
                told.append(json.loads((await anext(messages)).body))
        calls = await ringback(dsns, "call", "list", "--customer_id", CUSTOMER)

    assert [event["type"] for event in told] == ["call_started", "call_ended"]
    assert {event["publisher"] for event in told} == {"call-manager"}
    assert [told[-1]["data"]] == calls
    assert calls[0]["hangup_reason"] == "cancelled"
    assert own.execute(f"SELECT id FROM {table}") == []
