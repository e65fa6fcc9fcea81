"""What other tests stand on: each server starts, answers, keeps its data through a kill, and leaves nothing behind."""

import os
import re
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pika
import psycopg
import pymysql  # type: ignore[import-untyped]
import pytest
import redis

from tests.servers.fixtures import MakeDatabase, MakeVhost
from tests.servers.keeper import descendants
from tests.servers.mariadb import MariaDb
from tests.servers.nats import Nats
from tests.servers.postgresql import PostgreSql
from tests.servers.rabbitmq import RabbitMq
from tests.servers.redis import Redis
from tests.servers.server import Server

pytestmark = pytest.mark.process

KEEPERS = [RabbitMq, MariaDb, PostgreSql, Redis]
KINDS = [*KEEPERS, Nats]
ROOT = Path(__file__).parents[2]
OWNER = """
import sys
from importlib import import_module
with getattr(import_module(sys.argv[1]), sys.argv[2]).private() as one:
    print(one.folder, flush=True)
    sys.stdin.read()
"""


def write(server: Server) -> None:
    """Something that is acknowledged."""
    if isinstance(server, Redis):
        server.client().set("kept", "yes")
    elif isinstance(server, RabbitMq):
        with pika.BlockingConnection(pika.URLParameters(server.url())) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare("kept", durable=True)
            channel.basic_publish("", "kept", b"yes", pika.BasicProperties(delivery_mode=2))
        server.settle()
    elif isinstance(server, MariaDb | PostgreSql):
        server.execute("CREATE TABLE kept (said VARCHAR(3))", database=at_home(server))
        server.execute("INSERT INTO kept VALUES (%s)", "yes", database=at_home(server))


def read(server: Server) -> Any:
    """The same."""
    if isinstance(server, Redis):
        return server.client().get("kept")
    if isinstance(server, RabbitMq):
        with pika.BlockingConnection(pika.URLParameters(server.url())) as connection:
            return connection.channel().basic_get("kept", auto_ack=True)[2]
    assert isinstance(server, MariaDb | PostgreSql)
    ((said,),) = server.execute("SELECT said FROM kept", database=at_home(server))
    return said.encode()


def at_home(server: MariaDb | PostgreSql) -> str:
    return "mysql" if isinstance(server, MariaDb) else "postgres"


def name(pid: int) -> str:
    """Of a process; empty if it has just ended, as RabbitMQ's `df` does."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def ends_of(pids: list[int]) -> list[int]:
    """Descriptors that tell when these processes end, of those that have not."""
    ends = []
    for pid in pids:
        with suppress(ProcessLookupError):
            ends.append(os.pidfd_open(pid))
    return ends


def wait_for(ends: list[int]) -> None:
    """Until these processes, given by their descriptors, have ended; ten seconds for each."""
    for end in ends:
        assert select.select([end], [], [], 10)[0]
        os.close(end)


def shared_memory(pids: list[int]) -> list[str]:
    """The segments that these processes have made."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return [line for line in lines if int(line.split()[4]) in pids]


@pytest.mark.parametrize("kind", KEEPERS)
def test_a_server_keeps_its_data_through_a_kill_and_a_stop_and_leaves_nothing(kind: type[Server]) -> None:
    with kind.private() as server:
        write(server)
        ours = [server.pid, *descendants(server.pid)]
        server.kill()
        with pytest.raises((redis.ConnectionError, pika.exceptions.AMQPError, pymysql.Error, psycopg.Error)):
            read(server)
        assert [pid for pid in ours if Path(f"/proc/{pid}").exists()] == []

        server.start()
        server.shutdown()
        server.start()

        assert read(server) == b"yes"
        left = [server.pid, *descendants(server.pid)]
        assert [pid for pid in left if name(pid) == "epmd"] == []
    assert [pid for pid in left if Path(f"/proc/{pid}").exists()] == []
    assert not server.folder.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_ends_with_its_owner_even_by_kill_9(kind: type[Server]) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, kind.__module__, kind.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        theirs = descendants(owner.pid)
        ends = ends_of(theirs)
        assert folder.exists()
        assert len(theirs) >= 2

        owner.kill()

    wait_for(ends)
    assert not folder.exists()
    assert shared_memory(theirs) == []


@pytest.mark.parametrize("kind", [Redis, PostgreSql])
def test_a_server_dies_with_its_keeper(kind: type[Server]) -> None:
    with kind.private() as server:
        ends = ends_of([server.pid, *descendants(server.pid)])
        (keeper,) = [pid for pid in descendants(os.getpid()) if server.pid in descendants(pid)]
        os.kill(keeper, signal.SIGKILL)
        wait_for(ends)
    assert not server.folder.exists()
    assert shared_memory([server.pid]) == []


def test_a_paused_server_is_there_and_says_nothing() -> None:
    with Redis.private() as server, server.client() as client:
        client.ping()
        server.pause()
        with server.client(socket_timeout=0.1) as impatient, pytest.raises(redis.TimeoutError):
            impatient.ping()

        server.resume()

        assert client.ping()


@pytest.mark.parametrize("engine", ["mariadb", "postgresql"])
def test_databases_are_empty_and_apart(make_database: MakeDatabase, engine: str) -> None:
    one, other = make_database(engine), make_database(engine)

    one.execute("CREATE TABLE here (id INT)")
    other.execute("CREATE TABLE here (id INT)")
    one.execute("INSERT INTO here VALUES (%s)", 7)

    assert (one.execute("SELECT id FROM here"), other.execute("SELECT id FROM here")) == ([(7,)], [])


def test_a_database_is_dropped_in_the_end(mariadb: MariaDb, postgresql: PostgreSql) -> None:
    for server, names in (
        (mariadb, "SELECT schema_name FROM information_schema.schemata"),
        (postgresql, "SELECT datname FROM pg_database"),
    ):
        with server.database() as one:
            assert (one.name,) in server.execute(names)
        assert (one.name,) not in server.execute(names)


def test_a_virtual_host_can_be_looked_into_and_its_connections_closed(
    rabbitmq: RabbitMq, make_vhost: MakeVhost
) -> None:
    vhost, other = make_vhost(), make_vhost()
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq.url(vhost)))
    channel = connection.channel()
    channel.queue_declare("rpc", arguments={"x-expires": 60_000})
    channel.queue_bind("rpc", "amq.topic", "a.#", arguments={"weight": 2})
    channel.basic_consume("rpc", consumer_tag="reader", on_message_callback=lambda *_: None)

    def only(kind: str, **which: object) -> dict[str, Any]:
        (found,) = [one for one in rabbitmq.listed(kind, vhost) if which.items() <= one.items()]
        return found

    assert only("queues")["arguments"]["x-expires"] == 60_000
    assert only("bindings", source_name="amq.topic")["arguments"] == {"weight": 2}
    assert only("exchanges", name="amq.topic")["arguments"] == {}
    assert only("consumers")["consumer_tag"] == "reader"
    assert only("connections")["user"] == rabbitmq.USER
    assert only("channels")["consumer_count"] == 1
    assert (rabbitmq.listed("queues", other), rabbitmq.close_connections(other)) == ([], 0)

    assert rabbitmq.close_connections(vhost) == 1
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="320"):
        connection.process_data_events(5)


def test_a_rabbitmq_has_all_its_files_in_its_folder(rabbitmq: RabbitMq) -> None:
    paths = re.findall(
        r'"(/(?:etc|var|home|root|tmp|dev)/[^"]*)"', rabbitmq.evaluate("application:get_all_env(rabbit).")
    )

    assert {path for path in paths if not path.startswith(f"{rabbitmq.folder}/")} == set()
    assert any(path.endswith("-feature_flags") for path in paths)


def test_redis_databases_are_empty_and_apart(redis_server: Redis, redis_database: int) -> None:
    with (
        redis_server.database() as other,
        redis_server.client(redis_database) as one,
        redis_server.client(other) as two,
    ):
        one.set("here", 1)
        assert (one.dbsize(), two.dbsize()) == (1, 0)
        two.set("here", 2)
    with redis_server.client(other) as two:
        assert two.dbsize() == 0
