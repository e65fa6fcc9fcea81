"""One good request for each RPC endpoint that is served."""

from typing import Any

from tests.world import World

Request = tuple[str, str, Any]
"""(method, uri, data)"""


async def good(world: World) -> list[Request]:
    """A request for each endpoint, over an extension with a direct address and a trunk; the last of each deletes it."""
    extension = await world.create(direct=True)
    one = f"/v1/extensions/{extension['id']}"
    trunk = f"/v1/trunks/{(await world.create_trunk())['id']}"
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
        ("GET", "/v1/trunks/count_by_customer", of),
        ("GET", "/v1/trunks?page_size=10", of),
        ("GET", "/v1/trunks/domain_name/carrier-a", None),
        ("GET", trunk, None),
        ("POST", "/v1/trunks", world.asked_trunk("carrier-z")),
        ("PUT", trunk, {"name": "new", "allowed_ips": ["203.0.113.8"]}),
        ("DELETE", trunk, None),
    ]
