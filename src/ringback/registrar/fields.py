"""Fields that extensions and trunks have in common, and their rules (registrar 6)."""

import re
from collections.abc import Callable
from re import Pattern
from typing import Annotated, Final

from ringback.kit.reading import rule
from ringback.kit.secret import Secret

PASSWORD: Final = re.compile(r"[!-:<-\]_-~]{8,80}")
"""Printable ASCII without space; `;` and `^` are escapes to Asterisk's realtime."""
TEXT: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,255}")


def whole(pattern: Pattern[str]) -> Callable[[str], bool]:
    """Whether a text is of that pattern from its first to its last character."""
    return lambda text: pattern.fullmatch(text) is not None


Text = Annotated[
    str,
    rule(
        "at most 255 characters, no control characters",
        whole(TEXT),
        maxLength=255,
        pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$",
    ),
]
Password = Annotated[
    Secret,
    rule(
        "8 to 80 printable ASCII characters without space, ; and ^",
        lambda secret: PASSWORD.fullmatch(secret.reveal()) is not None,
        pattern=r"^[!-:<-\]_-~]{8,80}$",
        writeOnly=True,
    ),
]
