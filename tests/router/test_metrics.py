"""What Prometheus reads of the registry."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ringback.app import Ringback, assemble
from ringback.databases import Opened
from ringback.kit.bus import Bus, Services
from ringback.kit.db import Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.events import Publisher
from ringback.router.extensions.model import ExtensionNotFound
from ringback.transports.memory import MemoryBus, MemoryServices
from tests.world import MakeWorld, World

pytestmark = pytest.mark.sqlite


class Nats:
    """A NATS that is there."""

    is_connected = True

    def __init__(self) -> None:
        self.memory = MemoryServices()

    def publishing(self) -> Publisher:
        return MemoryBus()

    def bus(self) -> Bus:
        return self.memory

    def services(self) -> Services:
        return self.memory


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()


@pytest.fixture
async def node(world: World) -> AsyncIterator[Ringback]:
    """A process with NATS, whose registry was loaded once."""
    async with aclosing(assemble(world.settings, Opened(world.open()), nats=Nats(), clock=lambda: world.now)) as made:
        assert (await made.router.loader.reload()).ok
        yield made
        made.database.close()


async def scraped(node: Ringback) -> dict[tuple[str, ...], float]:
    """Each sample of the router by its name and the values of its labels."""
    transport = httpx.ASGITransport(app=node.metrics)
    async with httpx.AsyncClient(transport=transport, base_url="http://metrics") as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name.startswith("router_") and not sample.name.endswith("_created")
    }


@pytest.mark.contract("router R-14")
async def test_the_metrics_say_how_the_registry_does(node: Ringback, world: World) -> None:
    for id in ("pii_guard", "normalize_text", "nobody"):
        try:
            node.router.registry.lookup(id)
        except ExtensionNotFound:
            continue
    world.sql("UPDATE extensions SET subject = 'x.>' WHERE id = 'pii_guard'")
    await node.router.loader.reload()
    world.wait(90)

    found = await scraped(node)

    counts = "router_extension_registry_extensions_total"
    assert {key[1:]: value for key, value in found.items() if key[0] == counts} == {
        ("database", "pre"): 1, ("database", "validator"): 1, ("database", "post"): 1, ("database", "provider"): 3,
    }  # fmt: skip
    assert (found["router_registry_lookups_total", "hit"], found["router_registry_lookups_total", "miss"]) == (2, 1)
    assert found["router_extension_registry_sync_total", "ok"] == 2
    assert (found["router_registry_degraded",], found["router_registry_nack",]) == (0, 1)
    assert found["router_registry_revision",] == node.router.registry.snapshot.revision > 0
    assert (found["router_registry_snapshot_age_seconds",], found["router_nats_connected",]) == (90, 1)
    assert ("router_audit_verify_ok",) not in found


@pytest.mark.contract("router R-14")
async def test_a_database_that_is_away_is_seen_and_a_scrape_asks_it_nothing_of_the_router(
    node: Ringback, world: World
) -> None:
    asked: list[Statement] = []

    def fail(statement: Statement) -> None:
        asked.append(statement)
        raise DatabaseUnavailable

    world.before_statement = fail
    await node.router.loader.reload()
    asked.clear()

    found = await scraped(node)

    assert [
        said for said in asked if any("router" in table.name or "audit" in table.name for table in said.tables)
    ] == []
    assert (found["router_registry_degraded",], found["router_extension_registry_sync_total", "error"]) == (1, 1)
    assert found["router_registry_lookups_total", "miss"] == 0


@pytest.mark.contract("router R-14, R-5c")
async def test_a_log_that_was_altered_and_a_node_that_is_gone_are_seen(node: Ringback, world: World) -> None:
    seen = world.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    world.sql(
        "INSERT INTO router_nodes (node_id, applied_revision, checksum, source, last_seen) VALUES ('a', 1, '', '', ?)",
        seen,
    )
    for harm in ("DROP TRIGGER extension_audit_log_update", "UPDATE extension_audit_log SET changed_by = 'x'"):
        world.sql(harm)
    world.wait(16)
    await node.router.node.daily.once()
    await node.router.node.presence.once()

    found = await scraped(node)

    assert (found["router_audit_verify_ok",], found["router_nodes_stale",]) == (0, 1)
