"""The choice of a provider: by weight, by key, and on every node the same."""

from collections import Counter

import pytest

from ringback.router.pipelines.choosing import chosen

WEIGHTS = {"openai_gpt4": 70.0, "anthropic_claude": 25.0, "mock_provider": 5.0, "nobody": 0.0}
KEYS = [f"conversation-{number}" for number in range(10_000)]


@pytest.mark.contract("router P-3")
@pytest.mark.contract("router F-21")
@pytest.mark.parametrize("keys", [KEYS, [f"{number:032x}" for number in range(10_000)]])
def test_shares_over_many_keys_are_within_two_points_of_the_weights(keys: list[str]) -> None:
    shares = Counter(chosen(key, WEIGHTS.items()) for key in keys)

    assert shares["nobody"] == 0
    for id, weight in WEIGHTS.items():
        assert abs(shares[id] / len(keys) * 100 - weight) <= 2


@pytest.mark.contract("router P-3")
def test_a_key_goes_to_the_same_provider_on_every_node_in_whatever_order_they_stand() -> None:
    backwards = list(WEIGHTS.items())[::-1]

    assert [chosen(key, WEIGHTS.items()) for key in KEYS[:200]] == [chosen(key, backwards) for key in KEYS[:200]]
    assert [chosen(key, WEIGHTS.items()) for key in ("c-1", "c-2", "grüß")] == [
        "anthropic_claude", "openai_gpt4", "openai_gpt4",
    ]  # fmt: skip


@pytest.mark.contract("router P-3")
def test_who_drops_out_moves_nobody_but_those_who_went_there() -> None:
    fewer = {id: weight for id, weight in WEIGHTS.items() if id != "anthropic_claude"}

    for key in KEYS[:500]:
        before = chosen(key, WEIGHTS.items())
        assert chosen(key, fewer.items()) == before or before == "anthropic_claude"


@pytest.mark.contract("router F-21")
def test_with_no_weight_at_all_nobody_is_chosen_and_nothing_breaks() -> None:
    assert chosen("c-1", [("one", 0), ("two", 0.0)]) is None
    assert chosen("c-1", []) is None
