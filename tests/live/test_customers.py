"""customer-manager over a real broker and on real database servers."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest

from tests.live.amqp import UPSTREAM, Peer
from tests.live.conftest import until
from tests.live.daemon import BIN, DOMAINS, Daemon, databases, environment
from tests.patience import ENOUGH
from tests.servers.fixtures import MakeDatabase, MakeVhost
from tests.servers.rabbitmq import RabbitMq

pytestmark = pytest.mark.process

REQUESTS = "bin-manager.customer-manager.request"
HEARS = "bin-manager.registrar-manager.subscribe"


async def ringback(settings: dict[str, str], *words: str) -> Any:
    """What a command answers as JSON."""
    process = await asyncio.create_subprocess_exec(
        *(str(BIN / "ringback"), *words, "--format", "json"),
        env=environment({**DOMAINS, **settings}),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, words
    return json.loads(out)


async def ask(peer: Peer, uri: str, data: Any = None) -> dict[str, Any]:
    envelope = {"uri": uri, "method": "GET", "publisher": "api-manager", "data": data}
    reply: dict[str, Any] = json.loads(await peer.ask(json.dumps(envelope).encode(), REQUESTS))
    return reply


@pytest.mark.parametrize("engine", ["mariadb", "postgresql"])
async def test_peers_ask_for_customers_and_hear_of_them(
    engine: str, make_database: MakeDatabase, rabbitmq: RabbitMq, make_vhost: MakeVhost
) -> None:
    url = rabbitmq.url(make_vhost())
    dsns = databases(make_database(engine), make_database(engine) if engine == "mariadb" else None)
    services = "registrar-manager,customer-manager"
    async with Daemon.running(rabbitmq_address=url, services=services, **dsns), Peer.at(url) as peer:
        events = await peer.listen(UPSTREAM)
        made = await ringback(dsns, "customer", "create", "--name", "Acme", "--email", "ops@acme.example")
        of = ("--customer_id", made["id"])
        one = await ask(peer, f"/v1/customers/{made['id']}")
        many = await ask(peer, "/v1/customers?page_size=10", {"name": "Acme"})
        none = await ask(peer, f"/v1/customers/{UUID(int=1)}")
        for verb in ("freeze", "recover"):
            await ringback(dsns, "customer", verb, *of)
        frozen = await ask(peer, f"/v1/customers/{made['id']}")
        await ringback(dsns, "customer", "delete", "--force", *of)
        told: list[dict[str, Any]] = []
        async with asyncio.timeout(ENOUGH), events.iterator() as messages:
            while len(told) < 4:
                told.append(json.loads((await anext(messages)).body))

        async def heard() -> bool:
            return await peer.count(HEARS) == (0, 1)

        assert await until(heard)

    assert (one["data"], many["data"], none["data"]["domain"]) == (made, [made], "customer-manager")
    assert (none["status_code"], frozen["data"]["status"]) == (404, "active")
    assert [event["type"].removeprefix("customer_") for event in told] == ["created", "frozen", "recovered", "deleted"]
    assert {(event["publisher"], event["data"]["id"]) for event in told} == {("customer-manager", made["id"])}
