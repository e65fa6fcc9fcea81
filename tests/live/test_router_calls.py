"""What a whole server tells of the calls that it makes over a real NATS: events, health, breakers, metrics."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from httpx import AsyncClient
from nats.aio.client import Client
from nats.aio.subscription import Subscription

from ringback import server
from ringback.knobs import load
from tests.live.conftest import until
from tests.patience import ENOUGH
from tests.router.conftest import Node
from tests.router.grounds import File
from tests.servers.nats import Nats
from tests.transports.links import stranger

pytestmark = pytest.mark.process

DOCUMENT: Final = {"pre": [{"id": "normalize_text", "mode": "optional"}]}


@pytest.fixture
async def listener(nats: Nats) -> AsyncIterator[Client]:
    client = await stranger(nats)
    yield client
    await client.close()


async def heard(subscription: Subscription) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((await subscription.next_msg(ENOUGH)).data)
    return found


@pytest.mark.contract("router R-7a, R-7b, R-8a, R-8e, R-14")
async def test_a_worker_that_is_not_there_is_seen_by_all_who_look(
    nats: Nats, listener: Client, template: Path, tmp_path: Path
) -> None:
    shutil.copy(template, tmp_path / "ringback.db")
    given = {
        "ringback_home": tmp_path, "rest_listen_address": "127.0.0.1:0", "prometheus_listen_address": "127.0.0.1:0",
        "nats_address": nats.url, "nats_user": nats.USER, "nats_password": nats.password, "node_id": "here",
        "health_flush_interval": "0.2",
    }  # fmt: skip
    events = "beamline.extensions.events"
    circuits = await listener.subscribe(f"{events}.circuit_state_updated")
    healths = await listener.subscribe(f"{events}.extension_health_updated")
    await listener.flush()
    async with server.running(load(given)) as started, AsyncClient(timeout=ENOUGH) as client:
        assert started.keys
        root, metrics = f"{started.url}/v1.0/router", started.metrics_url
        client.headers["Authorization"] = f"Bearer {started.keys.operator_key}"
        client.params = client.params.set("customer_id", str(started.keys.customer_id))
        made = await client.post(f"{root}/policies", json={"policy_id": "p", "document": DOCUMENT})
        assert made.status_code == 201, made.text
        asked = {"policy_id": "p", "message": {"payload": "A"}}

        async def is_asked_no_more() -> bool:
            ran = (await client.post(f"{root}/pipelines:run", json=asked)).json()
            return not ran["executed_extensions"][0]["attempts"]

        await until(is_asked_no_more)  # nobody is to blame while the connection is new
        opened = await heard(circuits)
        assert (opened["data"], opened["node"]) == (
            {"id": "normalize_text", "state": "open", "reason": "consecutive"}, "here",
        )  # fmt: skip

        async def is_written() -> bool:
            return bool((await heard(healths))["data"]["health"]["failure_count"] == 5)

        await until(is_written)
        client.params = client.params.remove("customer_id")
        shown = (await client.get(f"{root}/extensions/normalize_text/health")).json()
        assert (shown["status"], shown["failure_count"], shown["circuit_breaker_state"]) == ("unhealthy", 5, "open")
        forced = await client.post(f"{root}/extensions/normalize_text/breaker", json={"force": "closed"})
        assert forced.json()["breaker"] == {"state": "closed"}
        assert (await heard(circuits))["data"]["reason"] == "forced"
        text = (await client.get(f"{metrics}/metrics")).text
        customer = {"customer_id": str(started.keys.customer_id)}
        last = (await client.post(f"{root}/pipelines:run", json=asked, params=customer)).json()
        assert last["executed_extensions"][0]["attempts"] == 1, "a breaker that is held closed lets it through"
    assert (
        'router_extension_invocation_total{extension_id="normalize_text",status="unavailable",type="pre"} 1.0' in text
    )
    assert 'opened_total{extension_id="normalize_text",reason="consecutive"} 1.0' in text
    node = Node(File(tmp_path / "ringback.db"), "later")
    (row,) = node.sql("SELECT node_id, failure_count, window_failure, circuit_breaker_state FROM extension_health")
    node.database.close()
    assert tuple(row.values()) == ("here", 6, 0, None), "what ends writes the last calls, and its breaker ends with it"
