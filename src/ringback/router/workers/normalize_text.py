"""The worker normalize_text: lower case, no white space around, and what else its config asks for."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from ringback.router.workers.model import understood
from ringback.router.workers.texts import require_few, with_text

SPACE: Final = re.compile(r"\s+")


class Config(msgspec.Struct, frozen=True):
    lowercase: bool = True
    trim_whitespace: bool = True
    collapse_whitespace: bool = False
    """Any white space becomes one space."""
    unicode_form: Literal["NFC", "NFD", "NFKC", "NFKD"] | None = None


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    config = understood(Config, request, "config")
    if config.unicode_form:  # of one character it may make eighteen
        require_few(request)

    def normal(text: str) -> str:
        text = unicodedata.normalize(config.unicode_form, text) if config.unicode_form else text
        text = text.lower() if config.lowercase else text
        text = SPACE.sub(" ", text) if config.collapse_whitespace else text
        return text.strip() if config.trim_whitespace else text

    return with_text(request, normal)
