"""Where a Redis is: `host:port` or a URL, read with care, since it may hold a password."""

import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from ringback.kit.secret import Secret

SETTING: Final = "redis_address"
FORM: Final = "must be host:port, or redis://user:password@host:port/database, or the same with rediss for TLS"
PORT: Final = 6379
LARGEST_PORT: Final = 65535
FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""Options of a URL: whom we trust (none: whom the machine trusts), our own certificate and its key."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server, the number of a database, and who we are there; printed without the password.

    Password and database have stood in `password_setting` and `database_setting`, or were to stand there.
    """

    host: str
    port: int
    user: str
    password: Secret
    database: int
    is_tls: bool = False
    files: tuple[tuple[str, str], ...] = ()
    password_setting: str = "redis_password"  # noqa: S105
    database_setting: str = "redis_database"

    @classmethod
    def parse(cls, text: str, password: str = "", database: int = 0) -> Self:
        """What the text does not say is taken from the other two. `ValueError` repeats no word of the text."""
        url, port = _split(text if "://" in text else f"redis://{text}")
        if "://" not in text and (url.username is not None or url.path or url.query or port is None):
            raise ValueError(FORM)
        options = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        if options.keys() - {*FILES}:
            raise ValueError(f"knows no options but {', '.join(FILES)}")
        if url.scheme == "redis" and options:
            raise ValueError("has files of TLS without TLS: begin with rediss")
        number = url.path.strip("/")
        return cls(
            host=url.hostname or "localhost",
            port=port or PORT,
            user=unquote(url.username or ""),
            password=Secret(unquote(url.password or "") or password),
            database=int(number) if number else database,
            is_tls=url.scheme == "rediss",
            files=tuple(options.items()),
            password_setting=SETTING if url.password else "redis_password",
            database_setting=SETTING if number else "redis_database",
        )


def _split(text: str) -> tuple[SplitResult, int | None]:
    """The parts, and the port."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:  # its own words may hold the password
        raise ValueError(FORM) from None
    is_written_well = re.fullmatch(r"[\x21-\x7e]+", text) and "#" not in text and text.count("@") < 2
    if url.scheme not in ("redis", "rediss") or not is_written_well or not re.fullmatch(r"/?[0-9]{0,5}", url.path):
        raise ValueError(FORM)
    return url, port
