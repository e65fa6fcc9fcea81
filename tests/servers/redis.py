"""A Redis of our own: every write is in its file before it is answered, so that a kill loses nothing."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .programs import REDIS
from .server import HOST, NotYet, Server

DATABASES = 10_000


class Redis(Server):
    """A running Redis; `url()` is its database 0."""

    recipe = REDIS

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)

    def url(self, database: int = 0) -> str:
        """redis://…/number"""
        return f"redis://:{self.password}@{self.address}/{database}"

    @contextmanager
    def database(self) -> Iterator[int]:
        """The number of an empty database that nobody else has; emptied afterwards."""
        number = next(self._numbers)
        yield number
        with self.client(number) as client:
            client.flushdb()

    def client(self, database: int = 0, **more: Any) -> "redis.Redis":
        """A client that does not try again; `more` are its own settings."""
        once = Retry(NoBackoff(), 0)
        return redis.Redis(host=HOST, port=self.port, password=self.password, db=database, retry=once, **more)

    def prepare(self) -> None:
        settings = {
            "bind": HOST,
            "port": self.port,
            "requirepass": self.password,
            "dir": self.folder,
            "databases": DATABASES,
            "save": '""',
            "appendonly": "yes",
            "appendfsync": "no",
        }
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        (self.folder / "redis.conf").write_text(text)

    def command(self) -> tuple[str, ...]:
        return (*self.program.command, str(self.folder / "redis.conf"))

    def ready(self) -> None:
        try:
            with self.client() as client:
                client.ping()
        except redis.ConnectionError as error:  # it loads its data
            raise NotYet from error
