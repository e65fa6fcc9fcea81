"""Passwords of people as argon2id hashes, computed beside the event loop and few at a time."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ringback.kit.errors import PeerUnavailable, ResourceExhausted
from ringback.kit.gate import Gate
from ringback.kit.secret import Secret

T = TypeVar("T")

HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
"""As OWASP asks for at least: 19 MiB and two passes."""
PLACES: Final = 2
MOST: Final = 32
"""How many may wait for a place, or have one."""
NOBODYS: Final = "$argon2id$v=19$m=19456,t=2,p=1$6cNBNQGejcH69lVkInCzvg$e6xRzvXI/PCttonmDY/6w+RZjHRCTKHQfdJyWpcVX/s"
"""What an unknown person's password is compared with, so that it takes as long. No password fits it."""


class Busy(ResourceExhausted):
    """Too many people are signing in at this moment."""

    reason = "SIGN_IN_BUSY"


class Passwords:
    """Makes hashes and compares with them."""

    def __init__(self) -> None:
        self._gate = Gate(PLACES, most=MOST)

    async def new(self, given: Secret | None) -> tuple[Secret, str]:
        """The password, which is made where none is given, and its hash."""
        password = given or Secret.generate()
        return password, await self._apart(lambda: HASHER.hash(_spelt(password)))

    async def fits(self, hash: str, password: Secret) -> bool:
        """Whether the hash is of that password."""
        return await self._apart(lambda: _fits(hash, password))

    async def _apart(self, work: Callable[[], T]) -> T:
        try:
            async with self._gate:
                return await asyncio.to_thread(work)
        except PeerUnavailable:
            raise Busy.after(1) from None


def _fits(hash: str, password: Secret) -> bool:
    try:
        return HASHER.verify(hash, _spelt(password))
    except (VerificationError, InvalidHashError):
        return False


def _spelt(password: Secret) -> bytes:
    """In the one spelling of its characters, whatever keyboard they came from."""
    return normalize("NFC", password.reveal()).encode("utf-8", "surrogatepass")
