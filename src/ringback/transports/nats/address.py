"""Where NATS is and who we are there: servers, user or credentials, TLS."""

import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from ringback.kit.errors import CannotStart
from ringback.kit.secret import Secret

FORM: Final = "must be nats://host:port or tls://host:port, several with commas, without a user"
PORT: Final = 4222


@dataclass(frozen=True, slots=True)
class Server:
    """One of the servers of a cluster; each of them will do."""

    host: str
    port: int
    is_tls: bool

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether what we say to it stays on this machine."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False


def servers_in(text: str) -> tuple[Server, ...]:
    """The servers of a comma list; `ValueError` says what is wrong, without a word of the text."""
    return tuple(_server(word.strip()) for word in text.split(","))


def _server(text: str) -> Server:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(FORM) from None
    has_more = "@" in url.netloc or url.path.strip("/") or url.query or url.fragment
    if url.scheme not in ("nats", "tls") or not url.hostname or has_more:
        raise ValueError(FORM)
    return Server(url.hostname, port or PORT, url.scheme == "tls")


@dataclass(frozen=True, slots=True)
class Address:
    """Servers, and who we are there: a user with a password, a file of credentials (JWT and seed), or nobody.

    Printed, it shows the servers alone. With TLS, `ca` is whom we trust (none: whom the machine trusts), `cert` and
    `key` are our own.
    """

    servers: tuple[Server, ...]
    user: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
    credentials: Path | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @classmethod
    def parse(cls, text: str, **more: object) -> Self:
        """`ValueError` says what is wrong, without a word of the text; `more` are the other fields."""
        return cls(servers_in(text), **more)  # type: ignore[arg-type]

    @property
    def is_tls(self) -> bool:
        return bool(self.ca or self.cert) or any(server.is_tls for server in self.servers)

    @property
    def is_exposed(self) -> bool:
        """Whether others on the network may read what we say."""
        return not self.is_tls and not all(server.is_loopback for server in self.servers)

    def __str__(self) -> str:
        return ",".join(map(str, self.servers))

    def __repr__(self) -> str:
        return f"Address({self})"

    def context(self) -> ssl.SSLContext | None:
        """What TLS needs, where we want it; `CannotStart` names the setting of a file that is none."""
        if not self.is_tls:
            return None
        context = ssl.create_default_context()
        try:
            if self.ca:
                context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise CannotStart(f"nats_tls_ca: {_fault(error)}") from None
        try:
            if self.cert:
                context.load_cert_chain(self.cert, self.key)
        except OSError as error:
            raise CannotStart(f"nats_tls_cert, nats_tls_key: {_fault(error)}") from None
        return context

    def require_credentials(self) -> None:
        """`CannotStart` unless the file of credentials can be read and looks like one."""
        if self.credentials is None:
            return
        try:
            text = self.credentials.read_text(errors="replace")
        except OSError as error:
            raise CannotStart(f"nats_credentials_file: {_fault(error)}") from None
        if not all(f"-----BEGIN {part}-----" in text for part in ("NATS USER JWT", "USER NKEY SEED")):
            raise CannotStart("nats_credentials_file: holds no JWT and seed of a NATS user")


def _fault(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "is no certificate, or not that of the key"
    return f"cannot be read: {(error.strerror or 'it is none').lower()}"
