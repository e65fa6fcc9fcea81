"""What must be read nowhere: values planted in requests, replies and errors are looked for in all that is told."""

from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from tests.api.planted import CARD, FINE, MAIL, PII, SPOKEN, SSN, SUBJECTS, WORDS, Plant

pytestmark = pytest.mark.sqlite

TOLD: Final = {"error": {"code": f"E {MAIL}", "message": f"it is {SPOKEN}, and that is {MAIL} again"}}
REJECT: Final = {
    "status": "reject",
    "reason": f"{MAIL} was found",
    "details": {
        "field": "payload", "pattern": f"email {MAIL}", "count": 2, "code": MAIL, "match": f"plantedmatch {CARD}",
        "rule": {"deep": f"plantedmatch {SSN}"},
    },
}  # fmt: skip
FAILURES: Final = [
    *[(type, TOLD) for type in SUBJECTS],
    ("provider", {"provider_id": "x", "status": "error", "error_code": MAIL, "error_message": SPOKEN}),
    ("validator", REJECT),
    ("validator", {"valid": False, "reason": SPOKEN, "details": [SPOKEN]}),
    ("validator", {"status": f"plantedreply {MAIL}"}),
    *[(type, {"payload": f"plantedreply {SPOKEN}", "metadata": f"plantedreply {CARD}"}) for type in ("pre", "post")],
    *[(type, [f"plantedreply {SPOKEN}"]) for type in SUBJECTS],
    ("provider", {"output": {"plantedreply": MAIL}, "usage": f"plantedreply {CARD}"}),
]
"""What an extension of that type answers so that the run fails."""


def found(text: str, wanted: set[str]) -> list[str]:
    return [one for one in sorted(wanted) if one in text]


@pytest.mark.contract("router F-24, S-4")
async def test_what_goes_through_a_pipeline_is_told_to_nobody_but_who_asked(plant: Plant) -> None:
    with capture_logs() as lines:
        answer = await plant.ask()
        dry = await plant.ask("dry_run", provider="real")

    assert (answer.status_code, dry.status_code) == (200, 200), (answer.text, dry.text)
    assert answer.json()["reply"]["output"] == FINE["provider"]["output"]
    assert found(await plant.told(lines), PII | WORDS) == []
    assert found(answer.text, {"plantedcontext", "plantedtoken"}) == []


@pytest.mark.contract("router F-24, S-4, S-5")
@pytest.mark.parametrize(
    ("type", "reply"), FAILURES, ids=[f"{type} {number}" for number, (type, _) in enumerate(FAILURES)]
)
async def test_what_a_run_fails_by_is_told_without_a_word_of_it(plant: Plant, type: str, reply: Any) -> None:
    plant.answer(type, reply)

    with capture_logs() as lines:
        answer = await plant.ask()

    assert answer.status_code in (403, 500), answer.text
    assert answer.json()["error"]["run"]["extension_id"] == f"planted_{type}"
    assert found(answer.text, PII | WORDS) == []
    assert found(await plant.told(lines), PII | WORDS) == []
    assert not any("exc_info" in line or "exception" in line for line in lines)


@pytest.mark.contract("router S-5")
async def test_of_the_details_of_a_validator_identifiers_and_numbers_alone_are_passed_on(plant: Plant) -> None:
    plant.answer("validator", REJECT | {"reason": "pii_detected"})

    answer = await plant.ask()

    error = answer.json()["error"]
    assert (answer.status_code, error["reason"], error["run"]["cause"]) == (403, "VALIDATOR_BLOCKED", "pii_detected")
    assert found(answer.text, PII | WORDS) == []
    assert [(detail["field"], detail["description"]) for detail in error["details"]] == [
        ("field", "payload"),
        ("count", "2"),
    ]
