"""Customers over REST: made, changed, frozen and ended by the operator, and each by themselves as far as they may."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest

from ringback.customers.model import PUBLISHER as CUSTOMERS
from ringback.kit.db import Statement
from ringback.kit.inbox import Heard, Inbox
from ringback.kit.outbox import KEEP
from ringback.kit.relay import Relay, Way
from ringback.kit.uow import Work
from ringback.registrar import cascade
from ringback.registrar.realms.model import Status
from ringback.registrar.work import Uow
from ringback.transports.memory import Inward
from tests.patience import ENOUGH
from tests.registrar.test_customers import left, realm, status
from tests.world import Broken, MakeWorld, World

ROOT: Final = "/v1.0/customers"
OWN: Final = "/v1.0/customer"
ASKED: Final = {"name": "Acme", "email": "ops@acme.example"}
MARK: Final = "Zaphod"
"""Stands in whatever says who the customer is."""


async def made(operator: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await operator.post(ROOT, json={**ASKED, **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{ROOT}/{answer.json()['id']}"
    return dict(answer.json())


def told(world: World) -> list[str]:
    """Types of the customers' events so far."""
    return [type.removeprefix("customer_") for type, _ in world.events() if type.startswith("customer_")]


def fields_of(answer: httpx.Response) -> list[str]:
    return [detail["field"] for detail in answer.json()["error"]["details"]]


async def test_a_new_customer_has_a_realm_and_a_key_of_theirs_works_at_once(
    world: World, operator: httpx.AsyncClient
) -> None:
    new = await made(operator, domain_label="acme", limit_extension=1)

    assert new == {
        **ASKED,
        "id": new["id"],
        "detail": "",
        "status": "active",
        "domain_label": "acme",
        "limit_extension": 1,
        "limit_trunk": None,
        "tm_create": new["tm_create"],
        "tm_update": None,
        "tm_delete": None,
    }
    assert (await operator.get(f"{ROOT}/{new['id']}")).json() == new
    assert told(world) == ["created"]
    async with await world.http(await world.key(UUID(new["id"]))) as theirs:
        assert (await theirs.get(OWN)).json() == new
        phone = await theirs.post("/v1.0/extensions", json={"extension": "1001"})
        full = await theirs.post("/v1.0/extensions", json={"extension": "1002"})
    assert (phone.status_code, phone.json()["realm"]) == (201, "acme.registrar.localhost")
    assert (full.status_code, full.json()["error"]["reason"]) == (429, "RESOURCE_LIMIT_EXCEEDED")


async def test_all_faults_of_a_new_customer_are_named_and_nothing_is_written(
    world: World, operator: httpx.AsyncClient
) -> None:
    before = world.everything()

    answer = await operator.post(
        ROOT,
        json={"email": "nobody", "detail": "\x07", "id": "1", "domain_label": "www", "limit_trunk": -1, "status": "x"},
    )

    assert answer.status_code == 400
    assert fields_of(answer) == ["name", "email", "detail", "id", "domain_label", "limit_trunk", "status"]
    assert world.everything() == before


@pytest.mark.parametrize(
    "email",
    [
        "a",
        "@acme.example",
        "a@",
        "a b@acme.example",
        "a@b@acme.example",
        "a@acme..example",
        "a.@acme.example",
        '"a"@acme.example',
        "a@-.example",
        "a@" + "x" * 253,
        "ä@b.c",
    ],
)
async def test_what_is_no_address_is_refused(operator: httpx.AsyncClient, email: str) -> None:
    assert fields_of(await operator.post(ROOT, json={"name": "Acme", "email": email})) == ["email"]


async def test_a_label_or_an_id_that_is_taken_leaves_nothing_behind(world: World, operator: httpx.AsyncClient) -> None:
    first = await made(operator, domain_label="acme")
    before = world.everything()

    label = await operator.post(ROOT, json={**ASKED, "domain_label": "acme"})
    again = await operator.post(ROOT, json={**ASKED, "id": first["id"]})
    change = await operator.patch(f"{ROOT}/{(await made(operator))['id']}", json={"domain_label": "acme", "name": "x"})

    assert (label.status_code, label.json()["error"]["reason"]) == (409, "DOMAIN_LABEL_ALREADY_EXISTS")
    assert (again.status_code, again.json()["error"]["reason"]) == (409, "CUSTOMER_ALREADY_EXISTS")
    assert (change.status_code, change.json()["error"]["reason"]) == (409, "DOMAIN_LABEL_ALREADY_EXISTS")
    domains = world.everything()["registrar_customer_domains"]
    assert [row for row in domains if row["domain_label"] == "acme"] == before["registrar_customer_domains"]
    assert [row["name"] for row in world.everything()["ringback_customers"]] == ["Acme", "Acme"]


async def test_one_whom_the_registrar_has_known_alone_keeps_what_they_have(
    world: World, operator: httpx.AsyncClient
) -> None:
    await world.label("acme")
    await world.create()
    await world.set_status(Status.FROZEN)

    new = await made(operator, id=str(world.customer))

    assert (new["id"], new["domain_label"], new["status"]) == (str(world.customer), "acme", "frozen")
    assert left(world) == 1
    await world.set_status(Status.DELETED)
    late = await operator.post(ROOT, json={**ASKED, "id": str(uuid4())})
    assert late.status_code == 201


async def test_who_was_deleted_never_comes_back(world: World, operator: httpx.AsyncClient) -> None:
    await world.tell("customer_deleted")
    before = world.everything()

    answer = await operator.post(ROOT, json={**ASKED, "id": str(world.customer)})

    assert (answer.status_code, answer.json()["error"]["reason"]) == (409, "CUSTOMER_DELETED")
    assert {**world.everything(), "registrar_accesskeys": []} == {**before, "registrar_accesskeys": []}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_change_is_of_what_is_named_and_is_told_once(
    world: World, operator: httpx.AsyncClient, method: str
) -> None:
    one = f"{ROOT}/{(await made(operator, detail='x'))['id']}"
    asked = {"name": "Acme Phones", "detail": "", "domain_label": "acme-9", "limit_trunk": 0, "email": None}

    changed = (await operator.request(method, one, json=asked)).json()
    again = (await operator.request(method, one, json=asked)).json()

    assert changed == again == (await operator.get(one)).json()
    assert {name: changed[name] for name in asked} == {**asked, "email": ASKED["email"]}
    assert changed["tm_update"] > changed["tm_create"]
    assert told(world) == ["created", "updated"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_limit_that_is_null_is_the_platforms_again(make_world: MakeWorld, method: str) -> None:
    world = make_world(limit_extension_default=2)
    async with await world.http(await world.key(None)) as operator:
        one = f"{ROOT}/{(await made(operator, id=str(world.customer), limit_extension=1, limit_trunk=3))['id']}"
        numbers = ("1001", "1002", "1003", "1004")
        under_their_own = [(await world.rpc("POST", *new(world, number))).status_code for number in numbers[:2]]
        shown = (await operator.request(method, one, json={"limit_extension": None, "email": None})).json()
        under_the_platforms = [(await world.rpc("POST", *new(world, number))).status_code for number in numbers[2:]]

    assert (under_their_own, under_the_platforms) == ([200, 429], [200, 429])
    assert (shown["limit_extension"], shown["limit_trunk"], shown["email"]) == (None, 3, ASKED["email"])
    assert told(world) == ["created", "updated"]


def new(world: World, number: str) -> tuple[str, dict[str, Any]]:
    """Where an extension is asked for over RPC, and how."""
    return "/v1/extensions", world.asked(number)


async def test_a_label_stays_while_phones_live_under_it(world: World, operator: httpx.AsyncClient) -> None:
    await world.create()
    await world.name()

    answer = await operator.patch(f"{ROOT}/{world.customer}", json={"domain_label": "acme", "name": "x"})

    assert (answer.status_code, answer.json()["error"]["reason"]) == (409, "DOMAIN_LABEL_IN_USE")
    assert (await operator.get(f"{ROOT}/{world.customer}")).json()["name"] == "Acme"


async def test_another_state_of_the_customer_is_412(operator: httpx.AsyncClient) -> None:
    one = f"{ROOT}/{(await made(operator))['id']}"
    old = (await operator.get(one)).headers["etag"]
    assert (await operator.patch(one, json={"name": "x"}, headers={"if-match": old})).status_code == 200

    for method, place in (("PUT", one), ("PATCH", one), ("DELETE", one), ("POST", f"{one}/freeze")):
        body: dict[str, Any] = {"json": {"name": "y"}} if method.startswith("P") and place == one else {}
        answer = await operator.request(method, place, headers={"if-match": old}, **body)
        assert (answer.status_code, answer.json()["error"]["reason"]) == (412, "PRECONDITION_FAILED"), method
    assert (await operator.get(one)).json()["status"] == "active"


async def test_frozen_they_are_refused_at_once_and_recovered_let_in_again(
    world: World, operator: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    await world.name()
    one = f"{ROOT}/{world.customer}"

    frozen = [(await operator.post(f"{one}/freeze")).json()["status"] for _ in range(2)]
    refused = await http.get(OWN)
    recovered = [(await operator.post(f"{one}/recover")).json()["status"] for _ in range(2)]

    assert (frozen, recovered) == (["frozen"] * 2, ["active"] * 2)
    assert (refused.status_code, refused.json()["error"]["reason"]) == (403, "ACCOUNT_FROZEN")
    assert (await http.get(OWN)).status_code == 200
    assert told(world) == ["created", "frozen", "recovered"]


async def test_what_the_registrar_hears_late_of_us_is_no_news(world: World, operator: httpx.AsyncClient) -> None:
    await world.name()
    for verb in ("freeze", "recover"):
        await operator.post(f"{ROOT}/{world.customer}/{verb}")
    events = dict(world.events())

    assert await world.tell("customer_frozen", data=events["customer_frozen"])
    assert status(world) == "active"
    assert await world.tell("customer_frozen")
    assert status(world) == "frozen"


async def test_lists_are_filtered_and_paged(world: World, operator: httpx.AsyncClient) -> None:
    ids = [(await made(operator, name=f"n{number // 2}", email=f"n{number}@acme.example"))["id"] for number in range(5)]
    await operator.post(f"{ROOT}/{ids[1]}/freeze")
    await operator.delete(f"{ROOT}/{ids[3]}")

    async def found(**query: Any) -> list[int]:
        pages, token = [], ""
        while True:
            page = (await operator.get(ROOT, params={"page_size": 2, "page_token": token, **query})).json()
            pages += [ids.index(one["id"]) for one in page["result"]]
            if not (token := page["next_page_token"]):
                return pages

    assert await found() == [4, 2, 1, 0]
    assert await found(deleted="true") == await found(status="deleted") == [3]
    assert await found(status="active") == [4, 2, 0]
    assert await found(status="frozen") == await found(name="n0", status="frozen") == [1]
    assert await found(name="n0") == [1, 0]
    assert await found(name="N0") == []
    assert await found(email="n4@acme.example") == [4]
    wrong = await operator.get(ROOT, params={"page": 1, "status": "asleep", "customer_id": ids[0]})
    assert (wrong.status_code, sorted(fields_of(wrong))) == (400, ["customer_id", "page", "status"])


async def test_customers_change_who_they_are_and_nothing_else(
    world: World, http: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    await world.name()

    changed = (await http.patch(OWN, json={"email": "phones@acme.example", "detail": "us"})).json()
    refused = await http.put(OWN, json={"limit_extension": 9, "status": "active", "domain_label": "acme", "id": "x"})

    assert (changed["email"], changed["detail"]) == ("phones@acme.example", "us")
    assert fields_of(refused) == ["limit_extension", "status", "domain_label", "id"]
    assert changed == (await operator.get(OWN, params={"customer_id": str(world.customer)})).json()
    assert told(world) == ["created", "updated"]


async def test_only_an_admin_keeps_the_account_and_only_the_operator_the_platform(
    world: World, http: httpx.AsyncClient
) -> None:
    await world.name()
    before = world.everything()
    for role in ("viewer", "manager", "auditor"):
        asked = {"name": role, "roles": [role]}
        key = (await http.post("/v1.0/accesskeys", json=asked)).json()["key"]
        async with await world.http(key) as weaker:
            assert (await weaker.get(OWN)).status_code == 200, role
            assert (await weaker.put(OWN, json={"name": "x"})).status_code == 403, role
    for method, place in (
        ("GET", ROOT),
        ("POST", ROOT),
        ("GET", f"{ROOT}/{world.customer}"),
        ("PATCH", f"{ROOT}/{world.customer}"),
        ("DELETE", f"{ROOT}/{world.customer}"),
        ("POST", f"{ROOT}/{world.customer}/recover"),
    ):
        answer = await http.request(method, place, json=None if method == "GET" else {})
        assert answer.status_code == 403, (method, place)
    assert world.everything()["ringback_customers"] == before["ringback_customers"]


async def test_whom_customer_manager_does_not_know_is_404(http: httpx.AsyncClient, operator: httpx.AsyncClient) -> None:
    assert (await http.get(OWN)).json()["error"]["reason"] == "CUSTOMER_NOT_FOUND"
    for method, place in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/freeze"), ("POST", "/recover")):
        answer = await operator.request(method, f"{ROOT}/{uuid4()}{place}", json={} if method == "PUT" else None)
        assert (answer.status_code, answer.json()["error"]["reason"]) == (404, "CUSTOMER_NOT_FOUND"), method


async def test_where_another_customer_manager_is_ours_is_not_there(make_world: MakeWorld) -> None:
    world = make_world(services="registrar-manager,api-manager")
    async with await world.http(await world.key(None)) as operator:
        for place in (ROOT, f"{ROOT}/{uuid4()}", OWN):
            assert (await operator.get(place)).json()["error"]["reason"] == "ROUTE_NOT_FOUND"
        assert OWN not in (await operator.get("/openapi.json")).json()["paths"]
        assert (await operator.get("/")).json()["services"] == ["registrar-manager", "api-manager"]


# ---- deleted


async def test_deleted_they_end_at_once_and_all_of_theirs_by_the_event(
    world: World, operator: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    await world.name()
    for number in ("1001", "1002"):
        await world.create(number, direct=True)
    await world.create_trunk()
    one = f"{ROOT}/{world.customer}"

    gone = (await operator.delete(one)).json()
    refused = await http.get(OWN)
    again = await operator.delete(one)
    before = left(world)
    await world.ringback.relay.publish_waiting()

    assert (gone["status"], gone["name"], gone["tm_delete"]) == ("deleted", "Acme", gone["tm_update"])
    assert (refused.status_code, again.status_code) == (401, 404)
    assert (before, left(world), realm(world)) == (3, 0, None)
    assert told(world) == ["created", "deleted"]
    assert {row["tm_revoke"] is None for row in world.sql("SELECT tm_revoke, customer_id FROM registrar_accesskeys")
            if row["customer_id"] == world.customer.bytes} == {False}  # fmt: skip
    assert not world.sql("SELECT id FROM registrar_outbox WHERE tm_publish IS NULL AND publisher = 'customer-manager'")
    tombstone = (await operator.get(ROOT, params={"deleted": "true"})).json()["result"]
    assert [(one["id"], one["name"], one["email"]) for one in tombstone] == [(gone["id"], "", "")]


@asynccontextmanager
async def followed(world: World, heard: Heard[Uow]) -> AsyncIterator[None]:
    """Ends of customers are followed like this, in a process without a broker whose patience is over at once."""
    inbox = Inbox({(CUSTOMERS, "customer_deleted"): heard}, world.ringback.work, lambda *told: None)
    inward = Inward(inbox.take, patience=0.0)
    way = Way(CUSTOMERS, inward, lambda *told: None, inward.close)
    running = asyncio.create_task(Relay(world.ringback.work, [way], world.ringback.relay.news).run())
    yield
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_customer_whose_end_is_long_holds_up_no_other(world: World, operator: httpx.AsyncClient) -> None:
    slow, quick = [(await made(operator))["id"] for _ in range(2)]
    ended = {slow: asyncio.Event(), quick: asyncio.Event()}
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def heard(work: Work[Uow], id: UUID, at: datetime) -> None:
        if str(id) == slow:
            begun.set()
            await may_end.wait()
        ended[str(id)].set()

    async with followed(world, heard), asyncio.timeout(ENOUGH):
        assert (await operator.delete(f"{ROOT}/{slow}")).is_success
        await begun.wait()
        assert (await operator.delete(f"{ROOT}/{quick}")).is_success
        await ended[quick].wait()
        assert not ended[slow].is_set()
        may_end.set()
        await ended[slow].wait()


async def test_an_end_that_a_stop_interrupts_is_gone_on_with(world: World, operator: httpx.AsyncClient) -> None:
    customer = (await made(operator, domain_label="acme"))["id"]
    begun, interrupted = asyncio.Event(), asyncio.Event()

    async def heard(work: Work[Uow], id: UUID, at: datetime) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            interrupted.set()

    async with followed(world, heard), asyncio.timeout(ENOUGH):
        assert (await operator.delete(f"{ROOT}/{customer}")).is_success
        await begun.wait()
    assert interrupted.is_set()
    assert realm(world, UUID(customer))

    await cascade.resume(world.ringback.work)
    assert realm(world, UUID(customer)) is None


async def a_known_customer(world: World, operator: httpx.AsyncClient) -> None:
    """Everything of theirs says who they are, and some of it has ended already."""
    await world.name(MARK, f"{MARK}@acme.example", detail=f"the {MARK}", domain_label=MARK.lower())
    async with await world.http() as http:
        asked = {"name": f"key of {MARK}", "roles": ["viewer"]}
        assert (await http.post("/v1.0/accesskeys", json=asked)).status_code == 201
        assert (await http.patch(OWN, json={"detail": f"{MARK} again"})).status_code == 200
        phone = {"extension": f"{MARK}1", "username": f"{MARK}2", "name": MARK, "detail": MARK, "direct": True}
        line = {"domain_name": f"{MARK}.example", "auth_types": ["basic"], "username": MARK, "name": MARK}
        for place, body in (("/v1.0/extensions", phone), ("/v1.0/trunks", line)):
            one = (await http.post(place, json=body, headers={"idempotency-key": f"once-{place}"})).json()
            assert (await http.delete(f"{place}/{one['id']}")).status_code == 200
            one = (await http.post(place, json=body)).json()
            if place == "/v1.0/extensions":
                world.register(f"{MARK}1@{one['realm']}", user_agent=MARK)
                await world.ringback.feed.once()
    await world.inbox.take(
        msgspec.json.encode(
            {
                "publisher": "customer-manager",
                "type": "customer_created",
                "data": {"id": "x", "of": str(world.customer), "name": MARK},
            }
        )
    )


def mentions(world: World) -> dict[str, list[str]]:
    """Where the mark stands: table → columns."""
    found: dict[str, set[str]] = {}
    for table, rows in world.everything().items():
        for row in rows:
            for column, value in row.items():
                if MARK.lower() in str(value).lower():
                    found.setdefault(table, set()).add(column)
    return {table: sorted(columns) for table, columns in found.items()}


async def test_in_the_end_nothing_says_who_they_were(world: World, operator: httpx.AsyncClient) -> None:
    await a_known_customer(world, operator)
    other = await made(operator, name="Other")
    before = mentions(world)

    await operator.delete(f"{ROOT}/{world.customer}")
    while await world.ringback.relay.publish_waiting():
        pass
    soon = mentions(world)
    world.wait(KEEP.total_seconds() + 60)
    await world.ringback.relay.prune()

    assert {"ringback_customers", "registrar_accesskeys", "registrar_trunks", "registrar_dead_events"} <= before.keys()
    assert before["registrar_extensions"] == [
        "aor_id", "auth_id", "detail", "domain_name", "endpoint_id", "extension", "name", "realm", "username",
    ]  # fmt: skip
    assert soon.keys() - SHORT_LIVED - UNTIL_GONE == set(), soon
    assert mentions(world).keys() - UNTIL_GONE == set()
    for table in ("registrar_extensions", "registrar_trunks"):
        rows = [row for row in world.everything()[table] if row["customer_id"] == world.customer.bytes]
        assert [(row["ha1"], row["ha1_sha256"], row["password"]) for row in rows] == [(None, None, None)] * 2, table
    assert (await operator.get(f"{ROOT}/{other['id']}")).json()["name"] == "Other"


SHORT_LIVED: Final = {"registrar_outbox", "registrar_idempotency_keys"}
"""Tables whose rows are forgotten a day after they were of use."""
UNTIL_GONE: Final = {"registrar_stale_keys"}
"""Keys in another's cache, which are forgotten once they are gone from there."""


async def test_one_whom_others_keep_is_forgotten_too(world: World, operator: httpx.AsyncClient) -> None:
    await a_known_customer(world, operator)

    assert await world.tell("customer_deleted")

    assert mentions(world).keys() - SHORT_LIVED - UNTIL_GONE == set()
    (row,) = world.sql("SELECT tm_delete FROM ringback_customers")
    assert row["tm_delete"]
    assert (await operator.get(f"{ROOT}/{world.customer}")).status_code == 404


def fails_to_empty_trunks(statement: Statement) -> None:
    if repr(statement).startswith("UPDATE own.registrar_trunks") and " IN (" in repr(statement):
        raise Broken


async def test_a_kill_before_the_last_step_is_made_up_for_by_the_reconciler(
    world: World, operator: httpx.AsyncClient
) -> None:
    await a_known_customer(world, operator)
    await operator.delete(f"{ROOT}/{world.customer}")
    world.before_statement = fails_to_empty_trunks
    with pytest.raises(Broken):
        await cascade.end(world.ringback.work, world.customer)
    world.heal()
    assert (left(world), mentions(world).keys() - SHORT_LIVED != set()) == (0, True)

    await cascade.resume(world.ringback.work)

    assert mentions(world).keys() - SHORT_LIVED - UNTIL_GONE == set()
    world.statements.clear()
    await cascade.resume(world.ringback.work)
    assert len(world.statements) == 1
