"""Limits that billing-manager knows: it is asked before each create, and it asks us first (registrar 17)."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from ringback.kit.db import Conflict
from ringback.kit.errors import PeerUnavailable
from ringback.kit.gate import Gate
from ringback.kit.peer import TIMEOUT as CALLER
from ringback.kit.peer import Peer
from ringback.kit.uow import PATIENCE as REQUEST
from ringback.registrar.billing import BILLING, PATIENCE, TIMEOUT, Billing
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Status
from tests.billing import billed, said
from tests.patience import ENOUGH
from tests.world import MakeWorld, Reply, World

URI = "/v1/accounts/is_valid_resource_limit_by_customer_id"
KINDS = ["extension", "trunk"]
TYPED = "voipbin_error"


async def create(world: World, kind: str, number: int = 1, **more: Any) -> Reply:
    asked = world.asked(str(1000 + number)) if kind == "extension" else world.asked_trunk(f"carrier{number}")
    return await world.rpc("POST", f"/v1/{kind}s", asked, **more)


async def rejected(world: World, kind: str, number: int = 1) -> tuple[int, str]:
    """How a create was refused that left nothing behind."""
    before = world.everything()
    reply = await create(world, kind, number)
    assert world.everything() == before
    return reply.status_code, reply.reason


# ---- what is asked ----------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-71")
@pytest.mark.parametrize("kind", KINDS)
async def test_each_create_is_asked_for_once_under_the_callers_request_id(make_world: MakeWorld, kind: str) -> None:
    world, billing = await billed(make_world)

    assert (await create(world, kind, request_id="req_mine")).status_code == 200

    (asked,) = billing.asked
    assert asked == {
        "uri": URI,
        "method": "POST",
        "publisher": "registrar-manager",
        "data_type": "application/json",
        "data": {"customer_id": str(world.customer), "resource_type": kind},
        "request_id": "req_mine",
    }


async def test_nothing_but_a_create_is_asked_for(make_world: MakeWorld) -> None:
    world, billing = await billed(make_world)
    extension = (await create(world, "extension")).data["id"]
    trunk = (await create(world, "trunk")).data["id"]
    billing.asked.clear()

    for kind, id in (("extension", extension), ("trunk", trunk)):
        assert (await world.rpc("PUT", f"/v1/{kind}s/{id}", {"name": "new"})).status_code == 200
        assert (await world.rpc("GET", f"/v1/{kind}s/{id}")).status_code == 200
        assert (await world.rpc("DELETE", f"/v1/{kind}s/{id}")).status_code == 200

    assert billing.asked == []


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_not_understood_is_refused_before_anybody_is_asked(make_world: MakeWorld, kind: str) -> None:
    world, billing = await billed(make_world)

    reply = await world.rpc("POST", f"/v1/{kind}s", {"customer_id": str(world.customer)})

    assert reply.refusal == (400, "VALIDATION_FAILED")
    assert billing.asked == []


async def test_without_that_setting_nobody_is_asked(world: World) -> None:
    assert world.ringback.billing is None
    assert [(await create(world, kind)).status_code for kind in KINDS] == [200, 200]


# ---- what it says -----------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-71")
@pytest.mark.parametrize("kind", KINDS)
async def test_no_room_is_the_same_refusal_as_with_limits_of_our_own(make_world: MakeWorld, kind: str) -> None:
    world, billing = await billed(make_world)
    billing.most = 1
    assert (await create(world, kind)).status_code == 200

    assert await rejected(world, kind, 2) == (429, "RESOURCE_LIMIT_EXCEEDED")

    assert (await create(world, kind, 2)).refusal == (429, "RESOURCE_LIMIT_EXCEEDED")
    (id,) = [row["id"] for row in (await world.rpc("GET", f"/v1/{kind}s", {"customer_id": str(world.customer)})).data]
    await world.rpc("DELETE", f"/v1/{kind}s/{id}")
    assert (await create(world, kind, 2)).status_code == 200


@pytest.mark.contract("registrar R-71")
async def test_limits_of_our_own_say_nothing_then(make_world: MakeWorld) -> None:
    world, billing = await billed(make_world, limit_extension_default=1)
    await world.ringback.work.write(lambda uow: realms.set_limits(uow, world.customer, trunk=1))

    assert [(await create(world, kind, number)).status_code for kind in KINDS for number in range(3)] == [200] * 6


@pytest.mark.contract("registrar R-28")
@pytest.mark.parametrize(
    ("status", "reason"), [(Status.FROZEN, "CUSTOMER_FROZEN"), (Status.DELETED, "CUSTOMER_DELETED")]
)
async def test_a_customer_who_may_not_gets_nothing_whatever_it_says(
    make_world: MakeWorld, status: Status, reason: str
) -> None:
    world, _ = await billed(make_world)
    await world.set_status(status)

    assert [(await create(world, kind)).refusal for kind in KINDS] == [(409, reason)] * 2


@pytest.mark.contract("registrar R-71")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("code", "data"),
    [
        (
            402,
            {
                "status": "PAYMENT_REQUIRED",
                "reason": "BALANCE_EMPTY",
                "domain": "billing-manager",
                "message": "The balance is empty.",
            },
        ),
        (
            404,
            {
                "status": "NOT_FOUND",
                "reason": "ACCOUNT_NOT_FOUND",
                "domain": "account-manager",
                "message": "There is no such account.",
                "details": [{"field": "customer_id", "description": "has no account"}],
            },
        ),
        (
            503,
            {
                "status": "UNAVAILABLE",
                "reason": "DATABASE_UNAVAILABLE",
                "domain": "billing-manager",
                "message": "The database does not answer.",
            },
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
async def test_a_typed_error_is_passed_on_as_it_is(
    make_world: MakeWorld, kind: str, code: int, data: dict[str, Any]
) -> None:
    world, billing = await billed(make_world)
    billing.answer = said(data, code, TYPED)

    assert await rejected(world, kind) == (code, data["reason"])
    assert (await create(world, kind)).raw == {"status_code": code, "data_type": TYPED, "data": data}


async def test_a_typed_error_that_names_no_domain_gets_ours(make_world: MakeWorld) -> None:
    world, billing = await billed(make_world)
    billing.answer = said({"status": "PAYMENT_REQUIRED", "reason": "X", "message": "No."}, 402, TYPED)

    reply = await create(world, "extension")

    assert (reply.status_code, reply.reason, reply.data["domain"]) == (402, "X", "registrar-manager")


@pytest.mark.contract("registrar R-71")
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"yes",
        b"null",
        b'{"status_code":200,"data_type":""}',
        said({}),
        said({"valid": None}),
        said({"valid": "true"}),
        said({"valid": 1}),
        said([True]),
        said("valid"),
        b'{"status_code":405,"data_type":""}',
        b'{"status_code":404,"data_type":""}',
        b'{"status_code":500,"data_type":""}',
        said({"valid": True}, 500),
        said("no JSON", 404, TYPED),
    ],
    ids=lambda answer: answer.decode()[:60],
)
async def test_what_is_neither_yes_nor_no_writes_nothing(make_world: MakeWorld, answer: bytes) -> None:
    world, billing = await billed(make_world)
    billing.answer = answer

    assert [await rejected(world, kind) for kind in KINDS] == [(503, "PEER_UNAVAILABLE")] * 2
    assert (await create(world, "extension")).refusal == (503, "PEER_UNAVAILABLE")


async def test_a_word_that_is_json_in_a_string_is_a_word(make_world: MakeWorld) -> None:
    world, billing = await billed(make_world)
    billing.answer = said('{"valid":false,"more":1}')

    assert await rejected(world, "extension") == (429, "RESOURCE_LIMIT_EXCEEDED")


# ---- silence ----------------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-71")
@pytest.mark.parametrize("kind", KINDS)
async def test_silence_writes_nothing_and_after_five_of_them_nobody_is_asked_until_a_probe_is_answered(
    make_world: MakeWorld, kind: str
) -> None:
    world, billing = await billed(make_world)
    billing.is_silent = True

    assert [await rejected(world, kind) for _ in range(8)] == [(503, "PEER_UNAVAILABLE")] * 8

    assert len(billing.asked) == 5
    assert f'registrar_manager_circuitbreaker_state{{target="{BILLING}"}} 1.0' in world.metrics()
    assert f'registrar_manager_circuitbreaker_rejected_total{{target="{BILLING}"}} 3.0' in world.metrics()
    billing.is_silent = False
    assert await rejected(world, kind) == (503, "PEER_UNAVAILABLE")
    world.wait(30)
    assert (await create(world, kind)).status_code == 200
    assert len(billing.asked) == 6
    labels = f'method="POST",resource="{URI}",target="{BILLING}"'
    assert f"registrar_manager_request_process_time_count{{{labels}}} 6.0" in world.metrics()
    assert f'registrar_manager_circuitbreaker_state{{target="{BILLING}"}} 0.0' in world.metrics()


def test_each_waits_longer_than_whom_it_waits_for() -> None:
    """A caller longer than a request, a request longer than a create that waits in line, that one than a reply."""
    assert CALLER > REQUEST > PATIENCE > TIMEOUT


async def test_who_waits_in_line_for_too_long_was_not_asked_for() -> None:
    sent: list[bytes] = []

    async def send(target: str, envelope: bytes, seconds: float) -> bytes:
        sent.append(envelope)
        return said({"valid": True})

    gate = Gate(1)
    billing = Billing(Peer(send, BILLING, "test"), gate, patience=0.01)
    async with gate, asyncio.timeout(ENOUGH):
        with pytest.raises(PeerUnavailable):
            await billing.require_room("extension", uuid4())
    assert (sent, gate.waiting) == ([], 0)

    await billing.require_room("extension", uuid4())
    assert len(sent) == 1


async def test_a_reply_that_had_less_than_its_time_is_no_silence_for_the_breaker() -> None:
    sent: list[bytes] = []

    async def send(target: str, envelope: bytes, seconds: float) -> bytes:
        sent.append(envelope)
        await asyncio.Event().wait()
        raise AssertionError

    billing = Billing(Peer(send, BILLING, "test"), Gate(1), patience=0.01)
    for _ in range(7):
        with pytest.raises(PeerUnavailable):
            await billing.require_room("trunk", uuid4())
    assert len(sent) == 7


# ---- while it thinks --------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-71")
@pytest.mark.parametrize("kind", KINDS)
async def test_while_it_thinks_others_write(make_world: MakeWorld, kind: str) -> None:
    world, billing = await billed(make_world)
    there = (await create(world, "extension", 7)).data["id"]
    await billing.arrived.acquire()
    billing.open.clear()
    creating = asyncio.ensure_future(create(world, kind))
    await asyncio.wait_for(billing.arrived.acquire(), ENOUGH)

    assert (await world.rpc("PUT", f"/v1/extensions/{there}", {"name": "new"})).status_code == 200
    assert (await world.rpc("DELETE", f"/v1/extensions/{there}")).status_code == 200

    billing.open.set()
    assert (await creating).status_code == 200


@pytest.mark.contract("registrar R-71")
async def test_half_of_all_requests_may_wait_for_it_and_the_others_follow_in_turn(make_world: MakeWorld) -> None:
    world, billing = await billed(make_world, rpc_prefetch=6)
    billing.open.clear()
    assert world.ringback.billing
    gate, all_there = world.ringback.billing.gate, asyncio.Event()
    gate.watch(lambda waiting: all_there.set() if waiting == 10 else None)
    creating = [asyncio.ensure_future(create(world, kind, number)) for number, kind in enumerate(KINDS * 5)]
    await asyncio.wait_for(all_there.wait(), ENOUGH)
    for _ in range(3):
        await billing.arrived.acquire()
    assert billing.arrived.locked()
    billing.open.set()

    replies = await asyncio.gather(*creating)

    assert Counter(reply.status_code for reply in replies) == {200: 10}
    assert (billing.crowd, len(billing.asked), gate.waiting) == (3, 10, 0)


async def test_a_transaction_that_is_tried_again_does_not_ask_again(make_world: MakeWorld) -> None:
    world, billing = await billed(make_world)
    number = len(await statements_of(world, lambda: create(world, "extension"))) // 2
    billing.asked.clear()
    world.fail_at(number, Conflict())

    statements = await statements_of(world, lambda: create(world, "extension", 2))

    assert len(statements) > number * 2
    assert len(billing.asked) == 1
    assert len(world.sql("SELECT id FROM registrar_extensions")) == 2


# ---- other doors ------------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-71")
async def test_rest_asks_as_well(make_world: MakeWorld) -> None:
    world, billing = await billed(make_world)
    trunk = {"domain_name": "a1", "auth_types": ["ip"], "allowed_ips": ["203.0.113.7"]}
    bodies: dict[str, dict[str, Any]] = {"extensions": {"extension": "1001"}, "trunks": trunk}
    async with await world.http() as http:
        for kind, body in bodies.items():
            made = await http.post(f"/v1.0/{kind}", json=body, headers={"x-request-id": "req_rest"})
            assert made.status_code == 201
            assert billing.asked.pop()["request_id"] == "req_rest"
        billing.most = 0
        full = await http.post("/v1.0/extensions", json={"extension": "1002"})
        billing.answer = said({"status": "PAYMENT_REQUIRED", "reason": "BALANCE_EMPTY", "message": "No."}, 402, TYPED)
        unpaid = await http.post("/v1.0/extensions", json={"extension": "1002"})
        billing.answer = b"?"
        unknown = await http.post("/v1.0/extensions", json={"extension": "1002"})

    refusals = [(one.status_code, one.json()["error"]["reason"]) for one in (full, unpaid, unknown)]
    assert refusals == [(429, "RESOURCE_LIMIT_EXCEEDED"), (402, "BALANCE_EMPTY"), (503, "PEER_UNAVAILABLE")]
    assert len(world.sql("SELECT id FROM registrar_extensions")) == 1


# ---- tools ------------------------------------------------------------------------------------------------------


async def statements_of(world: World, do: Callable[[], Awaitable[Reply]]) -> list[object]:
    """What was said to the database for a request that was granted."""
    before = len(world.statements)
    assert (await do()).status_code == 200
    return list(world.statements[before:])
