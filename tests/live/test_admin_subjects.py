"""Beamline's admin subjects of a whole Ringback, asked by a client of NATS as a gateway asks."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from nats.aio.client import Client
from nats.errors import NoRespondersError

from ringback import server
from ringback.kit.bus import Letter
from ringback.kit.secret import Secret
from ringback.knobs import load
from ringback.router.admin.door import ROOT
from tests.live.test_nats import PASSWORDS, documented
from tests.patience import ENOUGH
from tests.servers.nats import Nats
from tests.transports.links import address, linked, stranger

pytestmark = pytest.mark.process


@asynccontextmanager
async def gateway(at: Nats) -> AsyncIterator[Client]:
    """Somebody else's connection."""
    client = await stranger(at)
    try:
        yield client
    finally:
        await client.close()


async def asked(client: Client, name: str, key: str | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"} if key else None
    return dict(json.loads((await client.request(ROOT + name, b"{}", ENOUGH, headers=headers)).data))


@pytest.mark.contract("router R-11a, F-22")
async def test_a_gateway_asks_with_a_key_until_it_is_revoked(nats: Nats, tmp_path: Path) -> None:
    free = {"rest_listen_address": "127.0.0.1:0", "prometheus_listen_address": "127.0.0.1:0"}
    at_nats = {"nats_address": nats.url, "nats_user": nats.USER, "nats_password": nats.password}
    async with (
        server.running(load({"ringback_home": tmp_path, **free, **at_nats})) as started,
        AsyncClient(base_url=started.url, timeout=ENOUGH) as http,
        gateway(nats) as client,
    ):
        assert started.keys
        as_admin = {"authorization": f"Bearer {started.keys.customer_key}"}
        new = {"name": "gateway", "roles": ["viewer"]}
        made = (await http.post("/v1.0/accesskeys", json=new, headers=as_admin)).json()

        assert (await asked(client, "get_extension_health"))["error"]["code"] == "authentication_required"
        assert len((await asked(client, "get_extension_health", made["key"]))["health"]) == 6
        gone = await http.delete(f"/v1.0/accesskeys/{made['id']}", headers=as_admin)
        assert gone.status_code == 200
        assert (await asked(client, "get_extension_health", made["key"]))["error"]["code"] == "invalid_credentials"


@pytest.mark.contract("router S-9, F-22")
async def test_with_the_documented_permissions_a_gateway_asks_the_router_and_nobody_else_answers_for_it() -> None:
    async def answer(letter: Letter) -> Letter:
        return Letter(b"{}")

    with Nats.configured(documented(), PASSWORDS) as one:
        router = address(one, user="router", password=Secret("router-secret"))
        worker = address(one, user="worker", password=Secret("worker-secret"))
        client = await stranger(one, user="gateway", password="gateway-secret", inbox_prefix=b"_INBOX.gateway")
        try:
            async with linked(router) as link, linked(worker) as other:
                await other.services().serve("thief", f"{ROOT}get_extension_health", answer)
                with pytest.raises(NoRespondersError):
                    await asked(client, "get_extension_health")
                await link.services().serve("router-admin", f"{ROOT}get_extension_health", answer)
                assert await asked(client, "get_extension_health") == {}
        finally:
            await client.close()
