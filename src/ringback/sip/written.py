"""What a SIP server's folder was written with: a comment in one of its files, by which all can be written again."""

from dataclasses import fields
from typing import Any, Final, TypeVar, get_type_hints

import msgspec

from ringback.kit.secret import Secret

MARK: Final = "; Written with these in place of the usual options, for 'ringback doctor': "
KNOWN: Final = ("database", "directs", "domain_name_extension", "domain_name_sip")
"""Options that the settings say."""
Options = TypeVar("Options")


def mark(options: Any) -> str:
    """The line; no secret is in it."""
    usual = _said(type(options)(options.database))
    return (
        MARK + msgspec.json.encode({name: one for name, one in _said(options).items() if one != usual[name]}).decode()
    )


def marked(text: str, known: Options) -> Options | None:
    """Those of the line in that text; databases and domains are those of `known`. `None` where it says nothing."""
    kind: Any = type(known)
    hints = get_type_hints(kind)
    line = next((line for line in text.splitlines() if line.startswith(MARK)), "")
    try:
        said = msgspec.json.decode(line.removeprefix(MARK), type=dict[str, Any])
        values = {name: msgspec.convert(one, hints[name], dec_hook=_empty) for name, one in said.items()}
        found: Options = kind(**{name: getattr(known, name) for name in KNOWN}, **values)
    except (msgspec.MsgspecError, UnicodeError, KeyError, TypeError):
        return None
    return found


def _said(options: Any) -> dict[str, Any]:
    plain = msgspec.to_builtins(options, enc_hook=lambda value: "")
    return {field.name: plain[field.name] for field in fields(options) if field.name not in KNOWN}


def _empty(kind: type, value: object) -> Any:
    """A secret that somebody else must say."""
    return Secret("")
