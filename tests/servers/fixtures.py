"""Fixtures of the servers: each is started when a test first asks for it, and ends with the run."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # their drivers take time to import, which tests without servers need not wait for
    from .database import Database
    from .mariadb import MariaDb
    from .nats import Nats
    from .postgresql import PostgreSql
    from .rabbitmq import RabbitMq
    from .redis import Redis

MakeDatabase = Callable[[str], "Database"]
MakeVhost = Callable[[], str]


@pytest.fixture(scope="session")
def rabbitmq() -> "Iterator[RabbitMq]":
    """One for the run: tests take virtual hosts of their own (`make_vhost`) and let it live."""
    from .rabbitmq import RabbitMq

    with RabbitMq.private() as one:
        yield one


@pytest.fixture(scope="session")
def mariadb() -> "Iterator[MariaDb]":
    """One for the run: tests take databases of their own (`make_database("mariadb")`) and let it live."""
    from .mariadb import MariaDb

    with MariaDb.private() as one:
        yield one


@pytest.fixture(scope="session")
def postgresql() -> "Iterator[PostgreSql]":
    """One for the run: tests take databases of their own (`make_database("postgresql")`) and let it live."""
    from .postgresql import PostgreSql

    with PostgreSql.private() as one:
        yield one


@pytest.fixture(scope="session")
def redis_server() -> "Iterator[Redis]":
    """One for the run: tests take a database of their own (`redis_database`) and let it live."""
    from .redis import Redis

    with Redis.private() as one:
        yield one


@pytest.fixture(scope="session")
def nats() -> "Iterator[Nats]":
    """One for the run: let it live."""
    from .nats import Nats

    with Nats.private() as one:
        yield one


@pytest.fixture
def make_database(request: pytest.FixtureRequest) -> Iterator[MakeDatabase]:
    """`make_database("mariadb")` or `("postgresql")`: a new empty database on the run's server, dropped afterwards."""
    with ExitStack() as made:

        def make(engine: str) -> "Database":
            server: MariaDb | PostgreSql = request.getfixturevalue(engine)
            return made.enter_context(server.database())

        yield make


@pytest.fixture
def make_vhost(rabbitmq: "RabbitMq") -> Iterator[MakeVhost]:
    """`make_vhost()`: the name of a new virtual host, deleted afterwards; `rabbitmq.url(name)` leads there."""
    with ExitStack() as made:
        yield lambda: made.enter_context(rabbitmq.vhost())


@pytest.fixture
def redis_database(redis_server: "Redis") -> Iterator[int]:
    """The number of an empty database that nobody else has; `redis_server.url(number)` leads there."""
    with redis_server.database() as number:
        yield number
