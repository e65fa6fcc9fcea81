"""The worker pii_guard: refuses a text that identifies people; it names the pattern and how often, never the match."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from ringback.router import pii
from ringback.router.workers.model import understood
from ringback.router.workers.texts import require_few, strings, text_of


class Config(msgspec.Struct, frozen=True):
    patterns: list[pii.Pattern] = msgspec.field(default_factory=lambda: ["credit_card", "ssn", "email"])
    block_on_match: bool = True
    """Whether it refuses; else it only reports."""


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Of several patterns the first one of the config is named."""
    config = understood(Config, request, "config")
    require_few(request)
    texts = strings(text_of(request))
    found = Counter(place.pattern for text in texts for place in pii.places(text, config.patterns))
    pattern = next((one for one in config.patterns if found[one]), None)
    if pattern is None:
        return {"status": "ok"}
    details = {"field": "payload", "pattern": pattern, "count": found[pattern]}
    if not config.block_on_match:
        return {"status": "ok", "details": details}
    return {"status": "reject", "reason": "pii_detected", "details": details}
