"""Requests over a real RabbitMQ: declared, taken, answered, acknowledged and given back (registrar 2)."""

import asyncio
import json
import sys
from collections import Counter
from itertools import count
from typing import Any

import pika
import pytest

from ringback.kit.gate import Gate
from ringback.transports import amqp
from ringback.transports.amqp.address import Address
from ringback.transports.amqp.channel import BasicProperties
from ringback.transports.amqp.connection import Connection
from tests.live.amqp import ENVELOPE, OK, SERVICE, UPSTREAM, Peer, ok, reason, serving, until_count
from tests.live.conftest import ROOT
from tests.patience import ENOUGH
from tests.servers.fixtures import MakeVhost
from tests.servers.rabbitmq import RabbitMq
from tests.world import MakeWorld

pytestmark = pytest.mark.process

LONGEST = 1 << 20


@pytest.fixture
def vhost(make_vhost: MakeVhost) -> str:
    return make_vhost()


@pytest.fixture
def url(rabbitmq: RabbitMq, vhost: str) -> str:
    return rabbitmq.url(vhost)


async def never(body: bytes) -> bytes:
    await asyncio.Event().wait()
    raise AssertionError


# ---- what is declared -------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-1", "registrar R-2")
async def test_queues_and_exchanges_are_declared_as_the_contract_has_them(
    rabbitmq: RabbitMq, vhost: str, url: str
) -> None:
    broker = amqp.Broker(url, SERVICE)
    broker.publishing()
    broker.serve(ok)
    broker.follow(ok)
    await broker.start()

    kinds = ("queues", "exchanges", "bindings", "consumers", "channels")
    found = {kind: await asyncio.to_thread(rabbitmq.listed, kind, vhost) for kind in kinds}
    await broker.close()

    durable = {"durable": True, "auto_delete": False, "arguments": {}}
    queues = {one["name"]: one for one in found["queues"]}
    assert queues.keys() == {SERVICE.requests, SERVICE.subscription}
    for one in queues.values():
        assert one.items() >= {**durable, "exclusive": False}.items()
    exchanges = {one["name"]: one for one in found["exchanges"] if one["name"] and not one["name"].startswith("amq.")}
    assert exchanges.keys() == {SERVICE.events, UPSTREAM}
    for one in exchanges.values():
        assert one.items() >= {**durable, "type": "fanout", "internal": False}.items()
    bindings = [one for one in found["bindings"] if one["source_name"]]
    assert [(one["source_name"], one["destination_name"], one["routing_key"]) for one in bindings] == [
        (UPSTREAM, SERVICE.subscription, "")
    ]
    assert sorted(one["prefetch_count"] for one in found["channels"]) == [0, 10, 32]
    assert {one["confirm"] for one in found["channels"] if not one["prefetch_count"]} == {True}
    assert {one["queue_name"] for one in found["consumers"]} == queues.keys()
    for one in found["consumers"]:
        assert (one["consumer_tag"], one["ack_required"]) == (SERVICE.service, True)


@pytest.mark.contract("registrar R-1")
async def test_what_a_go_peer_has_declared_is_taken_as_it_is(url: str) -> None:
    async with Peer.at(url) as peer:
        for name in (SERVICE.requests, SERVICE.subscription):
            await peer.channel.declare_queue(name, durable=True, exclusive=False, auto_delete=False, arguments=None)
        for name in (SERVICE.events, UPSTREAM):
            await peer.channel.declare_exchange(name, "fanout", durable=True, auto_delete=False, internal=False)
        await peer.tell(SERVICE.requests, ENVELOPE, reply_to=peer.replies.name)

        broker = amqp.Broker(url, SERVICE)
        broker.publishing()
        broker.serve(ok)
        broker.follow(ok)
        await broker.start()

        assert broker.is_serving
        assert (await peer.other.get()).body == OK
        for name in (SERVICE.requests, SERVICE.subscription):
            await peer.channel.declare_queue(name, durable=True)
        for name in (SERVICE.events, UPSTREAM):
            await peer.channel.declare_exchange(name, "fanout", durable=True)
        await broker.close()


# ---- answers ----------------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-4")
async def test_a_reply_finds_its_caller_and_has_the_form_that_go_reads(url: str, make_world: MakeWorld) -> None:
    world = make_world()
    count_of = world.envelope("GET", "/v1/extensions/count_by_customer", {"customer_id": str(world.customer)})
    lists = world.envelope("GET", "/v1/extensions", {"customer_id": str(world.customer), "deleted": False})
    refreshed = world.envelope("PUT", "/v1/contacts", {"customer_id": str(world.customer), "extension": "1001"})
    created = world.envelope("POST", "/v1/extensions", world.asked())
    async with serving(url, world.ringback.rpc.serve), Peer.at(url) as peer:
        for body in (created, count_of):
            reply = await peer.ask_as_go(body)
            assert (reply.correlation_id, reply.content_type) == (None, "text/plain")
            assert reply.delivery_mode.value == 1
            assert type(json.loads(reply.body)["data"]) is dict
        assert json.loads(reply.body) == {"status_code": 200, "data_type": "application/json", "data": {"count": 1}}
        assert type(json.loads(await peer.ask(lists))["data"]) is list
        assert json.loads(await peer.ask(refreshed)) == {"status_code": 200, "data_type": ""}
        await peer.tell(SERVICE.requests, count_of, correlation_id="\u00fc/1", reply_to=peer.replies.name)
        assert (await peer.other.get()).correlation_id == "\u00fc/1"


@pytest.mark.contract("registrar R-4")
async def test_without_a_way_back_a_request_is_done_and_nothing_is_said(url: str) -> None:
    seen = []

    async def serve(body: bytes) -> bytes:
        seen.append(body)
        return OK

    async with serving(url, serve), Peer.at(url) as peer:
        await peer.tell(SERVICE.requests, b"1")
        await peer.tell(SERVICE.requests, b"2", reply_to="")
        await peer.tell(SERVICE.requests, b"3", reply_to="nobody.is.there", correlation_id="x")
        await peer.ask(b"4")

        assert seen == [b"1", b"2", b"3", b"4"]
        assert peer.other.empty()
        await until_count(peer, SERVICE.requests, (0, 1))


@pytest.mark.contract("registrar R-9")
async def test_what_is_no_envelope_gets_a_typed_400_and_the_next_one_is_answered(
    url: str, make_world: MakeWorld
) -> None:
    world = make_world()
    good = world.envelope("GET", "/v1/extensions/count_by_customer", {"customer_id": str(world.customer)})
    bad = [
        *(b"", b"{", b"null", b"[]", b"1", b'"x"', b"{}", b"\xff\xfe\x00", b'{"uri":1,"method":"GET"}', b"[" * 100_000),
        *(b" " * LONGEST, b"\x00" * LONGEST, b"\x00" * (LONGEST + 1), b" " * (8 * LONGEST)),
        b'{"uri":"/v1/extensions","method":"GET","x":"' + b"x" * LONGEST + b'"}',
    ]
    async with serving(url, world.ringback.rpc.serve), Peer.at(url) as peer:
        for body in bad:
            assert reason(await peer.ask(body)) == (400, "INVALID_JSON_BODY")
            assert reason((await peer.ask_as_go(body)).body) == (400, "INVALID_JSON_BODY")
            await peer.tell(SERVICE.requests, body)
            assert json.loads(await peer.ask(good))["data"] == {"count": 0}
        await until_count(peer, SERVICE.requests, (0, 1))
        assert peer.other.empty()


@pytest.mark.contract("registrar R-9")
async def test_a_hundred_exceptions_in_a_row_are_a_hundred_typed_500_without_internals(
    url: str, make_world: MakeWorld
) -> None:
    world = make_world()
    good = world.envelope("GET", "/v1/extensions/count_by_customer", {"customer_id": str(world.customer)})
    fails = count(1)

    async def serve(body: bytes) -> bytes:
        """Fails on the way to the service, or within it."""
        number = next(fails)
        if number % 2:
            raise RuntimeError("mysql://user:MARK@database")
        world.fail_at(0, RuntimeError("mysql://user:MARK@database"))
        return await world.ringback.rpc.serve(body)

    async with serving(url, serve), Peer.at(url) as peer:
        for _ in range(100):
            answer = await peer.ask(good)
            assert reason(answer) == (500, "INTERNAL")
            assert b"MARK" not in answer
            assert b"mysql" not in answer
        assert next(fails) == 101
    async with serving(url, world.ringback.rpc.serve), Peer.at(url) as peer:
        assert json.loads(await peer.ask(good))["data"] == {"count": 0}


@pytest.mark.contract("registrar R-9")
async def test_headers_that_our_library_cannot_decode_keep_nobody_from_being_answered(url: str) -> None:
    seen: list[bytes] = []

    async def serve(body: bytes) -> bytes:
        seen.append(body)
        return OK

    async with serving(url, serve), Peer.at(url) as peer:
        for body, table in ((b"1", b"\x04zeroT" + (2**64 - 62135596800).to_bytes(8)), (b"2", b"\x01fT" + b"\x7f" * 8)):
            await asyncio.to_thread(publish_raw, url, body, table, peer.replies.name)
            assert (await asyncio.wait_for(peer.other.get(), ENOUGH)).body == OK
        assert await peer.ask(b"3") == OK

        assert seen == [b"1", b"2", b"3"]


async def test_a_reply_may_be_long(url: str) -> None:
    async def serve(body: bytes) -> bytes:
        return body * 8

    async with serving(url, serve), Peer.at(url) as peer:
        body = bytes(range(256)) * 4096
        assert await peer.ask(body) == body * 8


async def test_thousands_of_requests_are_each_answered_once(url: str) -> None:
    seen: Counter[bytes] = Counter()

    async def serve(body: bytes) -> bytes:
        seen[body] += 1
        await asyncio.sleep(0)
        return body

    async with Peer.at(url) as peer:
        await peer.channel.declare_queue(SERVICE.requests, durable=True)
        early = [asyncio.create_task(peer.ask(b"early %d" % number)) for number in range(500)]
        await until_count(peer, SERVICE.requests, (500, 0))
        async with serving(url, serve), serving(url, serve):
            late = [asyncio.create_task(peer.ask(b"late %d" % number)) for number in range(2000)]

            replies = await asyncio.gather(*early, *late)

    assert replies == [b"early %d" % number for number in range(500)] + [b"late %d" % number for number in range(2000)]
    assert seen == Counter(replies)


# ---- acknowledged when answered ---------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-5")
async def test_a_request_is_acknowledged_when_it_has_been_answered_and_not_before(
    rabbitmq: RabbitMq, vhost: str, url: str
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def serve(body: bytes) -> bytes:
        begun.set()
        await go_on.wait()
        return OK

    async def unacknowledged() -> int:
        queues = await asyncio.to_thread(rabbitmq.listed, "queues", vhost)
        return next(int(one["messages_unacknowledged"]) for one in queues if one["name"] == SERVICE.requests)

    async with serving(url, serve), Peer.at(url) as peer:
        asked = asyncio.create_task(peer.ask())
        await begun.wait()
        assert await unacknowledged() == 1
        assert not asked.done()

        go_on.set()

        assert await asked == OK
        async with asyncio.timeout(ENOUGH):
            while await unacknowledged():
                pass


@pytest.mark.contract("registrar R-5")
async def test_what_a_killed_process_had_in_hand_is_answered_by_another(url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.live.amqp_server", url), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout
    try:
        async with Peer.at(url) as peer:
            assert await process.stdout.readline() == b"serving\n"
            asked = [asyncio.create_task(peer.ask(b"%d" % number)) for number in range(20)]
            taken = {await process.stdout.readline() for _ in asked}
            assert taken == {b"%d\n" % number for number in range(20)}

            process.kill()
            await process.wait()

            async with serving(url, echo):
                assert await asyncio.gather(*asked) == [b"%d" % number for number in range(20)]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.contract("registrar R-7")
async def test_who_waits_no_longer_is_not_served_and_who_never_said_is(url: str) -> None:
    """Each look at the clock is three seconds after the last: at the receipt of a request, and before its work."""
    clock, seen = count(0, 3), list[bytes]()

    async def serve(body: bytes) -> bytes:
        seen.append(body)
        return OK

    async with Peer.at(url) as peer:
        await peer.channel.declare_queue(SERVICE.requests, durable=True)
        for body, milliseconds in ((b"late", 2), (b"in time", 3600), (b"without", None), (b"late too", 2.9)):
            await peer.tell(SERVICE.requests, body, expiration=milliseconds)
        async with serving(url, serve, clock=lambda: next(clock)):
            assert await peer.ask(b"last") == OK

            assert seen == [b"in time", b"without", b"last"]
            await until_count(peer, SERVICE.requests, (0, 1))
        assert await peer.count(SERVICE.requests) == (0, 0)


# ---- the end ----------------------------------------------------------------------------------------------------


async def test_the_end_answers_what_is_in_hand_and_leaves_the_rest_in_the_queue(url: str) -> None:
    begun, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def serve(body: bytes) -> bytes:
        begun.release()
        await go_on.wait()
        return body

    async with Peer.at(url) as peer:
        async with serving(url, serve, prefetch=4) as broker:
            asked = [asyncio.create_task(peer.ask(b"%d" % number)) for number in range(10)]
            for _ in range(4):
                await begun.acquire()
            draining = asyncio.create_task(broker.drain(5))
            await until_count(peer, SERVICE.requests, (6, 0))
            assert not broker.is_serving
            assert not any(one.done() for one in asked)
            go_on.set()
            await draining
            answered = await asyncio.gather(*asked[:4])
            assert answered == [b"0", b"1", b"2", b"3"]
        assert await peer.count(SERVICE.requests) == (6, 0)
        assert begun.locked()

        async with serving(url, echo):
            assert await asyncio.gather(*asked[4:]) == [b"4", b"5", b"6", b"7", b"8", b"9"]


async def test_the_end_waits_no_longer_than_it_may_and_gives_back_what_is_not_done(url: str) -> None:
    async with Peer.at(url) as peer:
        async with serving(url, never, drain=0.1):
            asked = [asyncio.create_task(peer.ask(b"%d" % number)) for number in range(3)]
            await until_count(peer, SERVICE.requests, (0, 1))
        await until_count(peer, SERVICE.requests, (3, 0))

        async with serving(url, echo):
            assert await asyncio.gather(*asked) == [b"0", b"1", b"2"]


# ---- requests that wait for others ------------------------------------------------------------------------------


async def test_requests_that_wait_for_a_peer_leave_room_for_those_that_it_needs(url: str) -> None:
    """The peer asks back, over the queue that is full of those who wait for it."""
    gate, within, most = Gate(16), 0, 0
    broker = amqp.Broker(url, SERVICE)
    send = broker.asking()

    async def serve(body: bytes) -> bytes:
        nonlocal within, most
        if body == b"create":
            async with gate:
                within += 1
                most = max(most, within)
                answer = await send("billing", b"may they?", 2.0)
                within -= 1
                return answer
        return b"7 of them"

    broker.serve(serve, prefetch=32, gate=gate)
    await broker.start()
    async with Peer.at(url) as peer, Peer.at(url) as billing:
        queue = await billing.channel.declare_queue("billing", auto_delete=True)

        async def on_question(message: Any) -> None:
            async with message.process():
                answer = await billing.ask(b"count")
                await billing.tell(message.reply_to, b"yes, " + answer, correlation_id=message.correlation_id)

        await queue.consume(on_question)
        seen = set()
        for _ in range(3):
            asked = [asyncio.create_task(peer.ask(b"create")) for _ in range(64)]
            while not all(one.done() for one in asked):
                seen.add((await peer.count(SERVICE.requests))[1])
            assert {one.result() for one in asked} == {b"yes, 7 of them"}

        assert most == 16
        assert max(seen) > 1
        await until_count(peer, SERVICE.requests, (0, 1))
        assert await peer.ask(b"create") == b"yes, 7 of them"
    await broker.drain(1)
    await broker.close()


# ---- tools ------------------------------------------------------------------------------------------------------


async def echo(body: bytes) -> bytes:
    return body


class Raw(pika.BasicProperties):  # type: ignore[misc]
    """Properties with a header table of any bytes, and a way back."""

    def __init__(self, table: bytes, reply_to: str) -> None:
        self.table, self.way = table, reply_to.encode()

    def encode(self) -> list[bytes]:
        flags = pika.BasicProperties.FLAG_HEADERS | pika.BasicProperties.FLAG_REPLY_TO
        way = bytes([len(self.way)]) + self.way
        return [flags.to_bytes(2), len(self.table).to_bytes(4), self.table, way]


def publish_raw(url: str, body: bytes, table: bytes, reply_to: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().basic_publish("", SERVICE.requests, body, Raw(table, reply_to))


async def test_all_that_is_said_in_one_turn_of_the_loop_leaves_in_one_piece(url: str) -> None:
    connection = await Connection.open(Address.parse(url), "test")
    channel = await connection.channel()
    queue = await channel.declare_own_queue()
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    await channel.consume(queue, "tag", lambda tag, properties, body: heard.put_nowait(body), auto_ack=True)
    wire = connection._wire
    before = wire.frames_sent

    for number in range(50):
        channel.publish("", queue, str(number).encode(), BasicProperties())
    came = [await heard.get() for _ in range(50)]
    pieces = wire.frames_sent - before
    await connection.close()

    assert came == [str(number).encode() for number in range(50)]
    assert pieces == 1
