"""Text that cannot be printed by accident."""

import secrets
import string
from typing import Final

import msgspec

LETTERS: Final = string.ascii_letters + string.digits


class Secret:
    """A clear password or key. `str()`, `repr()` and logs show `[REDACTED]`; only `reveal()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def generate(cls, length: int = 24) -> "Secret":
        """A new password of `length` letters and digits from the system's own randomness."""
        return cls("".join(secrets.choice(LETTERS) for _ in range(length)))

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


class Discreet(msgspec.Struct, frozen=True):
    """An answer that may hold a clear password, the one time it is shown; printed or logged it shows none."""

    def __repr__(self) -> str:
        fields = msgspec.structs.asdict(self)
        if fields.get("password"):
            fields["password"] = "[REDACTED]"  # noqa: S105
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"
