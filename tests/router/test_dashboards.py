"""Alert rules and dashboard: each state that should wake somebody is told, and only what is emitted is asked for."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from itertools import product
from typing import Any, Final

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from ringback.app import Ringback, assemble
from ringback.databases import Opened
from ringback.router.workers.serving import serving as workers_serving
from tests.house import ROOT
from tests.router.test_metrics import Nats
from tests.world import MakeWorld, World

pytestmark = [pytest.mark.sqlite, pytest.mark.contract("router R-14, F-25")]

ALERTS: Final = msgspec.yaml.decode((ROOT / "deploy/prometheus/router.yml").read_text())
BOARD: Final = msgspec.json.decode((ROOT / "deploy/grafana/router.json").read_text())
FUNCTIONS: Final = {"sum", "max", "min", "rate", "count", "vector", "histogram_quantile", "label_values"}
WORDS: Final = {"by", "without", "or", "on"}
SCRAPED: Final = {"job", "instance", "le"}
"""Labels that Prometheus and its histograms add."""


def rules() -> list[dict[str, Any]]:
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def asked() -> Iterator[str]:
    """Every expression that Prometheus is asked."""
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    yield from (one["query"]["query"] for one in BOARD["templating"]["list"] if one["type"] == "query")


def words_of(expression: str) -> tuple[set[str], set[str]]:
    """The metrics and the labels that an expression names."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', " ", expression)
    labels = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", "".join(re.findall(r"\{[^}]*\}", bare))))
    groups = re.findall(r"\b(?:by|without|on)\s*\(([^)]*)\)", bare)
    labels |= {name.strip() for group in groups for name in group.split(",")}
    labels |= set(re.findall(r"label_values\([^()]*,\s*(\w+)\)", re.sub(r"\{[^}]*\}", "", bare)))
    bare = re.sub(r"\{[^}]*\}|\b(?:by|without|on)\s*\([^)]*\)|,\s*\w+\)$", " ", bare)
    return set(re.findall(r"\b[a-z_][a-z0-9_]+\b", bare)) - FUNCTIONS - WORDS, labels


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()


@pytest.fixture
async def node(world: World) -> AsyncIterator[Ringback]:
    """A process after a reload, some pipelines, and a breaker that opened."""
    nats, clock = Nats(), lambda: world.now
    async with aclosing(assemble(world.settings, Opened(world.open()), nats=nats, clock=clock)) as made:
        assert (await made.router.loader.reload()).ok
        await made.router.node.daily.once()
        async with workers_serving(nats.services(), world.settings, only=("normalize_text",)):
            for retry in (1, 0, 0, 0):
                await run(made, world, retry)
        assert made.router.registry.circuits.is_open("pii_guard")
        yield made
        made.database.close()


async def run(node: Ringback, world: World, retry: int) -> None:
    """One pipeline, in which one answers and one does not."""
    policy_id = f"retry_{retry}"
    headers = {"authorization": f"Bearer {await world.key(world.customer)}"}
    transport = httpx.ASGITransport(app=node.gateway)
    async with httpx.AsyncClient(transport=transport, base_url="http://node/v1.0/router", headers=headers) as http:
        validators = [{"id": "pii_guard", "on_fail": "ignore", "retry": retry}]
        document = {"pre": [{"id": "normalize_text"}], "validators": validators}
        await http.post("/policies", json={"policy_id": policy_id, "document": document})
        answer = await http.post("/pipelines:run", json={"policy_id": policy_id, "message": {"payload": "Text"}})
    assert answer.status_code == 200, answer.text


async def test_after_a_pipeline_an_open_breaker_and_a_reload_every_metric_of_the_page_is_there_once(
    node: Ringback,
) -> None:
    page = (ROOT / "docs/operate-the-registry.md").read_text()
    named = re.findall(r"^\| `(router_\w+)` \|", page, re.MULTILINE)

    found = await samples(node)

    assert sorted({re.sub("_(bucket|count|sum)$", "", one.name) for one in found}) == sorted(named)
    calls = {
        (one.labels["extension_id"], one.labels["status"]): one.value
        for one in found
        if one.name == "router_extension_invocation_total"
    }
    assert calls == {
        ("normalize_text", "success"): 4, ("pii_guard", "no_responders"): 4,
    }  # fmt: skip


async def test_alert_rules_and_dashboard_ask_for_nothing_that_is_not_emitted(node: Ringback) -> None:
    found = await samples(node)
    names, labels = {one.name for one in found}, {label for one in found for label in one.labels}

    for expression in asked():
        metrics, of = words_of(expression)
        assert metrics, expression
        assert metrics - names == set(), expression
        assert of - labels - SCRAPED == set(), expression


async def test_every_metric_is_on_the_dashboard(node: Ringback) -> None:
    shown = {name for panel in panels() for target in panel["targets"] for name in words_of(target["expr"])[0]}

    families = {re.sub("_(bucket|count|sum)$", "", name) for name in shown}

    assert {re.sub("_(bucket|count|sum)$", "", one.name) for one in await samples(node)} == families


THIRTEEN: Final = [
    ("> 0.3", "5m"), ("== 1", "1m"), ("> 0.1", "10m"), ("> 100", "10m"), ("> 200", "5m"), ("< 0.9", "10m"),
    ("== 1", "1m"), ("> 300", None), ("> 0", "5m"), ("> 0", "1m"), ("== 0", "1m"), ("> 0.1", "5m"), ("== 0", None),
]  # fmt: skip


def test_each_state_that_should_wake_somebody_has_its_alert() -> None:
    assert list(ALERTS) == ["groups"]
    assert [(" ".join(rule["expr"].split()[-2:]), rule.get("for")) for rule in rules()] == THIRTEEN
    assert len({rule["alert"] for rule in rules()}) == len(THIRTEEN)
    for rule in rules():
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "description"}


def test_the_dashboard_can_be_imported_and_its_panels_lie_side_by_side() -> None:
    variables = [one["name"] for one in BOARD["templating"]["list"]]
    assert variables == ["datasource", "job", "instance", "extension"]
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    cells = [cell for panel in BOARD["panels"] for cell in cells_of(panel["gridPos"])]
    assert len(set(cells)) == len(cells)
    assert all(x < 24 for x, _ in cells)
    for panel in panels():
        assert panel["title"]
        assert panel["description"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


def cells_of(at: dict[str, int]) -> Iterator[tuple[int, int]]:
    return product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"]))


async def samples(node: Ringback) -> list[Sample]:
    """Everything of the router that a scrape finds."""
    transport = httpx.ASGITransport(app=node.metrics)
    async with httpx.AsyncClient(transport=transport, base_url="http://metrics") as client:
        text = (await client.get("/metrics")).text
    families = text_string_to_metric_families(text)
    return [one for family in families for one in family.samples if one.name.startswith("router_")]
