"""Whatever ends between us and a real RabbitMQ comes back by itself, or is said in one line (registrar 2.1)."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import aio_pika
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ringback.kit.errors import BrokerUnavailable, CannotStart, PeerUnavailable
from ringback.kit.rpc import Send
from ringback.transports import amqp
from ringback.transports.amqp.connection import HANDSHAKE
from tests.live.amqp import ENVELOPE, OK, SERVICE, UPSTREAM, Peer, event, ok, serving, until_count
from tests.live.conftest import until
from tests.patience import ENOUGH
from tests.servers.rabbitmq import RabbitMq
from tests.servers.server import HOST

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def own() -> Iterator[RabbitMq]:
    """One that may be killed and stopped."""
    with RabbitMq.private() as one:
        yield one


@pytest.fixture
def vhost(own: RabbitMq) -> Iterator[str]:
    if not is_up(own):
        own.start()
    with own.vhost() as name:
        yield name


@pytest.fixture
def url(own: RabbitMq, vhost: str) -> str:
    return own.url(vhost)


class Ours:
    """All that one service does at a broker, and what it has heard."""

    def __init__(self, url: str) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.broker = amqp.Broker(url, SERVICE)
        self.bus = self.broker.publishing()
        self.send: Send = self.broker.asking()
        self.broker.serve(ok)
        self.broker.follow(self._take)

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator["Ours"]:
        self = cls(url)
        await self.broker.start()
        try:
            yield self
        finally:
            await self.broker.drain(1)
            await self.broker.close()

    async def works(self, url: str) -> None:
        """Wait until it answers, hears, tells and asks."""

        async def all_of_it() -> bool:
            with suppress(aio_pika.exceptions.AMQPException, OSError, BrokerUnavailable, PeerUnavailable, TimeoutError):
                async with asyncio.timeout(5), Peer.at(url) as peer:
                    assert await peer.ask() == OK
                    listening = await peer.listen(SERVICE.events)
                    await self.bus.publish(event(1))
                    assert await listening.get() is not None
                    mark = uuid4().bytes
                    await peer.tell("", mark, UPSTREAM)
                    while await self.heard.get() != mark:
                        pass
                    return await self.send(SERVICE.requests, ENVELOPE, 1.0) == OK
            return False

        assert await until(all_of_it)

    async def _take(self, body: bytes) -> None:
        self.heard.put_nowait(body)


# ---- what comes back --------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-6")
async def test_after_a_kill_of_the_broker_everything_works_again_and_the_outage_is_told_once(
    own: RabbitMq, url: str, logged: Callable[[], str]
) -> None:
    async with Ours.at(url) as ours:
        await ours.works(url)
        for end in (own.kill, own.shutdown):
            before = len(logged().splitlines())
            await asyncio.to_thread(end)
            with pytest.raises(BrokerUnavailable):
                await ours.bus.publish(event(2))
            with pytest.raises(PeerUnavailable) as refused:
                await ours.send(SERVICE.requests, ENVELOPE, 1.0)
            assert not refused.value.asked
            assert not ours.broker.is_serving

            await asyncio.to_thread(own.start)

            await ours.works(url)
            lines = logged().splitlines()[before:]
            assert 1 <= sum("the broker is away" in line for line in lines) <= 3, lines
            assert sum("the broker is back" in line for line in lines) == 1, lines
            assert ours.broker.is_serving

    assert [line for line in logged().splitlines() if '"severity": "ERROR"' in line] == []
    assert own.password not in logged()


@pytest.mark.contract("registrar R-6")
async def test_what_was_durable_before_a_kill_of_the_broker_is_answered_after_it(own: RabbitMq, url: str) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    take = heard.put

    async with serving(url, take=take):
        pass
    async with Peer.at(url) as peer:
        for number in range(100):
            await peer.tell("", b"%d" % number, UPSTREAM, delivery_mode=2)
    await asyncio.to_thread(own.kill)
    broker = amqp.Broker(url, SERVICE)
    broker.follow(take)
    await broker.start()
    await asyncio.to_thread(own.start)

    async with asyncio.timeout(ENOUGH):
        seen = [await heard.get() for _ in range(100)]
    await broker.drain(1)
    await broker.close()
    assert seen == [b"%d" % number for number in range(100)]


@pytest.mark.contract("registrar R-6")
async def test_connections_that_an_operator_closes_come_back(own: RabbitMq, vhost: str, url: str) -> None:
    async with Ours.at(url) as ours:
        for _ in range(3):
            await ours.works(url)
            assert await asyncio.to_thread(own.close_connections, vhost) >= 1  # and those that are about to end
        await ours.works(url)


@pytest.mark.contract("registrar R-6")
async def test_a_channel_that_the_broker_closes_comes_back(own: RabbitMq, url: str) -> None:
    """It closes one when a message is not acknowledged in time: 406, and the message comes again."""
    tried: list[bytes] = []

    async def serve(body: bytes) -> bytes:
        tried.append(body)
        if body == b"slow" and tried.count(body) == 1:
            await asyncio.Event().wait()
        return body

    async def ticked() -> bool:
        await asyncio.to_thread(own.evaluate, "[P ! tick || P <- rabbit_channel:list()], ok.")
        return asked.done()

    await asyncio.to_thread(own.evaluate, "application:set_env(rabbit, consumer_timeout, 100), ok.")
    try:
        async with serving(url, serve, drain=0), Peer.at(url) as peer:
            asked = asyncio.create_task(peer.ask(b"slow"))
            await until(ticked)
            assert await asked == b"slow"
            assert tried == [b"slow", b"slow"]
            assert await peer.ask(b"next") == b"next"
    finally:
        await asyncio.to_thread(own.evaluate, "application:unset_env(rabbit, consumer_timeout), ok.")
    assert "delivery acknowledgement on channel" in await asyncio.to_thread(own.log)


@pytest.mark.contract("registrar R-6")
async def test_when_its_queue_is_deleted_what_is_in_hand_is_answered_and_the_queue_made_again(url: str) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def serve(body: bytes) -> bytes:
        if body == b"in hand":
            begun.set()
            await go_on.wait()
        return body

    async with serving(url, serve) as broker, Peer.at(url) as peer:
        for _ in range(3):
            begun.clear()
            go_on.clear()
            asked = asyncio.create_task(peer.ask(b"in hand"))
            await begun.wait()
            await peer.channel.queue_delete(SERVICE.requests)

            await until_asked(url, b"x")

            go_on.set()
            assert await asked == b"in hand"
            assert broker.is_serving


@pytest.mark.contract("registrar R-6")
async def test_when_queue_and_exchange_of_events_are_deleted_they_are_made_again(url: str) -> None:
    async with Ours.at(url) as ours, Peer.at(url) as peer:
        for _ in range(3):
            await ours.works(url)
            await peer.channel.queue_delete(SERVICE.subscription)
            await peer.channel.exchange_delete(UPSTREAM)
            await peer.channel.exchange_delete(SERVICE.events)
            with pytest.raises(BrokerUnavailable):
                await ours.bus.publish(event(1))
        await ours.works(url)


@pytest.mark.contract("registrar R-6")
@pytest.mark.parametrize("how", ["stopped", "cut off"])
async def test_a_broker_that_falls_silent_is_left_and_found_again(own: RabbitMq, url: str, how: str) -> None:
    async with Proxy.to(own.port) as proxy:
        ours_at = url.replace(f":{own.port}/", f":{proxy.port}/") + "?heartbeat=1"
        async with Ours.at(ours_at) as ours, Peer.at(url) as peer:
            await peer.channel.declare_queue("silent")
            await ours.works(url)
            asked = asyncio.ensure_future(ours.send("silent", ENVELOPE, 60.0))
            await until_count(peer, "silent", (1, 0))

            own.pause() if how == "stopped" else proxy.swallow()

            with pytest.raises(PeerUnavailable) as silent:
                async with asyncio.timeout(ENOUGH):
                    await asked
            assert silent.value.asked
            assert not ours.broker.is_serving
            own.resume() if how == "stopped" else proxy.pass_on()
            await ours.works(url)


@pytest.mark.contract("registrar R-6")
async def test_a_broker_that_takes_nothing_for_a_while_is_waited_for(
    own: RabbitMq, url: str, logged: Callable[[], str]
) -> None:
    async def told() -> bool:
        await asyncio.to_thread(own.evaluate, "ok.")
        return "the broker takes nothing for now" in logged()

    async with Ours.at(url) as ours:
        await ours.works(url)
        await asyncio.to_thread(own.evaluate, "vm_memory_monitor:set_vm_memory_high_watermark(0.00001), ok.")
        try:
            told_event = asyncio.create_task(ours.bus.publish(event(1)))
            await until(told)
            assert not told_event.done()
        finally:
            await asyncio.to_thread(own.evaluate, "vm_memory_monitor:set_vm_memory_high_watermark(0.6), ok.")
        async with asyncio.timeout(ENOUGH):
            await told_event
        await ours.works(url)
        assert "the broker is away" not in logged()


async def test_a_request_comes_again_over_the_next_connection_and_is_answered(own: RabbitMq, url: str) -> None:
    tried, begun = list[bytes](), asyncio.Event()

    async def serve(body: bytes) -> bytes:
        tried.append(body)
        begun.set()
        if len(tried) == 1:
            await asyncio.Event().wait()
        return OK

    async with (
        Proxy.to(own.port) as proxy,
        serving(url.replace(f":{own.port}/", f":{proxy.port}/"), serve, drain=0),
        Peer.at(url) as peer,
    ):
        asked = asyncio.create_task(peer.ask())
        await begun.wait()
        proxy.cut()
        assert await asked == OK
    assert len(tried) == 2


# ---- a start without a broker, and one that says no -------------------------------------------------------------


async def test_a_start_without_a_broker_goes_on_and_serves_when_there_is_one(own: RabbitMq, url: str) -> None:
    await asyncio.to_thread(own.kill)
    async with Ours.at(url) as ours:
        assert not ours.broker.is_serving
        with pytest.raises(BrokerUnavailable):
            await ours.bus.publish(event(1))

        await asyncio.to_thread(own.start)

        await ours.works(url)
    assert alone()


async def test_a_broker_that_does_not_answer_holds_a_start_no_longer_than_its_patience() -> None:
    with socket.socket() as deaf:
        deaf.bind((HOST, 0))
        deaf.listen()
        broker = amqp.Broker(f"amqp://{HOST}:{deaf.getsockname()[1]}", SERVICE, patience=0.1)
        broker.serve(ok)

        async with asyncio.timeout(HANDSHAKE - 1):
            await broker.start()

        assert not broker.is_serving
        await broker.drain(0)
        await broker.close()
        assert alone()


async def test_the_end_waits_little_for_a_broker_that_has_fallen_silent(own: RabbitMq, url: str) -> None:
    async with Proxy.to(own.port) as proxy:
        async with asyncio.timeout(ENOUGH), Ours.at(url.replace(f":{own.port}/", f":{proxy.port}/") + "?heartbeat=60"):
            proxy.swallow()
        assert alone(but=proxy.tasks)


async def test_at_the_end_nothing_is_left_at_the_broker_or_here(own: RabbitMq, vhost: str, url: str) -> None:
    async with Ours.at(url) as ours:
        await ours.works(url)
        assert [one["client_properties"]["connection_name"] for one in own.listed("connections", vhost)] == [
            SERVICE.service
        ]

    assert own.listed("connections", vhost) == []
    assert {one["name"] for one in own.listed("queues", vhost)} == {
        *(SERVICE.requests, SERVICE.subscription, f"listens.{SERVICE.events}")
    }
    assert alone()


Declare = Callable[[Peer], Awaitable[object]]
DIFFERENT: dict[str, tuple[str, str, Declare]] = {
    "requests": (
        "rabbit_queue_listen",
        f"the queue {SERVICE.requests}",
        lambda peer: peer.channel.declare_queue(SERVICE.requests, durable=False),
    ),
    "arguments": (
        "rabbit_queue_listen",
        f"the queue {SERVICE.requests}",
        lambda peer: peer.channel.declare_queue(SERVICE.requests, durable=True, arguments={"x-max-length": 9}),
    ),
    "subscription": (
        "rabbit_queue_subscribe",
        f"the queue {SERVICE.subscription}",
        lambda peer: peer.channel.declare_queue(SERVICE.subscription, durable=True, auto_delete=True),
    ),
    "events": (
        "rabbit_queue_event",
        f"the exchange {SERVICE.events}",
        lambda peer: peer.channel.declare_exchange(SERVICE.events, "topic", durable=True),
    ),
    "upstream": (
        "rabbitmq_address",
        f"the exchange {UPSTREAM}",
        lambda peer: peer.channel.declare_exchange(UPSTREAM, "fanout", durable=False),
    ),
}


@pytest.mark.parametrize("what", DIFFERENT)
async def test_what_somebody_else_has_declared_differently_ends_the_start_before_anything_is_taken(
    own: RabbitMq, vhost: str, url: str, what: str
) -> None:
    setting, named, declare = DIFFERENT[what]
    async with Peer.at(url) as peer:
        await declare(peer)
        if what not in ("requests", "arguments"):
            await peer.channel.declare_queue(SERVICE.requests, durable=True)
        await peer.tell(SERVICE.requests, ENVELOPE)
        ours = Ours(url)

        with pytest.raises(CannotStart) as refused:
            await ours.broker.start()

        text = str(refused.value)
        assert text.startswith(f"{setting}: {named} is declared differently by somebody else: inequivalent arg '")
        assert "\n" not in text
        assert own.password not in text
        assert not ours.broker.is_serving
        assert len(own.listed("connections", vhost)) == 1
        message = await (await peer.channel.get_queue(SERVICE.requests, ensure=False)).get(no_ack=True)
        assert not message.redelivered


@pytest.mark.parametrize("queue", [SERVICE.requests, SERVICE.subscription])
async def test_a_queue_that_is_consumed_by_somebody_else_alone_ends_the_start(url: str, queue: str) -> None:
    async with Peer.at(url) as peer:
        theirs = await peer.channel.declare_queue(queue, durable=True)
        await theirs.consume(deaf, exclusive=True)

        with pytest.raises(CannotStart, match=f"the queue {queue} may not be used: queue '{queue}' in"):
            await Ours(url).broker.start()


@pytest.mark.parametrize("fault", ["password", "user", "vhost", "foreign vhost", "rights"])
async def test_who_is_not_let_in_does_not_start(own: RabbitMq, vhost: str, url: str, fault: str) -> None:
    spoken = {
        "password": "rabbitmq_address: the broker does not know the user, or the password is another",
        "user": "rabbitmq_address: the broker does not know the user, or the password is another",
        "vhost": "rabbitmq_address: the broker has no such virtual host, or the user may not use it",
        "foreign vhost": "rabbitmq_address: the broker has no such virtual host, or the user may not use it",
        "rights": f"rabbit_queue_event: the exchange {SERVICE.events} may not be used: access to",
    }
    await asyncio.to_thread(own.evaluate, user("limited", "MARK-2", vhost if fault == "rights" else "/"))
    other = url.replace(f"{own.USER}:{own.password}@", "limited:MARK-2@")
    address = {
        "password": url.replace(own.password, "MARK-1"),
        "user": url.replace(f"{own.USER}:", "MARK-1:"),
        "vhost": url + "MARK-3",
        "foreign vhost": other,
        "rights": other,
    }[fault]

    with pytest.raises(CannotStart) as refused:
        await Ours(address).broker.start()

    assert str(refused.value).startswith(spoken[fault])
    assert "MARK" not in str(refused.value)
    assert own.password not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert alone()


async def test_rights_that_are_taken_later_are_logged_and_tried_for_ever(
    own: RabbitMq, vhost: str, url: str, logged: Callable[[], str]
) -> None:
    async def told() -> bool:
        await asyncio.to_thread(own.evaluate, "ok.")
        return f"the queue {SERVICE.requests} may not be used: access to" in logged()

    async def published() -> bool:
        with suppress(BrokerUnavailable):
            await ours.bus.publish(event(1))
            return True
        await asyncio.to_thread(own.evaluate, "ok.")
        return False

    await asyncio.to_thread(own.evaluate, user("fallen", "MARK-1", vhost, EVERYTHING))
    async with Ours.at(url.replace(f"{own.USER}:{own.password}@", "fallen:MARK-1@")) as ours:
        await ours.works(url)
        await asyncio.to_thread(own.evaluate, user("fallen", "MARK-1", vhost, EVERYTHING.replace(".*", "^$|.*event$")))
        await asyncio.to_thread(own.close_connections, vhost)
        await until(told)
        assert '"setting": "rabbit_queue_listen"' in logged()
        assert '"severity": "ERROR"' in logged()
        assert not ours.broker.is_serving
        await until(published)

        await asyncio.to_thread(own.evaluate, user("fallen", "MARK-1", vhost, EVERYTHING))

        await ours.works(url)
    assert "MARK" not in logged()


async def test_a_password_that_changes_later_is_logged_and_tried_for_ever(
    own: RabbitMq, vhost: str, url: str, logged: Callable[[], str]
) -> None:
    async def told() -> bool:
        await asyncio.to_thread(own.evaluate, "ok.")
        return "the password is another" in logged()

    await asyncio.to_thread(own.evaluate, user("changed", "MARK-1", vhost, EVERYTHING))
    async with Ours.at(url.replace(f"{own.USER}:{own.password}@", "changed:MARK-1@")) as ours:
        await ours.works(url)
        await asyncio.to_thread(own.evaluate, password("changed", "MARK-2"))
        await asyncio.to_thread(own.close_connections, vhost)
        await until(told)
        assert '"severity": "ERROR"' in logged()
        await asyncio.to_thread(own.evaluate, password("changed", "MARK-1"))
        await ours.works(url)
    assert "the broker is back" in logged()
    assert "MARK" not in logged()


# ---- another loop, and an encrypted way -------------------------------------------------------------------------


async def test_the_loop_may_be_that_of_uvloop(own: RabbitMq, vhost: str, url: str) -> None:
    async def story() -> None:
        async with Ours.at(url) as ours:
            await ours.works(url)
            await asyncio.to_thread(own.close_connections, vhost)
            await ours.works(url)
        assert alone()

    await asyncio.to_thread(uvloop.run, story())


async def test_the_way_may_be_encrypted_by_a_certificate_that_is_trusted(
    own: RabbitMq, vhost: str, url: str, tmp_path: Path
) -> None:
    authority, context = certificates(tmp_path, "broker.test")
    async with Proxy.to(own.port, tls=context) as proxy:
        at = url.replace("amqp://", "amqps://").replace(f":{own.port}/", f":{proxy.port}/")
        trusted = f"{at}?cacertfile={authority}"

        async with Ours.at(f"{trusted}&server_name_indication=broker.test") as ours:
            await ours.works(url)
            proxy.cut()
            await ours.works(url)

        for address, why in ((at, "self-signed certificate"), (trusted, "IP address mismatch")):
            with pytest.raises(CannotStart) as refused:
                await Ours(address).broker.start()
            assert str(refused.value).startswith("rabbitmq_address: the broker's certificate is not trusted: ")
            assert why in str(refused.value)
            assert own.password not in str(refused.value)


# ---- tools ------------------------------------------------------------------------------------------------------


class Proxy:
    """Between us and the broker: passes on, swallows, or cuts."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator["Proxy"]:
        self = cls(port)
        server = await asyncio.start_server(self._host, HOST, 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            self.pass_on()
            if self.tasks:
                await asyncio.wait(self.tasks)

    def swallow(self) -> None:
        """Nothing that is open is passed on any more, in either direction; nor is what comes."""
        self._open.clear()

    def pass_on(self) -> None:
        """What was open before stays silent for ever."""
        self.cut()
        self._open.set()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _host(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(HOST, self._to)
        for source, target in ((reader, back), (there, writer)):
            self._writers.add(target)
            task = asyncio.create_task(self._pipe(source, target))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _pipe(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(1 << 16):
                await self._open.wait()
                target.write(data)
                await target.drain()
        target.close()
        self._writers.discard(target)


def certificates(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate for that name, which signs itself: the file of it, and what a server needs."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file, secret = folder / "certificate.pem", folder / "key.pem"
    file.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file, secret)
    return file, context


def alone(but: set[asyncio.Task[None]] = frozenset()) -> bool:  # type: ignore[assignment]
    """Whether no other task runs in this loop."""
    return asyncio.all_tasks() - but == {asyncio.current_task()}


async def deaf(message: object) -> None: ...


def is_up(own: RabbitMq) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, own.port)) == 0


async def until_asked(url: str, body: bytes) -> None:
    async def answered() -> bool:
        with suppress(aio_pika.exceptions.AMQPException, TimeoutError):
            async with asyncio.timeout(5), Peer.at(url) as peer:
                return await peer.ask(body) == body
        return False

    await until(answered)


EVERYTHING = '<<".*">>'


def user(name: str, secret: str, vhost: str, configure: str = "<<>>") -> str:
    """Erlang: that user, who may do all but make things there."""
    who = f'#{{name => <<"{name}">>, password => <<"{secret}">>, tags => <<>>}}'
    added = f'rabbit_auth_backend_internal:put_user({who}, <<"t">>)'
    allowed = f'<<"{name}">>, <<"{vhost}">>, {configure}, <<".*">>, <<".*">>, <<"t">>'
    return f"{added}, rabbit_auth_backend_internal:set_permissions({allowed}), ok."


def password(name: str, secret: str) -> str:
    return f'rabbit_auth_backend_internal:change_password(<<"{name}">>, <<"{secret}">>, <<"t">>), ok.'
