"""One good request for each RPC endpoint that is served."""

from typing import Any

from tests.world import World

Request = tuple[str, str, Any]
"""(method, uri, data)"""


def good(world: World, extension: dict[str, Any]) -> list[Request]:
    """A request for each endpoint; `extension` is a live one with a direct address. The last one deletes it."""
    one = f"/v1/extensions/{extension['id']}"
    of = {"customer_id": str(world.customer)}
    return [
        ("GET", "/v1/contacts", {**of, "extension": extension["extension"]}),
        ("PUT", "/v1/contacts", {**of, "extension": extension["extension"]}),
        ("GET", "/v1/extensions/count_by_customer", of),
        ("GET", "/v1/extensions?page_size=10", of),
        ("GET", f"/v1/extensions/extension/{extension['extension']}", of),
        ("GET", f"/v1/extensions/by-direct-hash/{extension['direct_hash']}", None),
        ("GET", f"/v1/extension-directs?hash={extension['direct_hash']}", None),
        ("GET", "/v1/extension-directs", of),
        ("GET", one, None),
        ("POST", "/v1/extensions", world.asked("1999")),
        ("PUT", one, {"name": "new"}),
        ("POST", f"{one}/direct-hash-regenerate", None),
        ("DELETE", one, None),
    ]
