"""What goes wrong at a Redis: it is away, or it says no."""

import ssl
from collections.abc import Iterator
from typing import Final

from redis.exceptions import AuthenticationError, InvalidResponse, NoPermissionError

from ringback.transports.redis.address import SETTING, Address

UNWANTED: Final = ("no password is set", "without any password configured")


class Away(Exception):
    """There is no answer, and nobody need be told."""


class Refused(Away):
    """It says no, and will go on saying it until somebody changes something: `setting` leads there.

    No secret is in the text.
    """

    def __init__(self, setting: str, why: str) -> None:
        super().__init__(f"{setting}: {why}")
        self.setting = setting
        self.why = why


def of(error: Exception, address: Address) -> Away:
    """Why something that was asked of the Redis at that address was not done."""
    for cause in _causes(error):
        words = str(cause)
        if isinstance(cause, AuthenticationError):
            return Refused(address.password_setting, _of_password(words, address))
        if "DB index is out of range" in words or "SELECT is not allowed in cluster mode" in words:
            return Refused(address.database_setting, f"Redis has no database {address.database}")
        if isinstance(cause, NoPermissionError):
            return Refused(SETTING, "the user may not do in Redis what we do there")
        if words.startswith("DENIED "):
            return Refused(
                SETTING, "Redis is in protected mode: it serves its own machine alone until it has a password"
            )
        if isinstance(cause, InvalidResponse):
            return Refused(SETTING, "whoever answers there is no Redis")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Refused(SETTING, f"the certificate of Redis is not trusted: {cause.verify_message}")
        if isinstance(cause, FileNotFoundError | PermissionError) and address.files:
            return Refused(SETTING, f"a file of TLS cannot be read: {(cause.strerror or '').lower()}")
    return Away(told(error))


def _of_password(words: str, address: Address) -> str:
    if any(unwanted in words for unwanted in UNWANTED):
        return "Redis has no password, and lets nobody in who gives one"
    if not address.password.reveal() and not address.user:
        return "Redis wants a password, and there is none"
    return "Redis does not know the user, or the password is another"


def told(error: Exception) -> str:
    """The kind of an error, and the code that a server's own complaint begins with."""
    first = str(error).partition(" ")[0]
    kind = type(error).__name__
    return f"{kind}: {first}" if first.isalpha() and first.isupper() else kind


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it, the cause last."""
    while error:
        yield error
        error = error.__cause__ or error.__context__
