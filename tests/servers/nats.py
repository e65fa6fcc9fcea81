"""A NATS of our own: one user who may do anything, or what a test configures; it keeps nothing, as NATS does."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Self

from .programs import NATS
from .server import HOST, NotYet, Server

PATIENCE: Final = 1.0


class Nats(Server):
    """A running NATS; `url` leads to it, `USER` and `password` let us in."""

    recipe = NATS

    def __init__(self) -> None:
        super().__init__()
        self.more: str | None = None
        """What its configuration says in the place of its one user: users, TLS; from the next start on."""
        self.known: Mapping[str, str] = {}
        """Values of the variables in it."""

    @classmethod
    @contextmanager
    def configured(cls, more: str, known: Mapping[str, str]) -> Iterator[Self]:
        """One of one's own, whose configuration says that."""
        self = cls()
        try:
            self.more, self.known = more, known
            self.prepare()
            self.start()
            yield self
        finally:
            self.stop()

    @property
    def url(self) -> str:
        """nats://host:port"""
        return f"nats://{self.address}"

    def prepare(self) -> None:
        """Its configuration, which it reads at each start."""

    def command(self) -> tuple[str, ...]:
        ours = f'authorization {{ users = [{{ user: {self.USER}, password: "{self.password}" }}] }}'
        lines = [f'host: "{HOST}"', f"port: {self.port}", "server_name: ringback"]
        lines.append(ours if self.more is None else self.more)
        path = self.folder / "nats.conf"
        path.write_text("\n".join(lines))
        return (*self.program.command, "-c", str(path), "-DV")  # with -DV its log has all that it hears and says

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), **self.known}

    def ready(self) -> None:
        try:
            with socket.create_connection((HOST, self.port), timeout=PATIENCE) as connection:
                if not connection.recv(4).startswith(b"INFO"):
                    raise NotYet
        except OSError as error:
            raise NotYet from error


class QuietNats(Nats):
    """One that does not write down all that it hears and says, for who asks a lot."""

    def command(self) -> tuple[str, ...]:
        return super().command()[:-1]
