"""One story that takes every door: a customer with phones and trunks, from the first event to the last."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from ringback.calls.records.taking import Taking
from ringback.kit.columns import NIL
from ringback.registrar.realms import service as realms
from tests import pipelines
from tests.calls.recorded import rows, write
from tests.exchanges import Exchanges, Recorder
from tests.stacks import files
from tests.world import PASSWORD, World

CUSTOMER: Final = "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"
NOBODY: Final = "00000000-0000-4000-8000-000000000000"
OF: Final = {"customer_id": CUSTOMER}
ONCE: Final = "order-7c41"
"""A key for a request that may be sent again."""
NOTHING: Final = "000000000000"
"""A hash that leads nowhere."""
NOT_RANDOM: Final = (CUSTOMER, NOBODY, NOTHING, str(NIL))
BINDINGS: Final = tuple(f"{first}b1deb4d3b7d4bad9bdd2b0d7b3dcb6d" for first in "9ab")
"""What Asterisk makes the ids of contacts of."""
DOMAINS: Final[dict[str, Any]] = {
    "domain_name_extension": "registrar.example.com",
    "domain_name_trunk": "trunk.example.com",
}

BEGINNING: Final = "2026-01-05T10:00:00.000000Z"
"""When the schema was made, which came with six router extensions."""

Chapter = Callable[[Recorder], Awaitable[None]]


async def story(template: Path, home: Path) -> Exchanges:
    """Play it on a Ringback of its own, over a copy of the empty database `template`."""
    world = World(files(template)(0, home), home, **DOMAINS, direct_miss_limit=1)
    world.frozen, world.customer = True, UUID(CUSTOMER)
    try:
        async with await world.http() as client:
            recorder = Recorder(world, client, *NOT_RANDOM)
            for chapter in CHAPTERS:
                await chapter(recorder)
            return recorder.made
    finally:
        world.close()


async def a_customer_comes(say: Recorder) -> None:
    await say.hear("customer-manager", "customer_created", {"id": CUSTOMER, "name": "Acme"})
    await say.rest("PUT", "/v1.0/customer_domain", {"domain_label": "acme"})
    await say.rest("GET", "/v1.0/customer_domain")
    await say.rpc("GET", "/v1/customer_domains/realm/acme.registrar.example.com")


async def a_peer_makes_an_extension(say: Recorder) -> None:
    asked = {**OF, "extension": "1001", "name": "Front desk", "direct": True}
    made = await say.rpc("POST", "/v1/extensions", asked)
    one = f"/v1/extensions/{made['id']}"
    await say.rpc("GET", one)
    await say.rpc("GET", "/v1/extensions/extension/1001", OF)
    await say.rpc("GET", "/v1/extensions?page_size=10", {**OF, "name": "Front desk"})
    await say.rpc("GET", "/v1/extensions/count_by_customer", OF)
    await say.rpc("GET", f"/v1/extensions/by-direct-hash/{made['direct_hash']}?source=192.0.2.99")
    await say.rpc("GET", f"/v1/extension-directs?hash={made['direct_hash']}", about="The direct of a hash:")
    await say.rpc("GET", "/v1/extension-directs", {"extension_id": made["id"]}, about="A list:")
    say.world.register(made["endpoint_id"], id=f"{made['endpoint_id']};@{BINDINGS[0]}", expires_in=30)
    await say.rpc("PUT", "/v1/contacts", {**OF, "extension": "1001"})
    await say.rpc("GET", "/v1/contacts", {**OF, "extension": "1001"})
    say.world.wait(60)
    await say.look()
    await say.rpc("DELETE", "/v1/contacts", {**OF, "extension": "1001"})
    await say.rpc("PUT", one, {"name": "Reception", "direct_regenerate": True})
    await say.rpc("POST", f"{one}/direct-hash-regenerate")


async def a_peer_is_refused(say: Recorder) -> None:
    wrong = {**OF, "extension": "10 01", "password": "short"}
    await say.rpc("POST", "/v1/extensions", wrong, code=400)
    await say.rpc("POST", "/v1/extensions", {**OF, "extension": "1001"}, code=409)
    await say.rpc("GET", f"/v1/extensions/{NOBODY}", code=404)
    await say.rpc("GET", "/v1/phones", code=404)
    await say.rpc("PATCH", "/v1/extensions", code=405)
    miss = f"/v1/extension-directs?hash={NOTHING}&source=203.0.113.66"
    await say.rpc("GET", miss, code=404)
    await say.rpc("GET", miss, code=429)


async def a_customer_makes_an_extension(say: Recorder) -> None:
    asked = {"extension": "1002", "password": PASSWORD}
    made = (await say.rest("POST", "/v1.0/extensions", asked, code=201, idempotency_key=ONCE)).json()
    again = "The same once more, which changes nothing:"
    await say.rest("POST", "/v1.0/extensions", asked, again, code=201, idempotency_key=ONCE)
    one = f"/v1.0/extensions/{made['id']}"
    first = await say.rest("GET", "/v1.0/extensions?page_size=1", about="The first page:")
    next = f"/v1.0/extensions?page_size=1&page_token={first.json()['next_page_token']}"
    await say.rest("GET", next, about="The last page:")
    shown = await say.rest("GET", one)
    await say.rest("PUT", one, {"name": "Back office", "direct": True}, if_match=shown.headers["etag"])
    await say.rest("PATCH", one, {"password_regenerate": True})
    await say.rest("POST", f"{one}/direct-hash-regenerate")
    await _its_phone(say, f"1002@{made['realm']}", f"{one}/contacts")
    await say.rest("PATCH", one, {"name": "x"}, code=412, if_match=shown.headers["etag"])
    await say.rest("DELETE", one)


async def _its_phone(say: Recorder, endpoint: str, contacts: str) -> None:
    say.world.register(endpoint, id=f"{endpoint};@{BINDINGS[1]}")
    (contact,) = (await say.rest("GET", contacts)).json()["result"]
    await say.rest("DELETE", f"{contacts}/{contact['id']}")
    say.world.register(endpoint, id=f"{endpoint};@{BINDINGS[2]}")
    await say.rest("DELETE", contacts)
    await say.rest("GET", f"{contacts.removesuffix('contacts')}contact_history?page_size=2")


async def somebody_calls(say: Recorder) -> None:
    realm = (await say.world.rpc("GET", "/v1/extensions/extension/1001", OF)).data["realm"]
    events = rows(say.world, "a stranger at a direct address", realm)
    write(say.world, *([value.replace("1202@", "1001@") for value in event] for event in events))
    await Taking(say.world.ringback.work, 0).once()
    await say.carry("what Asterisk has written of a call")
    (call,) = (await say.rest("GET", "/v1.0/calls?direction=direct&page_size=20")).json()["result"]
    await say.rest("GET", f"/v1.0/calls/{call['id']}")


async def a_peer_makes_a_trunk(say: Recorder) -> None:
    asked = {**OF, "name": "Carrier A", "domain_name": "carrier-a", "auth_types": ["basic", "ip"]}
    asked |= {"username": "pbx01", "password": PASSWORD, "allowed_ips": ["203.0.113.7", "198.51.100.0/28"]}
    made = await say.rpc("POST", "/v1/trunks", asked)
    one = f"/v1/trunks/{made['id']}"
    await say.rpc("GET", one)
    await say.rpc("GET", "/v1/trunks/domain_name/carrier-a")
    await say.rpc("GET", "/v1/trunks?page_size=10", OF)
    await say.rpc("GET", "/v1/trunks/count_by_customer", OF)
    await say.rpc("PUT", one, {"auth_types": ["ip"], "allowed_ips": ["2001:db8::/48"]})
    await say.rpc("DELETE", one)


async def a_customer_makes_a_trunk(say: Recorder) -> None:
    asked = {"domain_name": "carrier-b", "auth_types": ["basic"], "username": "pbx02"}
    made = (await say.rest("POST", "/v1.0/trunks", asked, code=201)).json()
    one = f"/v1.0/trunks/{made['id']}"
    await say.rest("GET", "/v1.0/trunks")
    await say.rest("GET", one)
    await say.rest("PUT", one, {"name": "Carrier B"})
    await say.rest("PATCH", one, {"username": "pbx03", "password": PASSWORD})
    await say.rest("DELETE", one)


async def a_customer_listens(say: Recorder) -> None:
    say.world.ringback.gateway.end_streams()  # or it would go on
    (known,) = say.world.sql("SELECT max(id) - 2 AS id FROM registrar_outbox")
    about = "What happened after an event that is known, and so on:"
    await say.rest("GET", "/v1.0/events?types=trunk_updated,trunk_deleted", about=about, last_event_id=str(known["id"]))


async def a_customer_brings_files(say: Recorder) -> None:
    rows = [{"extension": "2001", "name": "Doe, Jane", "password": PASSWORD}, {"extension": "2002", "direct": True}]
    await say.rest("POST", "/v1.0/extensions:import?dry_run=true", [*rows, {"extension": "2 3"}], "What would become:")
    await say.rest("POST", "/v1.0/extensions:import", rows, "All of them:")
    await say.rest("POST", "/v1.0/extensions:import", [{"extension": "20 03"}], code=400)
    made = (await say.rest("GET", "/v1.0/extensions:export")).json()
    assert len(made) == 3
    for one in (await say.world.rpc("GET", "/v1/extensions", OF)).data:
        if one["extension"] in ("2001", "2002"):
            await say.world.rpc("DELETE", f"/v1/extensions/{one['id']}")
    trunk = {"domain_name": "carrier-d", "auth_types": ["ip"], "allowed_ips": ["203.0.113.7"]}
    await say.rest("POST", "/v1.0/trunks:import?mode=row_by_row", [trunk])
    await say.rest("GET", "/v1.0/trunks:export")
    (one,) = (await say.world.rpc("GET", "/v1/trunks", OF)).data
    await say.world.rpc("DELETE", f"/v1/trunks/{one['id']}")


async def a_customer_sets_up_a_phone(say: Recorder) -> None:
    (phone,) = (await say.rest("GET", "/v1.0/extensions?extension=1001")).json()["result"]
    place = f"/v1.0/extensions/{phone['id']}/setup_link"
    for open, about in (("POST", "As JSON:"), ("GET", "The same by a fetch:")):
        made = await say.rest("POST", place, {"expires_in_minutes": 60}, code=201)
        await say.rest("GET", place)
        link = made.json()["url"].partition("8080")[2]
        await say.rest(open, f"{link}?format=json", about=about, anonymous=True)
        await say.rest("GET", link, code=404, anonymous=True)
    await say.rest("POST", place, code=201)
    await say.rest("DELETE", place)


async def a_customer_is_refused(say: Recorder) -> None:
    wrong = {"extension": "1001", "password": "short", "colour": "green"}
    await say.rest("POST", "/v1.0/extensions", wrong, code=400)
    await say.rest("GET", "/v1.0/extensions/1001", code=400)
    await say.rest("GET", f"/v1.0/extensions/{NOBODY}", code=404)
    await say.rest("DELETE", "/v1.0/extensions", code=405)
    await say.rest("POST", "/v1.0/extensions", {"extension": "1001"}, code=409)
    await say.rest("PUT", "/v1.0/customer_domain", {"domain_label": "acme-2"}, code=409)
    await say.rest("POST", "/v1.0/extensions", {"extension": "1003"}, code=415, content_type="text/plain")
    await say.rest("POST", "/v1.0/extensions", {"extension": "1003"}, code=422, idempotency_key=ONCE)
    limits = partial(realms.set_limits, customer_id=say.world.customer, extension=1)
    await say.world.ringback.work.write(limits)
    await say.rest("POST", "/v1.0/extensions", {"extension": "1003"}, code=429)
    await say.rest("GET", "/v1.0/extensions", code=401, anonymous=True)


async def the_customer_is_frozen_and_recovers(say: Recorder) -> None:
    await say.hear("customer-manager", "customer_frozen", {"id": CUSTOMER})
    await say.rpc("POST", "/v1/extensions", {**OF, "extension": "1003"}, code=409)
    await say.rest("GET", "/v1.0/extensions", code=403)
    await say.hear("customer-manager", "customer_recovered", {"id": CUSTOMER})


async def the_operator_keeps_the_registry(say: Recorder) -> None:
    say.world.sql("UPDATE extensions SET created_at = ?, updated_at = ?", *[BEGINNING] * 2)
    say.world.ringback.router.registry.node = "node-1"
    await say.world.ringback.router.loader.reload()
    key: Any = {"authorization": f"Bearer {await say.world.key(None)}", "x_request_id": "ticket-4711"}
    root = "/v1.0/router/extensions"
    one = f"{root}/upper"
    asked = {"id": "upper", "type": "pre", "subject": "beamline.ext.pre.upper.v1", "config": {"language": "en"}}
    made = await say.rest("POST", root, asked, code=201, **key)
    await say.rest("GET", f"{root}?type=pre&page_size=1", **key)
    await say.rest("GET", one, **key)
    await say.rest("PUT", one, {"timeout_ms": 400}, if_match=made.headers["etag"], **key)
    await say.rest("PATCH", one, {"config": {"strict": True}, "comment": "as asked"}, **key)
    for action in ("disable?wait=applied", "enable"):
        await say.rest("POST", f"{one}/{action}", **key)
    await say.rest("POST", f"{one}/rollback", {"to_revision": 1}, **key)
    await say.rest("POST", f"{one}/breaker", {"force": "open", "comment": "the vendor is away"}, **key)
    for path in ("/health", "/revisions?page_size=1", "/revisions/1", "/diff?from=1&to=3", "/audit?page_size=1"):
        await say.rest("GET", one + path, **key)
    await say.rest("DELETE", one, **key)
    await say.rest("POST", f"{one}/restore", **key)
    for path in ("/health", "/breakers", "/audit?page_size=1", "/stats", "/effective"):
        await say.rest("GET", f"/v1.0/router{path}", **key)
    await say.world.ringback.router.node.presence.once()
    await say.rest("GET", "/v1.0/router/nodes", **key)
    await say.rest("POST", "/v1.0/router/audit:verify", **key)
    await say.rest("POST", "/v1.0/router/registry:reload", **key)


async def a_customer_keeps_policies(say: Recorder) -> None:
    root = "/v1.0/router/policies"
    one = f"{root}/support_en"
    document = {"pre": [{"id": "normalize_text"}], "validators": [{"id": "pii_guard"}], "providers": []}
    made = await say.rest("POST", root, {"policy_id": "support_en", "document": document}, code=201)
    await say.rest("GET", root)
    await say.rest("GET", one)
    calls = {**document, "deadline_ms": 400}
    await say.rest("PUT", one, {"document": calls, "purpose": "direct_call"}, if_match=made.headers["etag"])
    await say.rest("PATCH", one, {"document": {"deadline_ms": None}, "enabled": False})
    await say.rest("DELETE", one)


async def a_message_goes_through_a_pipeline(say: Recorder) -> None:
    await pipelines.serve(say.world.ringback, UUID(CUSTOMER))
    root = "/v1.0/router/pipelines"
    more: Any = {"x_request_id": "ticket-4712"}
    body = {"policy_id": "support_en", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
    mail = {"payload": "Write to anna@example.com"}
    await say.rest("POST", f"{root}:run", {**body, "message": {"payload": "Where is my PARCEL?"}}, **more)
    await say.rest("POST", f"{root}:run", {**body, "message": mail}, code=403, **more)
    await say.rest("POST", f"{root}:run", {**body, "message": mail, "context": {"deadline": 1}}, code=504, **more)
    await say.rest("POST", f"{root}:run", {**body, "message": {"payload": "crash"}}, code=500, **more)
    await say.rest("POST", f"{root}:dry_run", {**body, "message": {"payload": "Hi"}}, **more)


async def a_customer_hands_out_keys(say: Recorder) -> None:
    root = "/v1.0/accesskeys"
    asked = {"name": "night watch", "roles": ["auditor"], "source_cidrs": ["127.0.0.1"], "expires_in_days": 90}
    made = await say.rest("POST", root, asked, code=201, idempotency_key="key-1")
    one = f"{root}/{made.json()['id']}"
    await say.rest("POST", root, asked, "The same once more:", code=201, idempotency_key="key-1")
    await say.rest("GET", f"{root}?state=working&name=night%20watch")
    await say.rest("GET", one)
    await say.rest("DELETE", one)
    await say.rest("GET", "/v1.0/audit?kind=accesskey&page_size=1")


async def the_operator_keeps_the_customers(say: Recorder) -> None:
    key: Any = {"authorization": f"Bearer {await say.world.key(None)}"}
    asked = {"id": CUSTOMER, "name": "Acme", "email": "ops@acme.example", "limit_extension": 50}
    root, one = "/v1.0/customers", f"/v1.0/customers/{CUSTOMER}"
    made = await say.rest("POST", root, asked, code=201, **key)
    await say.rest("POST", root, {"name": "", "email": "nobody", "domain_label": "www"}, code=400, **key)
    await say.rest("POST", root, asked, code=409, **key)
    await say.rest("GET", f"{root}?status=active&page_size=20", **key)
    await say.rest("GET", one, **key)
    await say.rest("PUT", one, {"limit_trunk": 2}, if_match=made.headers["etag"], **key)
    await say.rest("PATCH", one, {"detail": "since the fair"}, **key)
    await say.rest("GET", "/v1.0/customer")
    await say.rest("PUT", "/v1.0/customer", {"name": "Acme Phones"})
    await say.rest("PATCH", "/v1.0/customer", {"email": "telephony@acme.example"})
    await say.rpc("GET", "/v1/customers?page_size=10", {"status": "active"})
    await say.rpc("GET", f"/v1/customers/{CUSTOMER}")
    await say.rpc("GET", f"/v1/customers/{NOBODY}", code=404)
    await say.rest("POST", f"{one}/freeze", **key)
    await say.rest("POST", f"{one}/recover", **key)


async def the_operator_ends_a_customer(say: Recorder) -> None:
    key: Any = {"authorization": f"Bearer {await say.world.key(None)}"}
    made = await say.rest("POST", "/v1.0/customers", {"name": "Short", "email": "short@acme.example"}, code=201, **key)
    await say.rest("DELETE", f"/v1.0/customers/{made.json()['id']}", **key)


async def somebody_signs_in(say: Recorder) -> None:
    root, auth = "/v1.0/people", "/v1.0/auth"
    asked = {"email": "Pat@example.com", "name": "Pat", "roles": ["manager"], "password": PASSWORD}
    made = await say.rest("POST", root, asked, code=201)
    one = f"{root}/{made.json()['id']}"
    await say.rest("GET", f"{root}?email=pat@example.com")
    await say.rest("GET", one)
    said = {"email": "pat@example.com", "password": PASSWORD}
    signed_in = (await say.rest("POST", f"{auth}/login", said, anonymous=True)).json()
    token = {"refresh_token": signed_in["refresh_token"]}
    fresh = (await say.rest("POST", f"{auth}/refresh", token, anonymous=True)).json()
    await say.rest("GET", f"{auth}/whoami", authorization=f"Bearer {fresh['access_token']}")
    mine: Any = {"authorization": f"Bearer {fresh['access_token']}"}
    new = {"current_password": PASSWORD, "password": f"{PASSWORD}x"}
    await say.rest("POST", f"{auth}/password", {**new, "current_password": "Wrong-Pass-0001"}, code=403, **mine)
    await say.rest("POST", f"{auth}/password", new, **mine)
    await say.rest("GET", f"{auth}/sessions", **mine)
    other = await say.world.http()
    await other.post(f"{auth}/login", json={"email": "pat@example.com", "password": new["password"]})
    await say.rest("DELETE", f"{auth}/sessions", **mine)
    (session,) = (await say.rest("GET", f"{one}/sessions")).json()["result"]
    await say.rest("DELETE", f"{one}/sessions/{session['id']}")
    await say.rest("DELETE", f"{one}/sessions")
    signed_in = (await other.post(f"{auth}/login", json={**said, "password": new["password"]})).json()
    mine = {"authorization": f"Bearer {signed_in['access_token']}"}
    (session,) = (await say.rest("GET", f"{one}/sessions")).json()["result"]
    await say.rest("DELETE", f"{auth}/sessions/{session['id']}", **mine)
    gone = {"refresh_token": signed_in["refresh_token"]}
    await say.rest("POST", f"{auth}/logout", gone, anonymous=True)
    await say.rest("PATCH", one, {"roles": ["viewer"]})
    await say.rest("DELETE", one)


async def the_operator_repairs_the_sip_tables(say: Recorder) -> None:
    key: Any = {"authorization": f"Bearer {await say.world.key(None)}"}
    say.world.sql("UPDATE ps_aors SET max_contacts = 70, remove_existing = 'no'")
    (extension,) = (await say.world.rpc("GET", "/v1/extensions", OF)).data
    await say.rest("GET", f"/v1.0/extensions/{extension['id']}/diagnosis")
    await say.rest("GET", "/v1.0/drift?page_size=20", **key)
    await say.rest("POST", "/v1.0/drift:repair", **key)


async def all_ends(say: Recorder) -> None:
    (extension,) = (await say.world.rpc("GET", "/v1/extensions", OF)).data
    await say.rpc("DELETE", f"/v1/extensions/{extension['id']}")
    await say.hear("customer-manager", "customer_deleted", {"id": CUSTOMER})


CHAPTERS: Final[tuple[Chapter, ...]] = (
    a_customer_comes,
    a_peer_makes_an_extension,
    a_peer_is_refused,
    a_customer_makes_an_extension,
    somebody_calls,
    a_peer_makes_a_trunk,
    a_customer_makes_a_trunk,
    a_customer_listens,
    a_customer_brings_files,
    a_customer_sets_up_a_phone,
    a_customer_is_refused,
    the_customer_is_frozen_and_recovers,
    the_operator_keeps_the_registry,
    a_customer_keeps_policies,
    a_message_goes_through_a_pipeline,
    a_customer_hands_out_keys,
    the_operator_keeps_the_customers,
    the_operator_ends_a_customer,
    somebody_signs_in,
    the_operator_repairs_the_sip_tables,
    all_ends,
)
