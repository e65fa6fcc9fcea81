"""Ports on loopback that are free right now, and an Asterisk's options on them."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from secrets import choice
from typing import Self

from sqlalchemy import URL

from ringback.kit.secret import Secret
from ringback.sip.ami_conf import READ, USER, ManagerPort
from ringback.sip.config import AsteriskOptions

HOST = "127.0.0.1"
RTP_PORTS = (20000, 20400)
SERVERS = range(21000, 32000)
"""Below the ports of outgoing connections, one of which could take a port before its server does."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where phones register, where anybody may ring a direct address, and where Asterisk tells its news."""

    phones: int
    public: int
    news: int

    @classmethod
    def find(cls, *, usual: bool = False) -> Self:
        """Three free ports; with `usual`, SIP's own for phones if nobody has it."""
        return cls(*free_ports(3, (5060, 5062) if usual else ()))

    @property
    def phones_at(self) -> str:
        """`host:port` of the SIP server that phones register at."""
        return f"{HOST}:{self.phones}"

    @property
    def public_at(self) -> str:
        """`host:port` of the SIP server that direct addresses are called at."""
        return f"{HOST}:{self.public}"

    def ami(self, secret: Secret) -> str:
        """The setting `asterisk_ami` for this Asterisk."""
        return f"ami://{USER}:{secret.reveal()}@{HOST}:{self.news}"

    def options(
        self, database: URL, directs: URL | None = None, *, manager: Secret | None = None, read: str = READ
    ) -> AsteriskOptions:
        """An Asterisk on these ports that reads its tables there, and direct addresses too or elsewhere.

        With the secret `manager` whoever has it is told of `read`."""
        return AsteriskOptions(
            database=database,
            directs=directs,
            bind=HOST,
            sip_port=self.phones,
            public_port=self.public,
            rtp_ports=RTP_PORTS,
            manager=ManagerPort(HOST, self.news, manager, read=read) if manager else None,
        )


def free_ports(count: int, preferred: Iterable[int] = ()) -> list[int]:
    """Ports on loopback that are free for both UDP and TCP right now, a preferred one in its place."""
    found: list[int] = []
    wanted = list(preferred)
    while len(found) < count:
        port = (_free(wanted.pop(0)) if wanted else None) or _free(choice(SERVERS))
        if port and port not in found:
            found.append(port)
    return found


def _free(port: int) -> int | None:
    """That port; `None` if somebody has it."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        try:
            tcp.bind((HOST, port))
            udp.bind((HOST, port))
        except OSError:
            return None
        return port
