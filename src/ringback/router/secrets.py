"""What must not be seen in a document: credentials by their names, and references to them (router S-4, S-7, S-8)."""

import re
from collections.abc import Mapping
from typing import Any, Final

CREDENTIALS: Final = frozenset(
    (
        "password", "passwd", "pwd", "passphrase", "secret", "client_secret", "secret_key", "secret_access_key",
        "private_key", "api_key", "x_api_key", "token", "access_token", "refresh_token", "id_token", "auth_token",
        "session_token", "x_auth_token", "jwt", "bearer", "authorization", "x_authorization", "proxy_authorization",
        "cookie", "set_cookie",
    )
)  # fmt: skip
"""Whole names, however they are spelt: `apiKey` and `API-KEY` are the same, and `max_tokens` is none of them."""
WHOLE: Final = frozenset(name.replace("_", "") for name in CREDENTIALS)
REDACTED: Final = "[REDACTED]"
NAMES: Final = "|".join(name.replace("_", "[_-]?") for name in sorted(CREDENTIALS, reverse=True))
SAID: Final = re.compile(
    rf"""(?<![A-Za-z\d])(?P<name>(?:(?P<line>(?:x-|proxy-)?authorization|(?:set-)?cookie)|{NAMES})(?![\w-])"""
    r"""[\\"']{0,4}\s{0,4}[=:>]{1,3}\s{0,4}|bearer\s{1,4})"""
    r"""(?(line)[^\n]*+|(?:bearer\s{1,4})?+(?:"(?:[^"\\]|\\.)*+"?|'(?:[^'\\]|\\.)*+'?|\S++))""",
    re.IGNORECASE | re.DOTALL,
)
"""A credential in a sentence: its name, which may end a longer one, and what it is said to be, or what is after Bearer;
of Authorization and Cookie it is the line."""
REFERENCE: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,254}|file:[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")


def is_credential(name: str) -> bool:
    return name.lower().replace("_", "").replace("-", "") in WHOLE


def is_reference(value: object) -> bool:
    """Whether it names a secret of the worker's process instead of being one."""
    return isinstance(value, str) and REFERENCE.fullmatch(value) is not None


def redacted(document: Any) -> Any:
    """A copy in which every credential, at any depth, is `[REDACTED]`."""
    if isinstance(document, Mapping):
        return {name: REDACTED if is_credential(name) else redacted(value) for name, value in document.items()}
    return [redacted(value) for value in document] if isinstance(document, list | tuple) else document


def discreet(document: Any) -> Any:
    """The same without credentials, at any depth."""
    if isinstance(document, str):
        return document
    if isinstance(document, Mapping):
        return {name: discreet(value) for name, value in document.items() if not is_credential(name)}
    return [discreet(value) for value in document] if isinstance(document, list) else document


def silenced(sentence: str) -> str:
    """The same with `[REDACTED]` for what the name of a credential is said to be, as `token=…`."""
    return SAID.sub(rf"\g<name>{REDACTED}", sentence)


def restored(asked: Any, before: Any) -> Any:
    """What was asked for, with the value from before where somebody wrote back `[REDACTED]` (S-8)."""
    if isinstance(asked, Mapping):
        known = before if isinstance(before, Mapping) else {}
        return {
            name: known[name]
            if is_credential(name) and value == REDACTED and name in known
            else restored(value, known.get(name))
            for name, value in asked.items()
        }
    if isinstance(asked, list) and isinstance(before, list):
        return [restored(value, before[place] if place < len(before) else None) for place, value in enumerate(asked)]
    return asked
