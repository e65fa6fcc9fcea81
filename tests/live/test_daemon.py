"""`registrar-manager` on real servers, asked as the Go service's peers ask it."""

import asyncio
import contextlib
import json
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringback import cli
from tests.live.amqp import SERVICE, UPSTREAM, Peer
from tests.live.conftest import until
from tests.live.daemon import DOMAINS, HTTP, Daemon, Ended, databases, refused
from tests.patience import ENOUGH
from tests.servers.fixtures import MakeDatabase, MakeVhost
from tests.servers.mariadb import MariaDb
from tests.servers.rabbitmq import RabbitMq
from tests.servers.redis import Redis

pytestmark = pytest.mark.process

PASSWORD = "Sample-Pass-0001"


@pytest.fixture(params=["mariadb", "postgresql"])
def dsns(request: pytest.FixtureRequest, make_database: MakeDatabase) -> dict[str, str]:
    """Databases with their tables, on either engine."""
    second = make_database("mariadb") if request.param == "mariadb" else None
    return databases(make_database(request.param), second)


@pytest.fixture
def on_mariadb(make_database: MakeDatabase) -> dict[str, str]:
    return databases(make_database("mariadb"), make_database("mariadb"))


@pytest.fixture
def url(rabbitmq: RabbitMq, make_vhost: MakeVhost) -> str:
    """A broker that nobody else uses."""
    return rabbitmq.url(make_vhost())


@pytest.fixture
async def peer(url: str) -> AsyncIterator[Peer]:
    async with Peer.at(url) as one:
        yield one


def envelope(method: str, uri: str, data: Any = None) -> bytes:
    return json.dumps({"uri": uri, "method": method, "publisher": "api-manager", "data": data}).encode()


async def ask(peer: Peer, method: str, uri: str, data: Any = None) -> dict[str, Any]:
    reply: dict[str, Any] = json.loads(await peer.ask(envelope(method, uri, data)))
    return reply


def asked(customer: str, number: str = "1001") -> dict[str, Any]:
    return {"customer_id": customer, "extension": number, "password": PASSWORD}


async def test_a_peer_that_speaks_as_the_go_service_is_served(dsns: dict[str, str], url: str, peer: Peer) -> None:
    """No correlation id, one request at a time, a reply queue named by the broker, and nothing of ours in between."""
    customer = str(uuid4())
    async with Daemon.running(rabbitmq_address=url, **dsns):
        events = await peer.listen(SERVICE.events)
        made = json.loads((await peer.ask_as_go(envelope("POST", "/v1/extensions", asked(customer)))).body)
        listed = await peer.ask_as_go(
            envelope("GET", "/v1/extensions?page_size=10", {"customer_id": customer, "deleted": False})
        )
        contacts = await peer.ask_as_go(envelope("GET", "/v1/contacts", {"customer_id": customer, "extension": "1001"}))
        await peer.tell(
            "",
            json.dumps(
                {"type": "customer_deleted", "publisher": "customer-manager", "data": {"id": customer}}
            ).encode(),
            UPSTREAM,
        )

        heard = await told(events, 2)

    assert made["status_code"] == 200
    assert [item["id"] for item in json.loads(listed.body)["data"]] == [made["data"]["id"]]
    assert json.loads(contacts.body)["data"] == []
    assert [event["type"] for event in heard] == ["extension_created", "extension_deleted"]
    assert {event["data"]["id"] for event in heard} == {made["data"]["id"]}


async def told(queue: Any, count: int) -> list[Any]:
    """So many events of that queue, in order."""
    async with asyncio.timeout(ENOUGH), queue.iterator() as messages:
        return [json.loads((await anext(messages)).body) for _ in range(count)]


@contextmanager
def locked(server: MariaDb, database: str, customer: str) -> Any:
    """Somebody else holds the customer's row, so that a create has to wait."""
    connection = server.connect(database)
    with connection.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute("SELECT * FROM registrar_customers FOR UPDATE")
        yield
        cursor.execute("ROLLBACK")
    connection.close()


@pytest.mark.contract("registrar R-8")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_requests_in_hand_are_answered_and_the_others_stay_in_the_queue(
    make_database: MakeDatabase, mariadb: MariaDb, url: str, peer: Peer, signum: int
) -> None:
    own, customer = make_database("mariadb"), str(uuid4())
    found = databases(own, make_database("mariadb"))
    async with Daemon.running(rabbitmq_address=url, rpc_prefetch=2, database_timeout=30, **found) as daemon:
        assert (await ask(peer, "POST", "/v1/extensions", asked(customer, "1000")))["status_code"] == 200
        with locked(mariadb, own.name, customer):
            in_hand = [
                asyncio.create_task(ask(peer, "POST", "/v1/extensions", asked(customer, n))) for n in ("1001", "1002")
            ]
            async with asyncio.timeout(ENOUGH):
                while (await peer.count(SERVICE.requests))[0] or not waiting(mariadb):
                    pass
            for number in ("1003", "1004", "1005"):
                await peer.tell(SERVICE.requests, envelope("POST", "/v1/extensions", asked(customer, number)))
            daemon.tell(signum)
            await daemon.stops()
        replies = await asyncio.gather(*in_hand)
        assert await daemon.ended() == 0

    assert [reply["status_code"] for reply in replies] == [200, 200]
    made = sorted(row[0] for row in own.execute("SELECT extension FROM registrar_extensions"))
    assert made == ["1000", "1001", "1002"]
    await until(lambda: _waits(peer, 3))


async def _waits(peer: Peer, messages: int) -> bool:
    return (await peer.count(SERVICE.requests))[0] == messages


def waiting(server: MariaDb) -> bool:
    """Whether somebody waits for a customer's row."""
    text = "SELECT count(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND info LIKE %s"
    (row,) = server.execute(text, "%registrar_customers%FOR UPDATE")
    return bool(row[0])


@pytest.mark.contract("registrar R-13")
async def test_a_database_that_is_gone_is_a_503_in_time_and_everything_works_when_it_is_back(
    url: str, peer: Peer
) -> None:
    customer = str(uuid4())
    with MariaDb.private() as server, server.database() as own, server.database() as asterisk:
        async with (
            Daemon.running(rabbitmq_address=url, **databases(own, asterisk)) as daemon,
            httpx.AsyncClient(timeout=ENOUGH) as http,
        ):
            made = (await ask(peer, "POST", "/v1/extensions", asked(customer)))["data"]
            await asyncio.to_thread(server.kill)
            requests = [
                ("GET", f"/v1/extensions/{made['id']}", None),
                ("PUT", f"/v1/extensions/{made['id']}", {"name": "x"}),
                ("POST", "/v1/extensions", asked(customer, "1002")),
                ("GET", "/v1/extensions", {"customer_id": customer}),
                ("GET", "/v1/extensions/count_by_customer", {"customer_id": customer}),
                ("GET", "/v1/contacts", {"customer_id": customer, "extension": "1001"}),
                ("GET", f"/v1/trunks/{uuid4()}", None),
                ("GET", "/v1/extension-directs?hash=aabbccddeeff", None),
                ("DELETE", f"/v1/extensions/{made['id']}", None),
            ]
            async with asyncio.timeout(ENOUGH):  # what callers wait
                replies = await asyncio.gather(*(ask(peer, *request) for request in requests))
            ready = await http.get(f"{daemon.metrics_url}/ready")
            await asyncio.to_thread(server.start)
            again = await ask(peer, "GET", f"/v1/extensions/{made['id']}")

    assert {(reply["status_code"], reply["data"]["reason"]) for reply in replies} == {(503, "DATABASE_UNAVAILABLE")}
    assert ready.status_code == 503
    assert again["data"]["extension"] == "1001"


async def test_two_instances_share_the_work_and_tell_each_event_once(
    dsns: dict[str, str], url: str, peer: Peer
) -> None:
    customer = str(uuid4())
    async with Daemon.running(rabbitmq_address=url, **dsns), Daemon.running(rabbitmq_address=url, **dsns):
        events = await peer.listen(SERVICE.events)
        numbers = [str(number) for number in range(1000, 1060)]
        twice = [*numbers, *numbers]

        async def create(number: str) -> dict[str, Any]:
            """Where this machine is too busy for all at once, the answer is 503 in time, and nothing was done."""
            while (reply := await ask(peer, "POST", "/v1/extensions", asked(customer, number)))["status_code"] == 503:
                pass
            return reply

        replies = await asyncio.gather(*map(create, twice))
        made = [reply["data"] for reply in replies if reply["status_code"] == 200]
        heard = await told(events, len(numbers))
        times = sorted(item["tm_create"] for item in made)
        more = await events.get(timeout=1, fail=False)

    assert sorted(item["extension"] for item in made) == numbers
    assert {reply["status_code"] for reply in replies} == {200, 409}
    assert len(set(times)) == len(times)
    assert sorted(event["data"]["extension"] for event in heard) == numbers
    assert more is None


async def test_two_installations_on_one_virtual_host_have_names_of_their_own_and_leave_each_other_alone(
    make_database: MakeDatabase, url: str, peer: Peer
) -> None:
    kinds = ("listen", "event", "subscribe")
    names = [{f"rabbit_queue_{kind}": f"{place}.{kind}" for kind in kinds} for place in ("east", "west")]
    places = [databases(make_database("mariadb"), make_database("mariadb")) for _ in names]
    customers = [str(uuid4()) for _ in range(6)]
    async with contextlib.AsyncExitStack() as running:
        for one, place in zip(names, places, strict=True):
            await running.enter_async_context(Daemon.running(rabbitmq_address=url, **one, **place))
        events = [await peer.listen(one["rabbit_queue_event"]) for one in names]
        for one in names:
            for customer in customers:
                made = await peer.ask(envelope("POST", "/v1/extensions", asked(customer)), one["rabbit_queue_listen"])
                assert json.loads(made)["status_code"] == 200
        for customer in customers:
            event = {"type": "customer_deleted", "publisher": "customer-manager", "data": {"id": customer}}
            await peer.tell("", json.dumps(event).encode(), UPSTREAM)
        heard = [await told(queue, 2 * len(customers)) for queue in events]

    for those in heard:
        assert [event["type"] for event in those] == ["extension_created"] * 6 + ["extension_deleted"] * 6
        assert {event["data"]["customer_id"] for event in those} == {*customers}


@pytest.mark.contract("registrar R-81")
async def test_a_missing_broker_is_tried_until_it_is_there_and_ready_says_whether_requests_come_through(
    on_mariadb: dict[str, str], broker: RabbitMq
) -> None:
    checks, alive = [], []
    async with (
        Daemon.running(rabbitmq_address=broker.url(), **on_mariadb) as daemon,
        httpx.AsyncClient(timeout=ENOUGH) as http,
    ):
        ready, health = f"{daemon.metrics_url}/ready", f"{daemon.metrics_url}/health"
        for _ in range(2):
            await until(lambda: _is(http, ready, 503))
            checks.append((await http.get(ready)).json()["checks"])
            alive.append((await http.get(health)).status_code)
            await asyncio.to_thread(broker.start)
            await until(lambda: _is(http, ready, 200))
            async with Peer.at(broker.url()) as peer:
                await until(lambda: _is_consumed(peer))
                reply = await ask(peer, "GET", "/v1/extensions/count_by_customer", {"customer_id": str(uuid4())})
            assert reply["data"] == {"count": 0}
            await asyncio.to_thread(broker.kill)

    away = {"database_bin": "ok", "database_asterisk": "ok", "broker": "The broker does not answer."}
    assert (checks, alive) == ([away, away], [200, 200])


@pytest.fixture
def broker() -> Iterator[RabbitMq]:
    """One that has not been started yet."""
    one = RabbitMq()
    try:
        one.prepare()
        yield one
    finally:
        one.stop()


async def _is(http: httpx.AsyncClient, url: str, status: int) -> bool:
    return (await http.get(url)).status_code == status


async def _is_consumed(peer: Peer) -> bool:
    queue = await peer.channel.declare_queue(SERVICE.requests, durable=True)
    return bool(queue.declaration_result.consumer_count)


@pytest.fixture(scope="module")
def unused(mariadb: MariaDb) -> Iterator[dict[str, str]]:
    """Databases with their tables, for daemons that do not come so far as to change anything there."""
    with mariadb.database() as own, mariadb.database() as asterisk:
        yield databases(own, asterisk)


REDIS = ("redis", "redis password", "redis url", "redis open", "redis database")


@pytest.mark.contract("registrar R-81")
@pytest.mark.parametrize(
    "case",
    ["dsn", "password", "absent", "schema", "rabbit", "vhost", "queue", "exchange", "domain", *REDIS],
)
def test_what_cannot_work_ends_the_start_with_one_line(
    unused: dict[str, str],
    make_database: MakeDatabase,
    mariadb: MariaDb,
    rabbitmq: RabbitMq,
    redis_server: Redis,
    url: str,
    capsys: pytest.CaptureFixture[str],
    case: str,
) -> None:
    empty = make_database("mariadb")
    if case in ("queue", "exchange"):
        asyncio.run(declare_differently(url, case))
    secret = "Marker-Secret-77"
    cases: dict[str, tuple[dict[str, object], str]] = {
        "dsn": ({"database_dsn_bin": f"user:{secret}@nowhere"}, "database_dsn_bin"),
        "password": ({"database_dsn_bin": f"{mariadb.USER}:{secret}@tcp({mariadb.address})/x"}, "database_dsn_bin"),
        "absent": ({"database_dsn_asterisk": mariadb.dsn("nowhere")}, "database_dsn_asterisk"),
        "schema": ({"database_dsn_bin": empty.dsn}, "ringback db upgrade"),
        "rabbit": ({"rabbitmq_address": f"amqp://ringback:{secret}@{rabbitmq.address}/"}, "rabbitmq_address"),
        "vhost": ({"rabbitmq_address": rabbitmq.url("nowhere")}, "rabbitmq_address"),
        "queue": ({}, "rabbit_queue_listen"),
        "exchange": ({}, "rabbit_queue_event"),
        "redis": ({"redis_address": f"redis://:{secret}@nowhere:x"}, "redis_address"),
        "redis password": ({"redis_address": redis_server.address, "redis_password": secret}, "redis_password: "),
        "redis url": ({"redis_address": f"redis://:{secret}@{redis_server.address}/1"}, "redis_address: "),
        "redis open": ({"redis_address": redis_server.address}, "redis_password: "),
        "redis database": ({"redis_address": redis_server.url()[:-2], "redis_database": 65535}, "redis_database: "),
        "domain": ({"domain_name_extension": "not a domain"}, "domain_name_extension"),
    }
    wrong, names = cases[case]

    given: dict[str, object] = {**unused, "rabbitmq_address": url, **wrong}
    as_process = case == "exchange"  # the one that comes farthest
    ended = asyncio.run(refused("registrar-manager", **given)) if as_process else refused_here(capsys, **given)

    assert ended.code == 2
    assert names in ended.line
    assert secret not in ended.line
    assert mariadb.password not in ended.line
    assert rabbitmq.password not in ended.line
    assert redis_server.password not in ended.line


async def declare_differently(url: str, what: str) -> None:
    async with Peer.at(url) as peer:
        if what == "queue":
            await peer.channel.declare_queue(SERVICE.requests, durable=False)
        else:
            await peer.channel.declare_exchange(SERVICE.events, "topic", durable=True)


def refused_here(capsys: pytest.CaptureFixture[str], **settings: object) -> Ended:
    """As `refused`, without a process of its own, whose start takes longer than all the rest."""
    flags = [f"--{name}={value}" for name, value in {**DOMAINS, **HTTP, **settings}.items()]
    end = threading.Timer(60, signal.raise_signal, [signal.SIGTERM])  # of one that starts all the same: with 0
    end.start()
    try:
        with pytest.raises(SystemExit) as ended:
            cli.registrar_manager(flags)
    finally:
        end.cancel()
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("{")]
    return Ended(int(ended.value.code or 0), line)


async def test_what_must_be_given_is_named_all_at_once() -> None:
    ended = await refused("registrar-manager", **dict.fromkeys(DOMAINS, ""))

    assert ended.code == 2
    for name in ("database_dsn_bin", "database_dsn_asterisk", "rabbitmq_address", *DOMAINS):
        assert f"{name}: is required" in ended.line


async def test_ringback_up_serves_rest_and_the_queue_in_one_process(
    on_mariadb: dict[str, str], url: str, peer: Peer, tmp_path: Path
) -> None:
    given = {"ringback_home": tmp_path, "rest_listen_address": "127.0.0.1:0", "rabbitmq_address": url, **on_mariadb}
    async with Daemon.running("up", program="ringback", **given) as both:
        keys = json.loads((tmp_path / "keys.json").read_text())
        async with httpx.AsyncClient(
            headers={"authorization": f"Bearer {keys['customer_key']}"}, timeout=ENOUGH
        ) as http:
            made = await http.post(f"{keys['url']}/v1.0/extensions", json={"extension": "1001"})
            seen = await ask(peer, "GET", f"/v1/extensions/{made.json()['id']}")
        both.tell()
        assert await both.ended() == 0

    assert (made.status_code, seen["data"]["extension"]) == (201, "1001")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "customer_id",
            "extension",
            "password",
            "name",
            "direct",
            "username",
            "domain_name",
            "auth_types",
            "allowed_ips",
        ]
    ),
    JSON,
)
ROUTES = [
    ("POST", "/v1/extensions"),
    ("POST", "/v1/trunks"),
    ("GET", "/v1/extensions"),
    ("GET", "/v1/contacts"),
    ("PUT", f"/v1/extensions/{uuid4()}"),
    ("GET", "/v1/extensions?page_size=x"),
    ("DELETE", "/v1/trunks/x"),
]
BODIES = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda route, data: envelope(route[0], route[1], data), st.sampled_from(ROUTES), FIELDS | JSON),
    JSON.map(lambda value: json.dumps(value).encode()),
)


@pytest.mark.contract("registrar R-9")
async def test_whatever_a_body_is_it_gets_a_typed_refusal_and_the_next_request_is_served(
    on_mariadb: dict[str, str], url: str, peer: Peer
) -> None:
    bodies: list[bytes] = [b"", b"x" * (1 << 20), b'{"uri":"/v1/extensions","method":"POST","data":' + b"[" * 10_000]

    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(BODIES)
    def collect(body: bytes) -> None:
        bodies.append(body)

    collect()
    async with Daemon.running(rabbitmq_address=url, **on_mariadb):
        replies = [json.loads(reply) for reply in await asyncio.gather(*map(peer.ask, bodies))]
        good = await ask(peer, "POST", "/v1/extensions", asked(str(uuid4())))

    for body, reply in zip(bodies, replies, strict=True):
        assert reply["status_code"] in (200, 400, 404, 405), (body[:300], reply)
        assert reply["status_code"] in (200, 405) or reply["data_type"] == "voipbin_error"
    assert good["status_code"] == 200
