"""Where a request comes from: the other end of its connection, or whom proxies that we trust name."""

from collections.abc import Sequence

from ringback.api.request import Heard
from ringback.kit.networks import is_within


def source_of(request: Heard, proxies: Sequence[str]) -> str:
    """The address of the client; what `X-Forwarded-For` says counts as far as `proxies` have said it.

    Each proxy adds the address that it was asked from, so the last one that is no proxy of ours is the client.
    """
    address: str = (request.scope.get("client") or ("",))[0]
    if not proxies:
        return address
    said = [part.strip() for part in request.said.get("x-forwarded-for", "").split(",") if part]
    while said and is_within(address, proxies):
        address = said.pop()
    return address
