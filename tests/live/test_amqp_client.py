"""Asking others over a real RabbitMQ (registrar 2.1, 17)."""

import asyncio
from uuid import uuid4

import pytest
from aio_pika.abc import AbstractIncomingMessage

from ringback.clients.registrar import REGISTRAR, RegistrarClient
from ringback.kit.errors import CannotStart, PeerUnavailable
from ringback.kit.peer import Peer as Asker
from ringback.registrar.extensions.model import ExtensionNotFound, NumberTaken
from ringback.registrar.extensions.wire import ChangeExtension, ExtensionFilters, NewExtensionOfCustomer
from ringback.transports import amqp
from tests.live.amqp import ENVELOPE, OK, SERVICE, Peer, ok, serving, until_count
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


@pytest.mark.contract("registrar R-86")
async def test_the_registrar_is_asked_over_the_broker_as_in_process(url: str, make_world: MakeWorld) -> None:
    world = make_world()
    async with serving(url, world.ringback.rpc.serve), amqp.client(url) as send:
        registrar = RegistrarClient(send, "test")
        made = await registrar.extension_create(
            NewExtensionOfCustomer(customer_id=world.customer, extension="1001", direct=True)
        )
        assert made.password
        with pytest.raises(NumberTaken):
            await registrar.extension_create(NewExtensionOfCustomer(customer_id=world.customer, extension="1001"))
        assert (await registrar.extension_update(made.id, ChangeExtension(name="n"))).name == "n"
        assert [one.id for one in await registrar.extension_list(ExtensionFilters(customer_id=world.customer))] == [
            made.id
        ]
        assert await registrar.extension_count(world.customer) == 1
        assert (await registrar.extension_delete(made.id)).tm_delete
        with pytest.raises(ExtensionNotFound):
            await registrar.extension_get(made.id)


async def test_a_request_says_how_long_it_waits_and_where_it_wants_its_reply(url: str) -> None:
    got: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    async with Peer.at(url) as peer, amqp.client(url) as send:
        queue = await peer.channel.declare_queue("peer", auto_delete=True)
        await queue.consume(got.put, no_ack=True)
        for seconds, milliseconds in ((2.0, 2.0), (0.25, 0.25)):
            asked = asyncio.ensure_future(send("peer", ENVELOPE, seconds))
            message = await got.get()
            assert (message.body, message.content_type) == (ENVELOPE, "text/plain")
            assert message.expiration == milliseconds
            assert message.correlation_id
            assert message.reply_to
            assert message.reply_to.startswith("amq.gen-")
            assert not asked.done()
            await peer.tell(message.reply_to, b"stray")
            await peer.tell(message.reply_to, b"stray", correlation_id="stray")
            await peer.tell(message.reply_to, b"reply", correlation_id=message.correlation_id)
            await peer.tell(message.reply_to, b"twice", correlation_id=message.correlation_id)
            assert await asked == b"reply"


async def test_where_there_is_no_such_queue_this_is_known_at_once_and_nothing_was_asked(url: str) -> None:
    async with amqp.client(url) as send:
        for _ in range(10):
            with pytest.raises(PeerUnavailable) as refused:
                async with asyncio.timeout(ENOUGH):
                    await send("bin-manager.nobody.request", ENVELOPE, 3600.0)
            assert not refused.value.asked


async def test_replies_in_any_order_find_those_who_wait(url: str) -> None:
    got: list[AbstractIncomingMessage] = []
    async with Peer.at(url) as peer, amqp.client(url) as send:
        queue = await peer.channel.declare_queue("peer", auto_delete=True)

        async def take(message: AbstractIncomingMessage) -> None:
            got.append(message)
            if len(got) == 500:
                for one in reversed(got):
                    await peer.tell(one.reply_to or "", one.body * 2, correlation_id=one.correlation_id)

        await queue.consume(take, no_ack=True)
        bodies = [b"%d." % number for number in range(500)]

        assert await asyncio.gather(*(send("peer", body, 9.0) for body in bodies)) == [body * 2 for body in bodies]


async def test_a_reply_that_comes_too_late_disturbs_nobody(url: str) -> None:
    late: list[AbstractIncomingMessage] = []
    async with Peer.at(url) as peer, amqp.client(url) as send:
        queue = await peer.channel.declare_queue("peer", auto_delete=True)

        async def take(message: AbstractIncomingMessage) -> None:
            if message.body == b"slow":
                late.append(message)
            else:
                for one in (*late, message):
                    await peer.tell(one.reply_to or "", one.body, correlation_id=one.correlation_id)

        await queue.consume(take, no_ack=True)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await send("peer", b"slow", 0.05)

        assert [await send("peer", b"%d" % number, 3.0) for number in range(3)] == [b"0", b"1", b"2"]


async def test_what_was_asked_when_the_connection_goes_may_have_been_done_and_the_next_is_asked_again(
    rabbitmq: RabbitMq, vhost: str, url: str
) -> None:
    async with serving(url, ok), amqp.client(url) as send, Peer.at(url) as peer:
        await peer.channel.declare_queue("silent")
        asked = [asyncio.ensure_future(send("silent", ENVELOPE, 60.0)) for _ in range(3)]
        await until_count(peer, "silent", (3, 0))

        await asyncio.to_thread(rabbitmq.close_connections, vhost)

        for one in asked:
            with pytest.raises(PeerUnavailable) as lost:
                await one
            assert lost.value.asked

        async def answered() -> bool:
            try:
                return await send(SERVICE.requests, ENVELOPE, 1.0) == OK
            except PeerUnavailable:
                await asyncio.sleep(0)
                return False

        await until(answered)


@pytest.mark.contract("registrar R-86")
async def test_who_asks_while_there_is_no_broker_is_told_at_once_and_the_breaker_stays_closed(url: str) -> None:
    async with amqp.client("amqp://127.0.0.1:1") as send:
        asker = Asker(send, REGISTRAR, "test")
        for _ in range(20):
            with pytest.raises(PeerUnavailable) as refused:
                await asker.tell("GET", "/v1/extensions/<id>", uuid4())
            assert not refused.value.asked


async def test_a_client_that_is_not_let_in_is_told_so(url: str) -> None:
    with pytest.raises(CannotStart, match="rabbitmq_address: the broker has no such virtual host"):
        async with amqp.client(url + "x"):
            pass


async def test_a_client_makes_nothing_that_stays(rabbitmq: RabbitMq, vhost: str, url: str) -> None:
    async with amqp.client(url, "some program"):
        (queue,) = rabbitmq.listed("queues", vhost)
        assert (queue["durable"], queue["auto_delete"]) == (False, True)
        (connection,) = rabbitmq.listed("connections", vhost)
        assert connection["client_properties"]["connection_name"] == "some program"
        assert {
            one["name"] for one in rabbitmq.listed("exchanges", vhost) if one["name"][:4] not in ("", "amq.")
        } == set()

    assert rabbitmq.listed("queues", vhost) == []
    assert rabbitmq.listed("connections", vhost) == []
