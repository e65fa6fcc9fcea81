"""Events over a real RabbitMQ: ours to others, others' to us (registrar 2.1, 15)."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from ringback.kit.errors import BrokerUnavailable
from ringback.transports import amqp
from ringback.transports.amqp import Publishing
from tests.live.amqp import SERVICE, UPSTREAM, Peer, event, serving, until_count
from tests.live.conftest import until
from tests.patience import ENOUGH
from tests.servers.fixtures import MakeVhost
from tests.servers.rabbitmq import RabbitMq
from tests.world import MakeWorld

pytestmark = pytest.mark.process


@pytest.fixture
def vhost(make_vhost: MakeVhost) -> str:
    return make_vhost()


@pytest.fixture
def url(rabbitmq: RabbitMq, vhost: str) -> str:
    return rabbitmq.url(vhost)


@pytest_asyncio.fixture
async def bus(url: str) -> AsyncIterator[Publishing]:
    broker = amqp.Broker(url, SERVICE)
    bus = broker.publishing()
    await broker.start()
    yield bus
    await broker.close()


async def ignored(body: bytes) -> None: ...


# ---- ours -------------------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-66")
async def test_an_event_has_four_keys_and_says_who_and_which_it_is(
    rabbitmq: RabbitMq, vhost: str, url: str, bus: Publishing, make_world: MakeWorld
) -> None:
    world = make_world(bus=bus)
    async with Peer.at(url) as peer:
        queue = await peer.listen(SERVICE.events)
        extension = await world.create("1001", direct=True)
        await world.rpc("PUT", f"/v1/extensions/{extension['id']}", {"password": "another-one-1"})
        await world.rpc("DELETE", f"/v1/extensions/{extension['id']}")

        sent = await world.ringback.relay.publish_waiting()

        got = [await queue.get(no_ack=True) for _ in range(sent)]
        rows = world.everything()["registrar_outbox"]
        assert sent == len(rows) == 5
        for message, row in zip(got, rows, strict=True):
            assert (message.routing_key, message.exchange) == ("", SERVICE.events)
            assert (message.message_id, message.content_type) == (str(row["id"]), "text/plain")
            assert message.delivery_mode == 2
            raw = json.loads(message.body)
            assert list(raw) == ["type", "publisher", "data_type", "data"]
            assert (raw["type"], raw["publisher"]) == (row["event_type"], "registrar-manager")
            assert raw["data_type"] == "application/json"
            assert "password" not in raw["data"]
        assert await peer.count(queue.name) == (0, 0)


@pytest.mark.contract("registrar R-65")
async def test_events_that_wait_for_the_broker_follow_in_the_order_of_each_object(
    rabbitmq: RabbitMq, vhost: str, url: str, make_world: MakeWorld
) -> None:
    broker = amqp.Broker(url, SERVICE)
    world = make_world(bus=broker.publishing())
    made = [await world.create(f"{number}") for number in range(1000, 1060)]
    with pytest.raises(BrokerUnavailable):
        await world.ringback.relay.publish_waiting()
    for one in made:
        await world.rpc("PUT", f"/v1/extensions/{one['id']}", {"name": "n"})
        assert (await world.rpc("DELETE", f"/v1/extensions/{one['id']}")).status_code == 200

    async with Peer.at(url) as peer:
        exchange = await peer.channel.declare_exchange(SERVICE.events, "fanout", durable=True)
        assert exchange
        queue = await peer.listen(SERVICE.events)
        await broker.start()
        sent = [await world.ringback.relay.publish_waiting() for _ in range(3)]

        assert sent == [100, 80, 0]
        per_object = defaultdict(list)
        for _ in range(180):
            raw = json.loads((await queue.get(no_ack=True)).body)
            per_object[raw["data"]["id"]].append(raw["type"])
        types = [f"extension_{what}" for what in ("created", "updated", "deleted")]
        assert per_object == {one["id"]: types for one in made}
    await broker.close()


async def test_what_is_given_at_once_goes_out_in_order_and_is_safe_when_it_returns(url: str, bus: Publishing) -> None:
    async with Peer.at(url) as peer:
        queue = await peer.listen(SERVICE.events)

        await asyncio.gather(*(bus.publish(event(id)) for id in range(1, 3001)))

        assert (await peer.count(queue.name))[0] == 3000
        got = [(await queue.get(no_ack=True)).message_id for _ in range(3000)]
        assert got == [str(id) for id in range(1, 3001)]


async def test_an_event_that_a_queue_refuses_is_not_safe_and_the_others_are(url: str, bus: Publishing) -> None:
    """A full queue that rejects says so to the broker, and the broker to us."""
    async with Peer.at(url) as peer:
        full = {"x-max-length": 2, "x-overflow": "reject-publish"}
        queue = await peer.listen(SERVICE.events, arguments=full)

        results = await asyncio.gather(*(bus.publish(event(id)) for id in range(1, 6)), return_exceptions=True)

        assert [type(result) for result in results] == [type(None)] * 2 + [BrokerUnavailable] * 3
        assert (await queue.get(no_ack=True)).message_id == "1"
        await bus.publish(event(6))


async def test_what_was_not_confirmed_when_the_connection_went_is_not_safe(
    rabbitmq: RabbitMq, vhost: str, url: str, bus: Publishing
) -> None:
    async def closed() -> bool:
        return await asyncio.to_thread(rabbitmq.close_connections, vhost) == 1

    async def publish_on() -> list[int]:
        """Until one is not safe; the ids of those that are."""
        safe: list[int] = []
        while True:
            try:
                await bus.publish(event(len(safe) + 1))
            except BrokerUnavailable:
                return safe
            safe.append(len(safe) + 1)

    async with Peer.at(url) as peer:
        await peer.channel.declare_queue(f"listens.{SERVICE.events}", durable=True)
        await (await peer.listen(SERVICE.events)).purge()
    publishing = asyncio.create_task(publish_on())
    await until(closed)
    safe = await publishing

    async def again() -> bool:
        try:
            await bus.publish(event(0))
        except BrokerUnavailable:
            await asyncio.sleep(0)
            return False
        return True

    await until(again)
    async with Peer.at(url) as peer:
        queue = await peer.listen(SERVICE.events)
        there = []
        while message := await queue.get(no_ack=True, fail=False):
            there.append(int(message.message_id or "-1"))
    assert safe
    assert there in ([*safe, 0], [*safe, len(safe) + 1, 0])


# ---- others' ----------------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-3")
@pytest.mark.parametrize("first", ["we", "they"])
async def test_whoever_starts_first_the_events_of_others_reach_us(url: str, first: str) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    async with Peer.at(url) as peer:
        if first == "they":
            await peer.channel.declare_exchange(UPSTREAM, "fanout", durable=True)
        async with serving(url, take=heard.put):
            await peer.channel.declare_exchange(UPSTREAM, "fanout", durable=True)
            for number in range(100):
                await peer.tell("any.key", b"%d" % number, UPSTREAM)

            async with asyncio.timeout(ENOUGH):
                assert [await heard.get() for _ in range(100)] == [b"%d" % number for number in range(100)]
            await until_count(peer, SERVICE.subscription, (0, 1))


async def test_an_event_is_acknowledged_when_it_has_been_followed_and_comes_again_when_that_is_given_up(
    rabbitmq: RabbitMq, vhost: str, url: str
) -> None:
    begun: asyncio.Queue[bytes] = asyncio.Queue()

    async def hang(body: bytes) -> None:
        await begun.put(body)
        await asyncio.Event().wait()

    heard: asyncio.Queue[bytes] = asyncio.Queue()
    async with Peer.at(url) as peer:
        async with serving(url, take=hang, drain=60):
            for number in range(12):
                await peer.tell("", b"%d" % number, UPSTREAM)
            for number in range(10):
                assert await begun.get() == b"%d" % number
            await until_count(peer, SERVICE.subscription, (2, 1))
            assert begun.empty()
        assert await peer.count(SERVICE.subscription) == (12, 0)

        async with serving(url, take=heard.put):
            async with asyncio.timeout(ENOUGH):
                assert [await heard.get() for _ in range(12)] == [b"%d" % number for number in range(12)]
            await until_count(peer, SERVICE.subscription, (0, 1))
        assert await peer.count(SERVICE.subscription) == (0, 0)


async def test_an_event_is_in_hand_once_however_often_the_connection_goes(
    rabbitmq: RabbitMq, vhost: str, url: str
) -> None:
    in_hand, begun = set[int](), asyncio.Queue[int]()

    async def hang(body: bytes) -> None:
        mark = id(asyncio.current_task())
        in_hand.add(mark)
        await begun.put(len(in_hand))
        try:
            await asyncio.Event().wait()
        finally:
            in_hand.remove(mark)

    async with serving(url, take=hang), Peer.at(url) as peer:
        await peer.tell("", b"x", UPSTREAM)
        async with asyncio.timeout(ENOUGH):
            assert await begun.get() == 1
        ours = [
            one for one in rabbitmq.listed("connections", vhost) if SERVICE.service in str(one["client_properties"])
        ]
        assert len(ours) == 1
        for _ in range(3):
            await asyncio.to_thread(close_ours, rabbitmq, vhost)
            async with asyncio.timeout(ENOUGH):
                assert await begun.get() == 1


async def test_events_that_are_none_are_let_go_and_the_next_is_followed(url: str, make_world: MakeWorld) -> None:
    world = make_world()
    told = {"publisher": "customer-manager", "type": "customer_frozen", "data": {"id": str(world.customer)}}
    bad: list[bytes] = [b"", b"{", b"[]", b"\xff", b'{"type":1,"publisher":2}', b" " * (1 << 20), b" " * (2 << 20)]
    async with serving(url, take=world.inbox.take), Peer.at(url) as peer:
        for body in (*bad, msgspec.json.encode({**told, "type": "customer_sneezed"}), msgspec.json.encode(told)):
            await peer.tell("", body, UPSTREAM)
        await until_count(peer, SERVICE.subscription, (0, 1))

        async def frozen() -> bool:
            await peer.count(SERVICE.subscription)
            return [row["status"] for row in world.everything()["registrar_customers"]] == ["frozen"]

        await until(frozen)
    assert world.everything()["registrar_dead_events"] == []


async def test_a_follower_that_fails_unforeseen_gets_the_event_again(url: str) -> None:
    tried: asyncio.Queue[int] = asyncio.Queue()
    numbers = iter(range(10))

    async def take(body: bytes) -> None:
        number = next(numbers)
        await tried.put(number)
        if number < 1:
            raise RuntimeError("MARK")

    async with serving(url, take=take), Peer.at(url) as peer:
        await peer.tell("", b"x", UPSTREAM)
        async with asyncio.timeout(ENOUGH):
            assert [await tried.get(), await tried.get()] == [0, 1]
        await until_count(peer, SERVICE.subscription, (0, 1))


# ---- tools ------------------------------------------------------------------------------------------------------


def close_ours(rabbitmq: RabbitMq, vhost: str) -> None:
    """Close the connections of the service and leave the peer's."""
    for one in rabbitmq.listed("connections", vhost):
        if SERVICE.service in str(one["client_properties"]):
            rabbitmq.evaluate(f'rabbit_networking:close_connection(list_to_pid("{one["pid"]}"), "test"), ok.')
