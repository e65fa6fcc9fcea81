"""What the document of a policy may say, and what is refused."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.kit.errors import ValidationFailed
from ringback.router.extensions.model import RouterExtension, Type
from ringback.router.policies.deadlines import deadline_ms
from ringback.router.policies.document import declared, understood
from ringback.router.policies.model import Declared, Fallback, Provider, Step

ACME, OTHER = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)


def extension(id: str, type: Type, timeout_ms: int, retry: int, **metadata: Any) -> RouterExtension:
    room = {"pre": "ext.pre", "validator": "ext.validate", "post": "ext.post", "provider": "provider"}[type]
    return RouterExtension(id, type, f"beamline.{room}.{id}.v1", timeout_ms, retry, NOW, NOW, metadata=metadata)


KNOWN = {
    one.id: one
    for one in (
        extension("normalize_text", "pre", 100, 0),
        extension("pii_guard", "validator", 200, 1),
        extension("openai_gpt4", "provider", 30_000, 2),
        extension("anthropic_claude", "provider", 30_000, 2),
        extension("mock_provider", "provider", 1000, 0),
        extension("mask_sensitive_data", "post", 100, 0),
        extension("acmes_own", "pre", 100, 0, allowed_tenants=[str(ACME)]),
        *(extension(f"step{number}", "pre", 10, 0) for number in range(100)),
    )
}
EXAMPLE: dict[str, Any] = {
    "version": "1.0",
    "deadline_ms": 94300,
    "sticky": "context.conversation_id",
    "pre": [{"id": "normalize_text", "mode": "required", "config": {}, "when": {}, "timeout_ms": 100, "retry": 0}],
    "validators": [{"id": "pii_guard", "on_fail": "block", "config": {}, "when": {}}],
    "providers": [{"name": "openai_gpt4", "weight": 70}, {"name": "anthropic_claude", "weight": 30}],
    "fallbacks": [{"when": {"status": ["timeout"]}, "retry": 2, "to": "mock_provider"}],
    "post": [{"id": "mask_sensitive_data", "mode": "required", "config": {"mask_patterns": ["email"]}}],
}


def refused(document: Any, customer_id: UUID | None = ACME) -> set[tuple[str, str]]:
    """Field and rule of each fault."""
    with pytest.raises(ValidationFailed) as failure:
        understood(document, KNOWN, customer_id)
    assert all(fault.description for fault in failure.value.faults)
    assert len(set(failure.value.faults)) == len(failure.value.faults), "each is named once"
    return {(fault.field, fault.rule) for fault in failure.value.faults}


def test_a_fault_of_the_older_form_is_named_once() -> None:
    assert refused({"extensions": [], "pre": "x"}) == {
        ("document.extensions", "wrong_type"),
        ("document.pre", "wrong_type"),
    }


def warnings(document: Any) -> list[str]:
    return understood(document, KNOWN, ACME)[1]


def test_the_example_of_the_contract_is_understood() -> None:
    found, warned = understood(EXAMPLE, KNOWN, ACME)

    assert found == Declared(
        pre=(Step("normalize_text", timeout_ms=100, retry=0),),
        validators=(Step("pii_guard"),),
        providers=(Provider("openai_gpt4", 70), Provider("anthropic_claude", 30)),
        fallbacks=(Fallback("mock_provider", ("timeout",), 2),),
        post=(Step("mask_sensitive_data", config={"mask_patterns": ["email"]}),),
        sticky="context.conversation_id",
        deadline_ms=94300,
    )
    assert warned == []


def test_the_deadline_is_the_sum_of_what_all_steps_may_take_and_at_most_330_seconds() -> None:
    without = understood({**EXAMPLE, "deadline_ms": None}, KNOWN, ACME)[0]
    assert deadline_ms(without, KNOWN) == 94300
    assert deadline_ms(without, KNOWN, "direct_call") == 500

    long = {"providers": [{"id": "openai_gpt4", "timeout_ms": 300_000, "retry": 5}]}
    assert deadline_ms(declared(long), KNOWN) == 330_000
    patient = {"providers": [{"id": "mock_provider", "timeout_ms": 10, "retry": 5}]}
    assert deadline_ms(declared(patient), KNOWN) == 60 + 100 + 200 + 400 + 800 + 1600


def test_the_time_of_a_fallback_is_that_of_its_target_as_the_policy_has_it() -> None:
    providers = [
        {"id": "openai_gpt4", "timeout_ms": 1000, "retry": 0},
        {"id": "mock_provider", "timeout_ms": 700, "retry": 1},
    ]
    own = declared({"providers": providers, "fallbacks": [{"to": "mock_provider"}]})
    given = declared({"providers": providers, "fallbacks": [{"to": "mock_provider", "retry": 0}]})

    assert deadline_ms(own, KNOWN) == 1500 + 1500, "the slowest is asked in 2 x 700 ms with a pause of 100"
    assert deadline_ms(given, KNOWN) == 1500 + 700


def test_a_deadline_below_the_sum_is_taken_with_a_warning() -> None:
    assert warnings({**EXAMPLE, "deadline_ms": 94_299}) == ["deadline_below_sum"]
    found, warned = understood(EXAMPLE | {"deadline_ms": None}, KNOWN, ACME, purpose="direct_call")
    assert (found.deadline_ms, warned) == (None, ["deadline_below_sum"])


def test_steps_may_stand_in_extensions_and_keep_their_modes() -> None:
    document = {"extensions": {"pre": [{"id": "normalize_text", "mode": "optional"}], "validators": [], "post": []}}
    assert declared(document) == Declared(pre=(Step("normalize_text", mode="optional"),))
    assert refused({**document, "pre": [{"id": "normalize_text"}]}) == {("document.pre", "wrong_type")}
    assert refused({"extensions": {"providers": []}}) == {("document.extensions.providers", "unknown_field")}


def test_what_is_absent_or_null_is_the_strict_choice() -> None:
    found = declared({"pre": [{"id": "a", "mode": None}], "validators": [{"id": "b", "on_fail": None}], "post": None})
    assert (found.pre[0].mode, found.validators[0].on_fail, found.post) == ("required", "block", ())


@pytest.mark.contract("router F-17")
@pytest.mark.parametrize("mode", ["requird", "Required", "", 1, True, ["required"], {}])
def test_a_misspelt_mode_or_on_fail_is_refused(mode: Any) -> None:
    assert refused({"pre": [{"id": "normalize_text", "mode": mode}]}) == {("document.pre[0].mode", "unknown_mode")}
    assert refused({"validators": [{"id": "pii_guard", "on_fail": mode}]}) == {
        ("document.validators[0].on_fail", "unknown_on_fail")
    }
    assert refused({"validators": [{"id": "pii_guard", "mode": "optional"}]}) == {
        ("document.validators[0].mode", "unknown_field")
    }


def test_what_is_unknown_of_another_type_or_unnamed_is_refused_all_at_once() -> None:
    document = {
        "pre": [{"id": "nobody"}, {"id": "pii_guard"}, {}, {"id": 5}, "normalize_text"],
        "providers": [{"name": "normalize_text"}],
        "fallbacks": [{"to": "pii_guard"}, {"to": ""}],
        "steps": [],
    }
    assert refused(document) == {
        ("document.pre[0].id", "unknown_extension"),
        ("document.pre[1].id", "wrong_type"),
        ("document.pre[2].id", "invalid_id"),
        ("document.pre[3].id", "invalid_id"),
        ("document.pre[4]", "wrong_type"),
        ("document.providers[0].name", "wrong_type"),
        ("document.fallbacks[0].to", "wrong_type"),
        ("document.fallbacks[1].to", "invalid_id"),
        ("document.steps", "unknown_field"),
    }


@pytest.mark.contract("router S-3")
def test_an_extension_that_is_not_for_the_customer_is_unknown() -> None:
    document = {"pre": [{"id": "acmes_own"}]}
    understood(document, KNOWN, ACME)
    assert refused(document, OTHER) == refused(document, None) == {("document.pre[0].id", "unknown_extension")}


@pytest.mark.contract("router F-21")
def test_weights_that_are_all_zero_are_refused() -> None:
    two = [{"id": "openai_gpt4", "weight": 0}, {"id": "mock_provider", "weight": 0.0}]
    assert refused({"providers": two}) == {("document.providers", "zero_weights")}
    assert declared({"providers": [{"id": "openai_gpt4", "weight": 0}, {"id": "mock_provider"}]}).providers[1].weight
    for weight in (-1, True, "70", 10**10):
        assert refused({"providers": [{"id": "openai_gpt4", "weight": weight}]}) == {
            ("document.providers[0].weight", "wrong_type")
        }


def test_providers_and_fallbacks_lead_to_somebody_who_has_not_failed_yet() -> None:
    twice = [{"id": "mock_provider"}, {"id": "mock_provider"}]
    assert refused({"providers": twice}) == {("document.providers[1]", "wrong_type")}
    alone = {"providers": [{"id": "mock_provider"}], "fallbacks": [{"to": "mock_provider"}]}
    assert refused(alone) == {("document.fallbacks[0].to", "wrong_type")}
    assert refused({"fallbacks": [{"to": "mock_provider"}]}) == {("document.fallbacks", "wrong_type")}
    both = {"providers": [{"id": "mock_provider"}, {"id": "openai_gpt4"}], "fallbacks": [{"to": "mock_provider"}]}
    assert declared(both).fallbacks == (Fallback("mock_provider"),)
    assert refused({"providers": [{"id": "mock_provider", "name": "mock_provider"}]}) == {
        ("document.providers[0].name", "wrong_type")
    }


@pytest.mark.parametrize("status", ["late", [], ["timeout", "late"], [1], {}, 1])
def test_a_fallback_names_causes_that_there_are(status: Any) -> None:
    fallback = {"to": "mock_provider", "when": {"status": status}}
    document = {"providers": [{"id": "openai_gpt4"}], "fallbacks": [fallback]}
    assert refused(document) == {("document.fallbacks[0].when.status", "wrong_type")}


@pytest.mark.contract("router S-7")
def test_a_policy_holds_no_secret_and_no_reference_to_one() -> None:
    for config in ({"API_key": "x"}, {"token": None}, {"any": "env:RINGBACK_SECRET_A"}, {"any": [{"x": "file:key"}]}):
        (fault,) = refused({"pre": [{"id": "normalize_text", "config": config}]})
        assert fault[0].startswith("document.pre[0].config.")
        assert fault[1] == "secret_literal"
    understood({"pre": [{"id": "normalize_text", "config": {"max_tokens": 5}}]}, KNOWN, ACME)


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("timeout_ms", 9, "timeout_out_of_range"),
        ("timeout_ms", 5001, "timeout_out_of_range"),
        ("timeout_ms", 100.0, "wrong_type"),
        ("timeout_ms", True, "wrong_type"),
        ("retry", -1, "retry_limit_exceeded"),
        ("retry", 4, "retry_limit_exceeded"),
        ("config", [], "wrong_type"),
        ("when", [], "wrong_type"),
        ("weight", 1, "unknown_field"),
    ],
)
def test_a_step_stays_within_the_bounds_of_its_type(field: str, value: Any, rule: str) -> None:
    assert refused({"post": [{"id": "mask_sensitive_data", field: value}]}) == {(f"document.post[0].{field}", rule)}


def test_providers_have_bounds_of_their_own() -> None:
    understood({"providers": [{"id": "mock_provider", "timeout_ms": 300_000, "retry": 5}]}, KNOWN, ACME)
    more = {"providers": [{"id": "mock_provider", "timeout_ms": 300_001, "retry": 6}]}
    assert {rule for _, rule in refused(more)} == {"timeout_out_of_range", "retry_limit_exceeded"}


@pytest.mark.parametrize("deadline", [0, 330_001, "1"])
def test_a_deadline_has_bounds(deadline: Any) -> None:
    ((field, _),) = refused({"deadline_ms": deadline})
    assert field == "document.deadline_ms"


def test_there_are_so_many_steps_and_no_more() -> None:
    def steps(count: int, id: str = "step") -> list[dict[str, Any]]:
        return [{"id": f"step{number}"} if id == "step" else {"id": id} for number in range(count)]

    full = {"pre": steps(5), "validators": steps(5, "pii_guard"), "post": []}
    understood(full, KNOWN, ACME)
    assert refused({**full, "post": steps(1, "mask_sensitive_data")}) == {("document", "pipeline_too_deep")}
    assert refused({"pre": steps(6)}) == {("document.pre", "too_many_pre_processors")}
    assert refused({"validators": steps(6, "pii_guard")}) == {("document.validators", "too_many_validators")}
    assert refused({"post": steps(6, "mask_sensitive_data")}) == {("document.post", "too_many_post_processors")}
    assert {rule for _, rule in refused({"pre": steps(100)})} == {
        "too_many_pre_processors", "pipeline_too_deep", "too_large",
    }  # fmt: skip
    many = [{"to": "mock_provider"}] * 4
    assert refused({"providers": [{"id": "openai_gpt4"}], "fallbacks": many}) == {("document.fallbacks", "too_large")}


def test_a_document_is_an_object_of_64_kibibytes_and_10_levels() -> None:
    assert refused([]) == {("document", "wrong_type")}
    assert refused({"pre": [{"id": "normalize_text", "config": {"x": "x" * 65536}}]}) == {("document", "too_large")}
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    assert refused({"pre": [{"id": "normalize_text", "config": {"x": deep}}]}) == {("document", "too_large")}
    assert refused({"version": "2.0"}) == {("document.version", "wrong_type")}


def test_a_condition_that_cannot_be_read_is_refused() -> None:
    def rules(when: Any) -> set[str]:
        return {rule for _, rule in refused({"validators": [{"id": "pii_guard", "when": when}]})}

    wrong: list[Any] = [
        {"==": ["a"]}, {"==": "a"}, {"in": [{"var": "x"}, []]}, {"<": [{"x": 1}, 2]}, {"a": {}}, {"a": [[]]},
    ]  # fmt: skip
    for when in wrong:
        assert rules(when) == {"wrong_type"}
    assert rules({"!==": [1, 2]}) == {"unknown_field"}
    assert rules({f"k{number}": 1 for number in range(17)}) == {"too_large"}
    assert rules("yes") == {"wrong_type"}


def test_a_validators_condition_on_what_a_client_says_is_taken_with_a_warning() -> None:
    def warned(when: Any, stage: str = "validators", id: str = "pii_guard") -> list[str]:
        return warnings({stage: [{"id": id, "when": when}]})

    asking: list[Any] = [
        {"lang": "en"},
        {"in": [{"var": "context.lang"}, ["en", "de"]]},
        {"tenant_id": "x", "vip": True},
    ]
    for when in asking:
        assert warned(when) == ["when_on_client_value"]
    assert warned({"tenant_id": ["x"], "context.policy_id": "a", "==": [{"var": "context.environment"}, "test"]}) == []
    assert warned({"lang": "en"}, "pre", "normalize_text") == []


WORDS = st.sampled_from(
    ["id", "name", "pre", "validators", "post", "providers", "fallbacks", "extensions", "when", "status", "mode", "==",
     "var", "in", "config", "weight", "retry", "to", "normalize_text", "required", "context.a", "token", "any"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text() | WORDS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(), inner, max_size=5),
    max_leaves=25,
)


@given(JSON)
@settings(max_examples=100)
def test_whatever_json_it_is_a_document_is_understood_or_refused(document: Any) -> None:
    with suppress(ValidationFailed):
        assert understood(document, KNOWN, ACME)[0].ids <= KNOWN.keys()
