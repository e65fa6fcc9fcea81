"""What is kept of a password: HA1, the digest that a registrar needs instead of it (RFC 7616 and 8760), or itself."""

from collections.abc import Mapping
from hashlib import md5, sha256
from typing import Any, Literal

import msgspec

from ringback.kit.secret import Secret

Storage = Literal["digest", "plaintext"]


class Ha1(msgspec.Struct, frozen=True, gc=False):
    """Lower-case hex of H(`username:realm:password`) by both algorithms. Never shown, never logged."""

    md5: str
    sha256: str

    def __repr__(self) -> str:
        return "Ha1([REDACTED])"


class Kept(msgspec.Struct, frozen=True, gc=False):
    """What the tables hold of one password: its digests, or in plaintext mode itself, or nothing where there is none.

    Each row says for itself which it is, so that a change from one mode to the other may stop half-way.
    """

    ha1: Ha1 | None = None
    password: Secret | None = None

    @classmethod
    def of(cls, username: str, realm: str, password: Secret, storage: Storage) -> "Kept":
        return cls(password=password) if storage == "plaintext" else cls(ha1(username, realm, password))

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Kept":
        digests = Ha1(row["ha1"], row["ha1_sha256"]) if row["ha1"] and row["ha1_sha256"] else None
        return cls(digests, None if row["password"] is None else Secret(row["password"]))

    def renewed(self, username: str, realm: str, password: Secret, storage: Storage) -> "Kept":
        """What is kept when the password is to be this one: the same, where it is this one already."""
        same = self.password == password if self.password else self.ha1 == ha1(username, realm, password)
        return self if same else Kept.of(username, realm, password, storage)

    def digested(self, username: str, realm: str) -> "Kept":
        """The same without the clear password. Of an empty one nothing stays: its digest would let anybody in."""
        if self.password is None:
            return self
        return Kept(ha1(username, realm, self.password)) if self.password.reveal() else Kept()

    def columns(self) -> dict[str, str | None]:
        """The three columns of our own tables. Without a clear password that one is NULL: '' would be an empty one."""
        return {
            "password": self.password.reveal() if self.password else None,
            "ha1": self.ha1.md5 if self.ha1 else None,
            "ha1_sha256": self.ha1.sha256 if self.ha1 else None,
        }


def ha1(username: str, realm: str, password: Secret) -> Ha1:
    text = f"{username}:{realm}:{password.reveal()}".encode()
    return Ha1(md5(text, usedforsecurity=False).hexdigest(), sha256(text).hexdigest())
