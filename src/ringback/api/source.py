"""Where a request comes from: the other end of its connection, or whom proxies that we trust name."""

from collections.abc import Sequence

from starlette.requests import HTTPConnection

from ringback.kit.networks import is_within


def source_of(request: HTTPConnection, proxies: Sequence[str]) -> str:
    """The address of the client; what `X-Forwarded-For` says counts as far as `proxies` have said it.

    Each proxy adds the address that it was asked from, so the last one that is no proxy of ours is the client.
    """
    address = request.client.host if request.client else ""
    said = [part.strip() for line in request.headers.getlist("x-forwarded-for") for part in line.split(",")]
    while said and is_within(address, proxies):
        address = said.pop()
    return address
