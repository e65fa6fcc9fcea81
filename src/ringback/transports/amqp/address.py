"""Where a broker is: an AMQP URL, read with care, since it holds a password."""

from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from ringback.kit.secret import Secret

FORM: Final = "must be amqp://user:password@host:port/vhost, with / in user or password as %2F"
PORTS: Final = {"amqp": 5672, "amqps": 5671}
HEARTBEAT: Final = 5
"""Seconds of silence after which a side begins to doubt the other."""
WITHOUT_EFFECT: Final = ("connection_timeout", "channel_max", "frame_max", "auth_mechanism")
"""Options that other clients know, and that we decide ourselves."""


@dataclass(frozen=True, slots=True)
class Address:
    """A broker, a virtual host, and who we are there; printed without user and password.

    The files are those of TLS: whom we trust (none: whom the machine trusts), our own certificate and its key.
    """

    host: str
    port: int
    user: str
    password: Secret
    vhost: str
    is_tls: bool = False
    heartbeat: int = HEARTBEAT
    cacertfile: str = ""
    certfile: str = ""
    keyfile: str = ""
    server_name_indication: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`ValueError` says what is wrong, without a word of the text."""
        url, port = _split(text)
        options = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        for name in WITHOUT_EFFECT:
            options.pop(name, None)
        files = {name: options.pop(name, "") for name in ("cacertfile", "certfile", "keyfile")}
        name = options.pop("server_name_indication", "")
        heartbeat = options.pop("heartbeat", str(HEARTBEAT))
        if options:
            raise ValueError("knows no options but heartbeat, cacertfile, certfile, keyfile, server_name_indication")
        if not (heartbeat.isascii() and heartbeat.isdigit() and 1 <= int(heartbeat[:6]) <= 600):
            raise ValueError("heartbeat must be 1 to 600 seconds")
        if bool(files["certfile"]) != bool(files["keyfile"]):
            raise ValueError("certfile and keyfile: give both or neither")
        return cls(
            host=url.hostname or "localhost",
            port=port or PORTS[url.scheme],
            user=unquote(url.username or "guest"),
            password=Secret(unquote("guest" if url.password is None else url.password)),
            vhost=unquote(url.path[1:]) or "/",
            is_tls=url.scheme == "amqps",
            heartbeat=int(heartbeat),
            server_name_indication=name,
            **files,
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}{'' if self.vhost == '/' else f' ({self.vhost})'}"

    def __repr__(self) -> str:
        return f"Address({self})"


def _split(text: str) -> tuple[SplitResult, int | None]:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(FORM) from None
    is_url = url.scheme in PORTS and text[len(url.scheme) :].startswith("://")
    if not is_url or url.fragment or "/" in url.path[1:] or "@" in url.path:
        raise ValueError(FORM)
    return url, port
