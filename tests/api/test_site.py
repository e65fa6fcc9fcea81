"""What needs no key: the front page, the documentation, health, readiness and metrics, on both ports."""

import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ringback.kit.db import Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.spellings import SERVICES
from tests.world import World

BROWSER = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
async def metrics(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """The metrics port."""
    transport = httpx.ASGITransport(app=world.ringback.metrics)
    async with httpx.AsyncClient(transport=transport, base_url="http://metrics") as client:
        yield client


class Links(HTMLParser):
    """What a page loads and where it leads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.leads: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href") and value:
                (self.leads if tag == "a" else self.loaded).append(value)


# ---- pages


async def test_the_front_page_says_what_runs_with_links(nobody: httpx.AsyncClient, world: World) -> None:
    made = await world.create()
    world.register(made["endpoint_id"])
    world.register(made["endpoint_id"])
    world.register((await world.create("1002"))["endpoint_id"])
    world.register((await world.create("1003"))["endpoint_id"], expires_in=-1)

    about = (await nobody.get("/")).json()

    assert (about["name"], about["services"], about["phones_online"]) == ("Ringback", list(SERVICES), 2)
    assert about["domains"] == {"extension": "registrar.localhost", "sip": "sip.localhost"}
    for link in about["links"].values():
        assert (await nobody.get(link)).status_code == 200


async def test_a_browser_gets_a_page_with_a_first_call_that_works(http: httpx.AsyncClient, world: World) -> None:
    answer = await http.get("/", headers=BROWSER)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = answer.text.replace("&#34;", '"').replace("&#39;", "'")
    (body,) = re.findall(r"-d '(\{.*\})'", page)
    (url,) = re.findall(r"curl -s (\S+)", page)
    made = await http.post(url, content=body, headers={"content-type": "application/json"})
    assert made.status_code == 201
    for link in Links(page).leads:
        assert (await http.get(link)).status_code == 200


@pytest.mark.parametrize("host", ["x<script>", "a b", "$(reboot)", "a'b", "a/b", "u@h", ""])
async def test_the_page_repeats_no_odd_host(nobody: httpx.AsyncClient, host: str) -> None:
    page = (await nobody.get("/", headers={**BROWSER, "host": host})).text

    assert "curl -s http://127.0.0.1:8080/v1.0/extensions" in page


async def test_the_front_page_stands_while_the_database_does_not(nobody: httpx.AsyncClient, world: World) -> None:
    def fail(statement: Statement) -> None:
        raise DatabaseUnavailable

    world.before_statement = fail

    assert (await nobody.get("/")).json()["phones_online"] is None
    assert "the database does not answer" in (await nobody.get("/", headers=BROWSER)).text


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_load_nothing_from_elsewhere(nobody: httpx.AsyncClient, path: str) -> None:
    answer = await nobody.get(path, headers=BROWSER)

    loaded = Links(answer.text).loaded
    assert loaded
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "http:" not in answer.headers["content-security-policy"]
    for asset in loaded:
        assert re.match(r"/[^/]", asset)
        found = await nobody.get(asset)
        assert (found.status_code, found.headers["cache-control"]) == (200, "max-age=3600")
        assert len(found.content) > 300


async def test_the_address_that_people_know_leads_to_the_docs(nobody: httpx.AsyncClient) -> None:
    answer = await nobody.get("/swagger/index.html")

    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


# ---- health


@pytest.mark.contract("registrar R-81")
@pytest.mark.parametrize("path", ["/live", "/health", "/ready"])
async def test_health_needs_no_key_on_either_port(
    nobody: httpx.AsyncClient, metrics: httpx.AsyncClient, path: str
) -> None:
    for client in (nobody, metrics):
        assert (await client.get(path)).status_code == 200


@pytest.mark.contract("registrar R-81")
async def test_without_a_database_it_lives_and_is_not_ready(
    nobody: httpx.AsyncClient, metrics: httpx.AsyncClient, world: World
) -> None:
    def fail(statement: Statement) -> None:
        raise DatabaseUnavailable

    world.before_statement = fail

    for client in (nobody, metrics):
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/live")).status_code == 200
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert set(ready.json()["checks"]) - {"redis"} == {"database_bin", "database_asterisk"}
        assert (await metrics.get("/metrics")).status_code == 200


async def test_metrics_are_not_on_the_public_port(nobody: httpx.AsyncClient, metrics: httpx.AsyncClient) -> None:
    assert (await nobody.get("/metrics")).status_code == 404
    assert (await metrics.get("/v1.0/extensions")).status_code == 404


# ---- metrics


def samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


@pytest.mark.contract("registrar R-81")
async def test_metrics_have_the_names_of_the_contract_and_say_what_happened(
    http: httpx.AsyncClient, metrics: httpx.AsyncClient, world: World
) -> None:
    made = [(await http.post("/v1.0/extensions", json={"extension": number})).json() for number in ("1001", "1002")]
    await http.delete(f"/v1.0/extensions/{made[1]['id']}")
    await world.rpc("GET", f"/v1/extensions/{made[0]['id']}")
    await world.rpc("GET", "/v1/extension-directs?hash=000000000000")
    world.register(f"1001@{made[0]['realm']}")
    await world.ringback.reconciler.once()

    found = list(samples((await metrics.get("/metrics")).text))

    name = "registrar_manager"
    assert {sample for sample, _, _ in found} >= {
        f"{name}_{what}"
        for what in (
            "extension_create_total", "extension_delete_total", "receive_request_process_time_bucket",
            "receive_request_process_time_count", "outbox_pending", "outbox_oldest_age_seconds", "reconcile_pending",
            "reconcile_last_success_timestamp_seconds", "contacts_live", "direct_lookup_total",
        )
    }  # fmt: skip
    families = {family.name for family in text_string_to_metric_families((await metrics.get("/metrics")).text)}
    assert {f"{name}_event_publish", f"{name}_reconcile_actions"} <= families
    values = {sample: value for sample, labels, value in found if not labels}
    assert values[f"{name}_extension_create_total"] == 2
    assert values[f"{name}_extension_delete_total"] == 1
    assert values[f"{name}_outbox_pending"] == 3
    assert values[f"{name}_outbox_oldest_age_seconds"] > 0
    assert values[f"{name}_contacts_live"] == 1
    assert (f"{name}_direct_lookup_total", {"result": "miss"}, 1) in found
    buckets = {labels["le"] for sample, labels, _ in found if sample.endswith("_process_time_bucket")}
    assert buckets == {"50.0", "100.0", "500.0", "1000.0", "3000.0", "+Inf"}


@pytest.mark.contract("registrar R-81")
async def test_labels_hold_no_ids_numbers_hashes_or_names(
    http: httpx.AsyncClient, metrics: httpx.AsyncClient, world: World
) -> None:
    made: dict[str, Any] = await world.create("4711", direct=True, name="Front desk")
    calls = [
        ("GET", f"/v1/extensions/{made['id']}"), ("GET", f"/v1/extensions/by-direct-hash/{made['direct_hash']}"),
        ("GET", f"/v1/extension-directs?hash={made['direct_hash']}"), ("GET", "/v1/extensions/extension/4711"),
        ("PUT", f"/v1/extensions/{made['id']}/4711"), ("4711", "/v1/extensions"), ("GET", "/4711"),
    ]  # fmt: skip
    for method, uri in calls:
        await world.rpc(method, uri, {"customer_id": str(world.customer), "name": "n"})
    await http.get(f"/v1.0/extensions/{made['id']}")

    text = (await metrics.get("/metrics")).text

    labels = {value for _, held, _ in samples(text) for value in held.values()}
    assert {"/v1/extensions/<extension-id>", "/v1/extensions/by-direct-hash/<hash>", "notfound"} <= labels
    for told in (made["id"], str(world.customer), made["direct_hash"], "4711", "Front desk", made["realm"]):
        assert not [label for label in labels if told in label]
