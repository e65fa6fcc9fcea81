"""HA1, the digest that a registrar keeps instead of a password (RFC 7616 and 8760)."""

from dataclasses import dataclass
from hashlib import md5, sha256

from ringback.kit.secret import Secret


@dataclass(frozen=True, slots=True)
class Ha1:
    """Lower-case hex of H(`username:realm:password`) by both algorithms. Never shown, never logged."""

    md5: str
    sha256: str

    def __repr__(self) -> str:
        return "Ha1([REDACTED])"


def ha1(username: str, realm: str, password: Secret) -> Ha1:
    text = f"{username}:{realm}:{password.reveal()}".encode()
    return Ha1(md5(text, usedforsecurity=False).hexdigest(), sha256(text).hexdigest())
