"""Servers that stay up for a try-out: RabbitMQ, MariaDB, PostgreSQL and Redis on loopback, until Ctrl-C."""

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import FrameType
from typing import Final

from .database import DatabaseServer
from .mariadb import MariaDb
from .postgresql import PostgreSql
from .programs import MARIADB, POSTGRESQL, RABBITMQ, REDIS, obtained
from .rabbitmq import RabbitMq
from .redis import Redis
from .server import HOST, Server, free_port

KINDS: Final = (RabbitMq, MariaDb, PostgreSql, Redis)
NAMES: Final = ("bin_manager", "asterisk")
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Tell = Callable[[str], None]


def stay(tell: Tell) -> None:
    """Start them, tell what leads to them, and return after SIGINT, SIGTERM or SIGHUP, when nothing of them is left.

    `CannotStart` where one cannot be had, `ServerFailed` where one does not start.
    """
    before = {signum: signal.signal(signum, _stop) for signum in SIGNALS}
    try:
        versions = [f"{recipe.name} {obtained(recipe).version}" for recipe in (RABBITMQ, MARIADB, POSTGRESQL, REDIS)]
        tell(f"Starting {', '.join(versions[:-1])} and {versions[-1]} on {HOST}, with nothing in them.")
        with ExitStack() as running:
            tell(_told(*_started(running)))
            signal.pause()
    except KeyboardInterrupt:
        tell("All four are stopped, and their data are gone.")
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _stop(signum: int, frame: FrameType | None) -> None:
    for one in SIGNALS:  # to end them takes a moment, in which nobody need ask again
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


def _started(running: ExitStack) -> tuple[RabbitMq, Sequence[DatabaseServer], Redis]:
    """All of them, each made here, so that none can be lost, and started beside the others."""
    made: list[Server] = []
    for kind in KINDS:
        made.append(kind())
        running.callback(made[-1].stop)
    with ThreadPoolExecutor() as threads:
        list(threads.map(_start, made))
    broker, mariadb, postgresql, redis = made
    assert isinstance(broker, RabbitMq)
    assert isinstance(mariadb, MariaDb)
    assert isinstance(postgresql, PostgreSql)
    assert isinstance(redis, Redis)
    for server in (mariadb, postgresql):
        for name in NAMES:
            server.execute(server.CREATE.format(name))
        broker.make_vhost(server.recipe.name.lower())
    return broker, (mariadb, postgresql), redis


def _start(server: Server) -> None:
    server.prepare()
    server.start()


def _told(broker: RabbitMq, databases: Sequence[DatabaseServer], redis: Redis) -> str:
    """What to type: an installation on each of the database servers, which have nothing else in common."""
    parts = ["All are up. In another terminal, in this folder, one of these lines:"]
    for number, server in enumerate(databases, start=1):
        own, asterisk = (server.dsn(name) for name in NAMES)
        settings = {
            "DATABASE_DSN_BIN": own,
            "DATABASE_DSN_ASTERISK": asterisk,
            "RABBITMQ_ADDRESS": broker.url(server.recipe.name.lower()),
            "REDIS_ADDRESS": redis.url(number),
            "PROMETHEUS_LISTEN_ADDRESS": f"{HOST}:{free_port()}",
        }
        words = " ".join(f"{name}='{value}'" for name, value in settings.items())
        parts.append(f"# {server.recipe.name}\nexport {words}")
    domains = "--domain_name_extension registrar.example.com --domain_name_trunk trunk.example.com"
    parts.append("and then:")
    parts.append(f".venv/bin/ringback db upgrade\n.venv/bin/registrar-manager {domains}")
    parts.append("with the same line of settings in a third terminal:")
    parts.append("curl -s http://$PROMETHEUS_LISTEN_ADDRESS/ready")
    parts.append("Ctrl-C here stops them all and removes their data.")
    return "\n\n".join(parts)
