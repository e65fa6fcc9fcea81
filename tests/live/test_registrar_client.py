"""The registrar's client over a real RabbitMQ that is away, dies and comes back (registrar 5.2)."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TypeVar
from uuid import UUID, uuid4

import pytest
import structlog
from aio_pika.abc import AbstractIncomingMessage

from ringback.clients.registrar import REGISTRAR, RegistrarClient
from ringback.kit.errors import PeerUnavailable
from ringback.registrar.extensions.model import ExtensionNotFound, NumberTaken
from ringback.registrar.extensions.wire import NewExtensionOfCustomer
from ringback.transports import amqp
from tests.live.amqp import Peer, serving
from tests.live.conftest import until
from tests.patience import ENOUGH
from tests.servers.rabbitmq import RabbitMq
from tests.world import MakeWorld

pytestmark = [pytest.mark.process, pytest.mark.contract("registrar R-86")]

T = TypeVar("T")


@pytest.fixture(scope="module")
def own() -> Iterator[RabbitMq]:
    """One that may be killed."""
    with RabbitMq.private() as one:
        yield one


@pytest.fixture
def url(own: RabbitMq) -> Iterator[str]:
    with own.vhost() as name:
        yield own.url(name)


class GoRegistrar:
    """Another registrar at the queue, by another library; it answers what the test says, or never."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.answer: bytes | None = None
        self.asked: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator["GoRegistrar"]:
        async with Peer.at(url) as peer:
            self = cls(peer)
            queue = await peer.channel.declare_queue(REGISTRAR, durable=True)
            await queue.consume(self._take, no_ack=True)
            yield self

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self.asked.put_nowait(message)
        if self.answer is not None:
            assert message.reply_to
            await self.peer.tell(message.reply_to, self.answer, correlation_id=message.correlation_id)


async def test_a_call_is_an_envelope_that_is_worth_three_seconds(url: str) -> None:
    customer = uuid4()
    async with GoRegistrar.at(url) as registrar, amqp.client(url) as send:
        registrar.answer = b'{"status_code":200,"data_type":"application/json","data":{"count":3}}'
        with structlog.contextvars.bound_contextvars(request_id="req_mine"):
            assert await RegistrarClient(send, "call-manager").extension_count(customer) == 3

        message = registrar.asked.get_nowait()
        assert (message.expiration, message.routing_key, message.exchange) == (3.0, REGISTRAR, "")
        assert json.loads(message.body) == {
            "uri": "/v1/extensions/count_by_customer",
            "method": "GET",
            "publisher": "call-manager",
            "data_type": "application/json",
            "data": {"customer_id": str(customer)},
            "request_id": "req_mine",
        }


async def test_data_may_be_a_string_that_holds_json(url: str) -> None:
    async with GoRegistrar.at(url) as registrar, amqp.client(url) as send:
        registrar.answer = b'{"status_code":200,"data_type":"application/json","data":"{\\"count\\":3}"}'

        assert await RegistrarClient(send, "test").extension_count(uuid4()) == 3


async def test_five_silences_open_the_breaker_and_an_answered_probe_closes_it(url: str) -> None:
    now = 0.0
    async with GoRegistrar.at(url) as registrar, amqp.client(url) as send:
        client = RegistrarClient(send, "test", timeout=0.1, clock=lambda: now)
        for asked in (*[True] * 5, *[False] * 3):
            with pytest.raises(PeerUnavailable) as silent:
                await client.extension_count(uuid4())
            assert silent.value.asked == asked

        now += 30
        registrar.answer = b'{"status_code":200,"data_type":"application/json","data":{"count":3}}'
        patient = RegistrarClient(send, "test")
        assert await patient.extension_count(uuid4()) == 3

        async def probed() -> bool:
            """A probe may be too late on a slow machine; the next one comes in its turn."""
            nonlocal now
            try:
                return await client.extension_count(uuid4()) == 3
            except PeerUnavailable:
                now += 30
                return False

        assert await until(probed)
        taken = [registrar.asked.get_nowait() for _ in range(registrar.asked.qsize())]
        assert len(taken) >= 7


async def test_two_clients_at_once_get_their_own_replies(url: str, make_world: MakeWorld) -> None:
    world = make_world()
    ids = [UUID((await world.create(str(number)))["id"]) for number in range(20)]
    async with (
        serving(url, world.ringback.rpc.serve),
        amqp.client(url, "one") as one,
        amqp.client(url, "two") as two,
    ):
        clients = [RegistrarClient(send, "test") for send in (one, two)]

        replies = await asyncio.gather(*(client.extension_get(id) for id in ids for client in clients * 5))

    assert [reply.id for reply in replies] == [id for id in ids for _ in range(10)]


async def test_while_the_broker_is_away_this_is_told_at_once_and_then_it_works_again(
    own: RabbitMq, url: str, make_world: MakeWorld
) -> None:
    world = make_world()
    async with serving(url, world.ringback.rpc.serve), amqp.client(url) as send:
        client = RegistrarClient(send, "test")
        assert await client.extension_count(world.customer) == 0
        await asyncio.to_thread(own.kill)

        with pytest.raises(PeerUnavailable):  # this one may have been sent before the end of the connection is seen
            await client.extension_count(world.customer)
        for _ in range(20):
            with pytest.raises(PeerUnavailable) as away:
                await client.extension_count(world.customer)
            assert not away.value.asked

        await asyncio.to_thread(own.start)
        await until(lambda: counted(client, world.customer))


async def counted(client: RegistrarClient, customer: UUID) -> bool:
    try:
        return await client.extension_count(customer) >= 0
    except PeerUnavailable:
        await asyncio.sleep(0)
        return False


class Lives:
    """Phones that are made, looked at and ended one after the other; what has no answer is asked again."""

    def __init__(self, client: RegistrarClient, customer: UUID) -> None:
        self.client = client
        self.customer = customer
        self.back = asyncio.Event()
        self.back.set()
        self.lost = 0
        self.ended = 0

    async def lead(self, number: str, last: asyncio.Event) -> None:
        asked = NewExtensionOfCustomer(customer_id=self.customer, extension=number)
        while not last.is_set():
            with suppress(NumberTaken):  # by an earlier try, whose reply was lost
                await self._surely(lambda: self.client.extension_create(asked))
            found = await self._surely(lambda: self.client.extension_get_by_number(self.customer, number))
            with suppress(ExtensionNotFound):
                await self._surely(partial(self.client.extension_delete, found.id))
            self.ended += 1

    async def _surely(self, call: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await call()
            except PeerUnavailable:
                self.lost += 1
                await self.back.wait()


@pytest.mark.contract("registrar R-6")
async def test_creates_reads_and_deletes_go_on_through_restarts_of_the_broker(
    own: RabbitMq, url: str, make_world: MakeWorld
) -> None:
    world, last = make_world(), asyncio.Event()
    async with serving(url, world.ringback.rpc.serve), amqp.client(url) as send:
        client = RegistrarClient(send, "test")
        lives = Lives(client, world.customer)
        leading = [asyncio.ensure_future(lives.lead(str(1000 + number), last)) for number in range(8)]
        for _ in range(2):
            before = lives.ended
            await until(partial(more, lives, before + 20))
            lives.back.clear()
            await asyncio.to_thread(own.kill)
            await asyncio.to_thread(own.start)
            await until(lambda: counted(client, world.customer))
            lives.back.set()
        last.set()
        async with asyncio.timeout(ENOUGH):
            await asyncio.gather(*leading)

        assert lives.lost >= 8
        assert await client.extension_count(world.customer) == 0
        told = Counter(type for type, _ in world.events())
        assert told == {"extension_created": lives.ended, "extension_deleted": lives.ended}


async def more(lives: Lives, than: int) -> bool:
    await asyncio.sleep(0)
    return lives.ended > than
