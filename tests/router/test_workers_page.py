"""The page about workers says what is true: its replies are read as they stand, its workers and codes are ours."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from ringback.kit.bus import Letter
from ringback.router.invoking.outcome import Refused
from ringback.router.pipelines import replies
from ringback.router.workers import (
    anthropic_claude,
    mask_sensitive_data,
    mock_provider,
    normalize_text,
    pii_guard,
    prompts,
    serving,
    vendor,
)

PAGE: Final = (Path(__file__).parents[2] / "docs" / "workers.md").read_text()
READERS: Final[dict[str, Callable[[Letter], Any]]] = {
    "pre": replies.processed,
    "post": replies.processed_reply,
    "validator": replies.verdict,
    "provider": replies.said,
}


def examples(kind: str) -> list[str]:
    found = re.findall(rf"```json {kind}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found


@pytest.mark.parametrize("kind", READERS)
def test_each_reply_of_the_page_is_read(kind: str) -> None:
    for example in examples(kind):
        assert READERS[kind](Letter(example.encode()))


def test_each_failure_of_the_page_is_one_of_any_type() -> None:
    for example in examples("failure"):
        document = json.loads(example)
        for reader in READERS.values():
            with pytest.raises(Refused) as refused:
                reader(Letter(example.encode()))
            assert refused.value.code == document.get("error_code", document.get("error", {}).get("code"))


def test_the_page_has_each_worker_with_its_subject_and_all_that_its_config_may_hold() -> None:
    configs: dict[str, list[type[msgspec.Struct]]] = {
        "normalize_text": [normalize_text.Config],
        "pii_guard": [pii_guard.Config],
        "mask_sensitive_data": [mask_sensitive_data.Config],
        "mock_provider": [mock_provider.Config],
        "openai_gpt4": [prompts.Parameters, vendor.Config],
    }
    for id, (kind, subject) in serving.PLACES.items():
        (row,) = re.findall(rf"^\| `{id}` \({kind}\) \| `{re.escape(subject)}` \| (.*) \|$", PAGE, re.MULTILINE)
        for shape in configs.get(id, []):
            assert all(f"`{name}`" in row for name in shape.__struct_fields__), row
    assert anthropic_claude.MAX_TOKENS == 4096


def test_the_page_names_every_code_of_a_vendors_failure() -> None:
    codes = {*vendor.CODES.values(), "unreachable", "redirected", "error", "malformed", "unavailable", "too_large"}

    assert all(f"`{code}`" in PAGE for code in codes)
