"""Conditions: what holds, what does not, and that no JSON makes them raise."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.router.pipelines.conditions import holds

CONTEXT: dict[str, Any] = {
    "lang": "en",
    "tier": 2,
    "beta": True,
    "none": None,
    "tags": ["new", 1],
    "user": {"age": 30, "home": {"zip": "1010"}},
    "a.b": "dotted",
    "flags": {"on": True},
}
VAR = {"var": "context.tier"}

pytestmark = pytest.mark.contract("router P-1")


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"lang": "en"},
        {"lang": ["de", "en"]},
        {"lang": "en", "tier": 2.0},
        {"none": None},
        {"a.b": "dotted"},
        {"context.user.age": 30},
        {"==": [VAR, 2]},
        {"!=": [VAR, 3]},
        {"!=": [VAR, "2"]},
        {">": [VAR, 1.5]},
        {"<=": [{"var": "context.lang"}, "en"]},
        {"in": [{"var": "context.user.home.zip"}, ["1010", "1020"]]},
        {"in": ["new", {"var": "context.tags"}]},
        {"==": [{"var": "context.user"}, {"home": {"zip": "1010"}, "age": 30.0}]},
        {"==": [{"var": "context.tags"}, ["new", 1.0]]},
        {"!=": [{"var": "context.tags"}, ["new", True]]},
    ],
)
def test_it_holds(when: dict[str, Any]) -> None:
    assert holds(when, CONTEXT)


@pytest.mark.parametrize(
    "when",
    [
        {"lang": "de"},
        {"lang": []},
        {"lang": "en", "tier": 3},
        {"missing": None},
        {"beta": 1},
        {"tier": [True, False]},
        {"==": [VAR, True]},
        {"==": [{"var": "context.flags"}, {"on": 1}]},
        {"==": [{"var": "context.tags"}, ["new"]]},
        {"==": [{"var": "context.tags"}, 2]},
        {"==": [2, {"var": "context.tags"}]},
        {"==": [{"var": "context.user"}, 2]},
        {"==": [2, {"var": "context.user"}]},
        {"==": [{"var": "context.tags"}, ["old", 1]]},
        {"!=": [{"var": "context.missing"}, 1]},
        {"!=": [{"var": "context.user.missing.more"}, 1]},
        {"!=": [{"var": "tier"}, 1]},
        {"!=": [{"var": "context"}, 1]},
        {">": [{"var": "context.beta"}, 0]},
        {">": [VAR, "1"]},
        {"<": [None, 1]},
        {">=": [[2], [1]]},
        {"in": ["e", {"var": "context.lang"}]},
        {"in": [True, [1]]},
        {"==": [1]},
        {"==": "en"},
        {">": {"var": "context.tier"}},
    ],
)
def test_it_does_not_hold(when: dict[str, Any]) -> None:
    assert not holds(when, CONTEXT)


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)
operands = values | st.sampled_from([{"var": "context.x"}, {"var": "context.x.y"}, {"var": ""}, {"var": 1}])
keys = st.sampled_from(["==", "!=", ">", "<", ">=", "<=", "in", "x", "context.x", "."]) | st.text(max_size=4)


whens = st.dictionaries(keys, values | st.lists(operands, min_size=2, max_size=2), max_size=4)


@settings(max_examples=50)
@given(whens, st.dictionaries(keys, values, max_size=4))
def test_no_json_makes_it_raise(when: dict[str, Any], context: dict[str, Any]) -> None:
    assert holds(when, context) in (True, False)
