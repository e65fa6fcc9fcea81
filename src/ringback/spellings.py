"""How the value of a setting may be spelt: the types of the settings."""

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from ringback.kit.dsn import parse_dsn
from ringback.kit.networks import is_network
from ringback.sip.ami import addresses_in
from ringback.sip.names import fits, is_domain
from ringback.sip.tables import endpoint_columns
from ringback.transports.nats.address import servers_in


def _domain(text: str) -> str:
    if not is_domain(text):
        raise ValueError("must be a domain name of RFC 1123 labels, at most 253 characters")
    return text.lower()


def _columns(text: str) -> str:
    endpoint_columns(text)
    return text


def _short_domain(text: str) -> str:
    if not fits(_domain(text)):
        raise ValueError("is too long: <number>@<label>.<domain> must stay within 219 characters")
    return text.lower()


def _dsn(text: SecretStr) -> SecretStr:
    parse_dsn(text.get_secret_value())
    return text


def _address(text: str) -> str:
    host_and_port(text)
    return text


def _address_or_none(text: str) -> str:
    return text and _address(text)


def _redis(text: SecretStr) -> SecretStr:
    address = text.get_secret_value()
    if address and "://" not in address:
        host_and_port(address)
    elif address and not re.match(r"rediss?://\S+$", address):
        raise ValueError("must be host:port, redis://… or rediss://…")
    return text


def _amqp(text: SecretStr) -> SecretStr:
    if not re.match(r"amqps?://\S+$", text.get_secret_value()):
        raise ValueError("must be amqp://user:password@host:port/vhost")
    return text


def _ami(text: SecretStr) -> SecretStr:
    addresses_in(text.get_secret_value())
    return text


def _nats(text: str) -> str:
    if text:
        servers_in(text)
    return text


def _services(text: str) -> str:
    if unknown := set(names_in(text)) - {"all", *SERVICES}:
        raise ValueError(f"there is no {', '.join(sorted(unknown))}; must be all, or some of {', '.join(SERVICES)}")
    return text


def names_in(text: str) -> list[str]:
    """The words of a comma list."""
    return [word.strip() for word in text.split(",")]


def _networks(text: str) -> str:
    if wrong := [word for word in networks_in(text) if not is_network(word)]:
        raise ValueError(f"must be IP addresses and CIDRs with commas, which {wrong[0]!r} is not")
    return text


def networks_in(text: str) -> list[str]:
    """The networks of a comma list, which may be empty."""
    return names_in(text) if text else []


def _public_url(text: str) -> str:
    if text and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[\w./~-]*)?", text, re.ASCII):
        raise ValueError("must be http://host or https://host, with a port and a path if there are")
    return text.rstrip("/")


def _base_url(text: str) -> str:
    """Plain text to this machine alone (router S-6)."""
    url = urlsplit(text)
    if url.scheme == "http" and url.hostname in ("127.0.0.1", "::1", "localhost"):
        return text.rstrip("/")
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[\w./~-]*)?", text, re.ASCII):
        raise ValueError("must be https://host, with a port and a path if there are, or http:// to this machine")
    return text.rstrip("/")


def _env_names(text: str) -> str:
    if wrong := [word for word in networks_in(text) if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*\*?", word)]:
        raise ValueError(f"must be names of environment variables with commas, which {wrong[0]!r} is not")
    return text


def _path(text: str) -> str:
    if not re.fullmatch(r"/[\w/.-]*", text):
        raise ValueError("must be a path that begins with /")
    return text


def host_and_port(text: str) -> tuple[str, int]:
    """`127.0.0.1:8080`, `[::1]:8080`; `:8080` is every address. `ValueError` otherwise."""
    host, colon, port = text.rpartition(":")
    is_number = port.isascii() and port.isdigit()
    if not colon or not is_number or int(port) > 65535 or (":" in host and not host.startswith("[")):
        raise ValueError("must be host:port")
    return host.strip("[]") or "0.0.0.0", int(port)


BaseDomain = Annotated[str, AfterValidator(_short_domain)]
Domain = Annotated[str, AfterValidator(lambda text: text and _domain(text))]
EndpointColumns = Annotated[str, AfterValidator(_columns)]
Dsn = Annotated[SecretStr, AfterValidator(_dsn)]
Address = Annotated[str, AfterValidator(_address)]
AddressOrNone = Annotated[str, AfterValidator(_address_or_none)]


def url_at(address: str, scheme: str) -> str:
    """`127.0.0.1:8080` as `http://127.0.0.1:8080`; nothing for no address, or for all of them."""
    everywhere = not address or host_and_port(address)[0] in ("0.0.0.0", "::")
    return "" if everywhere else f"{scheme}://{address}"


PublicUrl = Annotated[str, AfterValidator(_public_url)]
Transport = Literal["udp", "tcp", "tls"]
HttpPath = Annotated[str, AfterValidator(_path)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
EnvNames = Annotated[str, AfterValidator(_env_names)]
Amqp = Annotated[SecretStr, AfterValidator(_amqp)]
Redis = Annotated[SecretStr, AfterValidator(_redis)]
Ami = Annotated[SecretStr, AfterValidator(_ami)]
Nats = Annotated[str, AfterValidator(_nats)]
Services = Annotated[str, AfterValidator(_services)]
Networks = Annotated[str, AfterValidator(_networks)]
AmqpName = Annotated[str, Field(min_length=1, max_length=255)]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=0)]

SERVICES: Final = ("registrar-manager", "customer-manager", "router-manager", "call-manager", "api-manager")
"""What one process may run."""
