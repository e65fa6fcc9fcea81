"""What Prometheus reads of calls: each counted once, in series that end with their router extension."""

from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ringback.kit.bus import NoResponders, TooLate
from ringback.router.invoking.metrics import watch_calls
from ringback.router.invoking.tally import Customers
from tests.router.invoking.edges import OK, Room, record


def scraped(room: Room, *, by_customer: bool = False) -> dict[tuple[str, ...], float]:
    """Samples by name and labels, those in the order of the labels' names."""
    registry = CollectorRegistry()
    watch_calls(registry, room.circuits, by_customer=by_customer)
    return {
        (sample.name.removeprefix("router_extension_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


@pytest.mark.contract("router R-14, F-25")
async def test_a_call_is_counted_once_with_its_retries_its_time_and_what_came_of_it() -> None:
    room = Room(TooLate(), OK, NoResponders(), NoResponders(), took=0.03)
    for _ in range(2):
        await room.call(record(retry=1))
    for _ in range(3):
        await room.call(body=b" " * (2 << 20))

    found = scraped(room)

    calls = {key[1:]: value for key, value in found.items() if key[0] == "invocation_total"}
    assert calls == {
        ("upper", "success", "pre"): 1, ("upper", "no_responders", "pre"): 1, ("upper", "too_large", "pre"): 3,
    }  # fmt: skip
    buckets = {key[2]: value for key, value in found.items() if key[0] == "invocation_latency_ms_bucket"}
    bounds = [1, 5, 10, 25, 50, 100, 200, 500, 1000, 5000, 30000]
    assert list(buckets) == [*(f"{bound}.0" for bound in bounds), "+Inf"]
    assert (buckets["100.0"], buckets["200.0"], buckets["1000.0"], buckets["5000.0"]) == (0, 1, 1, 2)
    assert found["invocation_latency_ms_count", "upper", "pre"] == 2
    assert found["invocation_latency_ms_sum", "upper", "pre"] == pytest.approx(1000 + 75 + 30 + 30 + 75 + 30)
    assert found["retries_total", "upper", "1"] == 2
    assert (found["health_success_rate", "upper"], found["circuit_breaker_state", "upper", "closed"]) == (0.5, 1)
    assert found["health_latency_p95_ms", "upper"] == pytest.approx(30, rel=0.05)


@pytest.mark.contract("router R-14, R-8e")
async def test_an_open_breaker_is_seen_and_why_it_opened() -> None:
    room = Room(*[NoResponders()] * 5)
    for _ in range(6):
        await room.call()

    found = scraped(room)

    states = {state: found["circuit_breaker_state", "upper", state] for state in ("closed", "open", "half_open")}
    assert states == {"closed": 0, "open": 1, "half_open": 0}
    assert found["circuit_breaker_opened_total", "upper", "consecutive"] == 1
    assert found["circuit_breaker_opened_total", "upper", "forced"] == 0
    assert found["invocation_total", "upper", "unavailable", "pre"] == 1


@pytest.mark.contract("router R-14")
async def test_without_data_there_is_no_health_and_without_its_record_no_series() -> None:
    room = Room()
    await room.call(body=b" " * (2 << 20))
    assert not [key for key in scraped(room) if key[0].startswith("health_")]

    room.circuits.keep({})

    assert scraped(room) == {}


@pytest.mark.contract("router R-14")
async def test_customers_have_names_up_to_a_number_and_are_others_from_then_on() -> None:
    room = Room(customers=Customers(2))
    ids = [UUID(int=number) for number in range(4)]
    for id in [*ids, *ids]:
        await room.call(customer_id=id)

    found = scraped(room, by_customer=True)

    assert {key[3]: value for key, value in found.items() if key[0] == "invocation_total"} == {
        str(ids[0]): 2, str(ids[1]): 2, "other": 4,
    }  # fmt: skip
