"""The worker mask_sensitive_data: words as `[EMAIL_MASKED]` in place of what identifies people."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from ringback.router import pii
from ringback.router.workers.model import understood
from ringback.router.workers.texts import require_few, with_text


class Config(msgspec.Struct, frozen=True):
    mask_patterns: list[pii.Pattern] = msgspec.field(default_factory=lambda: ["email", "phone"])


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    config = understood(Config, request, "config")
    require_few(request)
    return with_text(request, partial(pii.masked, patterns=config.mask_patterns))
