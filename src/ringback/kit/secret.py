"""Text that cannot be printed by accident."""

import secrets
import string
from typing import ClassVar, Final, Self

import msgspec

LETTERS: Final = string.ascii_letters + string.digits
SHOWN_ONCE: Final = ("password", "key", "access_token", "refresh_token")
"""Fields of an answer that nobody is shown twice, unless it says otherwise."""


class Secret:
    """A clear password or key. `str()`, `repr()` and logs show `[REDACTED]`; only `reveal()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def generate(cls) -> "Secret":
        """A new password of 24 letters and digits from the system's own randomness."""
        return cls("".join(secrets.choice(LETTERS) for _ in range(24)))

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "[REDACTED]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and secrets.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret cannot be pickled")


class Discreet(msgspec.Struct, frozen=True, gc=False):
    """An answer that may hold what is shown once; printed or logged it shows none of it."""

    shown_once: ClassVar[tuple[str, ...]] = SHOWN_ONCE

    def __repr__(self) -> str:
        fields = msgspec.structs.asdict(self)
        fields |= {name: "[REDACTED]" for name in self.shown_once if fields.get(name)}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"

    def without_secrets(self) -> Self:
        """The same as everybody may see it."""
        empty = {name: "" for name in self.shown_once if getattr(self, name, "") != ""}
        return msgspec.structs.replace(self, **empty) if empty else self
