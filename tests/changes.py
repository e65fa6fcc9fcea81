"""Everything that changes an extension, a trunk or a row of Asterisk's, step by step, and what VoIPbin's Go service
remembers of those in Redis."""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

from ringback.registrar import cascade, relabel
from tests.world import PASSWORD, World

Step = Callable[[], Awaitable[Any]]

ENDPOINT: Final = ("ast_endpoint:{0}", "ast_auth:{0}", "ast_aor:{0}", "ast_contacts:{0}")
KEYS: Final = {
    "registrar_extensions": (
        ("id", "customer_id", "extension", "endpoint_id"),
        ("registrar:extension:{0}", "registrar:extension_endpoint_id:{3}", "registrar:customer_id_extension:{1}:{2}"),
    ),
    "registrar_directs": (("extension_id",), ("registrar:extension:{0}",)),
    "registrar_trunks": (("id", "domain_name"), ("registrar:trunk:{0}", "registrar:trunk_domain_name:{1}")),
    "ps_endpoints": (("id",), ENDPOINT[:1]),
    "ps_auths": (("id",), ENDPOINT[1:2]),
    "ps_aors": (("id",), ENDPOINT[2:3]),
    "ps_contacts": (("endpoint",), ENDPOINT[3:]),
}
"""Table → columns that the Go service's keys of a row are made of, and those keys."""
UNSEEN: Final = "contacts_version"
"""The column that it does not know."""


def remembered(world: World) -> dict[str, str]:
    """What the Go service would put into Redis now: key → JSON of all rows of that key."""
    found: dict[str, list[Any]] = {}
    for table, (columns, keys) in KEYS.items():
        for row in world.sql(f"SELECT * FROM {table}"):
            if row.get("tm_delete"):
                continue
            row.pop(UNSEEN, None)
            parts = [str(UUID(bytes=row[name])) if isinstance(row[name], bytes) else row[name] for name in columns]
            for key in keys:
                found.setdefault(key.format(*parts), []).append(row)
    return {key: json.dumps(rows, default=bytes.hex) for key, rows in found.items()}


async def story(world: World, before: Callable[[], Any]) -> list[tuple[str, Step]]:
    """What is done, in words, and how. `before` is called when others have done their part of it."""
    made, other = await world.create(direct=True), await world.create("1002")
    trunk = await world.create_trunk()
    phone, line = f"/v1/extensions/{made['id']}", f"/v1/trunks/{trunk['id']}"
    http, rest = await world.http(), f"/v1.0/extensions/{made['id']}"
    ringback = world.ringback

    async def alone(then: Step) -> Any:
        before()
        return await then()

    async def registered(then: Step) -> Any:
        world.register(made["endpoint_id"])
        return await alone(then)

    async def one_by_one() -> Any:
        shown = (await http.get(f"{rest}/contacts")).json()["result"]
        return await http.delete(f"{rest}/contacts/{shown[0]['id']}")

    async def altered(sql: str) -> None:
        world.sql(sql)
        before()
        assert (await ringback.reconciler.once(no_grace=True)).due

    def rpc(*asked: Any) -> Step:
        return partial(alone, partial(world.rpc, *asked))

    def relabelled() -> Any:
        return ringback.work.write(lambda uow: relabel.set_label(uow, world.customer, "acme", reissue=True))

    return [
        ("create", rpc("POST", "/v1/extensions", world.asked("1003", direct=True))),
        ("name", rpc("PUT", phone, {"name": "x"})),
        ("password", partial(registered, partial(world.rpc, "PUT", phone, {"password": f"{PASSWORD}x"}))),
        ("no direct", rpc("PUT", phone, {"direct": False})),
        ("direct", rpc("PUT", phone, {"direct": True})),
        ("new hash", rpc("POST", f"{phone}/direct-hash-regenerate")),
        ("REST change", partial(alone, partial(http.patch, rest, json={"detail": "x"}))),
        ("one contact", partial(registered, one_by_one)),
        ("all contacts", partial(registered, partial(http.delete, f"{rest}/contacts"))),
        ("trunk", rpc("POST", "/v1/trunks", world.asked_trunk("carrier-b"))),
        ("trunk change", rpc("PUT", line, {"password": f"{PASSWORD}x", "allowed_ips": ["192.0.2.1"]})),
        ("trunk delete", rpc("DELETE", line)),
        ("altered row", partial(altered, "UPDATE ps_auths SET md5_cred = 'x'")),
        ("missing row", partial(altered, "DELETE FROM ps_aors")),
        ("row of nobody", partial(altered, "INSERT INTO ps_aors (id) VALUES ('7@x.registrar.localhost')")),
        ("label", partial(alone, relabelled)),
        ("delete", rpc("DELETE", f"/v1/extensions/{other['id']}")),
        ("end of the customer", partial(alone, lambda: cascade.end(ringback.work, world.customer))),
    ]
