"""`ringback doctor` on whom a Ringback talks to: not there, not letting us in, and fine."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ringback.doctor.asterisks import knows_sha256
from ringback.sip.ami import Message
from tests.doctor.conftest import Installation
from tests.servers.nats import Nats
from tests.servers.rabbitmq import RabbitMq
from tests.servers.redis import Redis
from tests.sip.test_ami_link import PASSWORD, Port, reply

NOWHERE = "127.0.0.1:1"


async def test_servers_that_are_not_there(installation: Installation) -> None:
    installation.settings |= {
        "rabbitmq_address": f"amqp://x:Sample-Pass-0001@{NOWHERE}",
        "redis_address": NOWHERE,
        "nats_address": f"nats://{NOWHERE}",
        "asterisk_ami": f"ami://x:Sample-Pass-0001@{NOWHERE}",
    }

    wrong = await installation.wrong()

    assert {name: state for name, (state, _) in wrong.items()} == {
        "rabbitmq": "problem",
        "redis": "warning",
        "nats": "problem",
        "asterisk_ami": "problem",
    }
    assert "Sample-Pass" not in str(wrong)


@pytest.mark.process
async def test_servers_that_let_us_in_and_servers_that_do_not(
    installation: Installation, rabbitmq: RabbitMq, redis_server: Redis, nats: Nats
) -> None:
    installation.settings |= {
        "rabbitmq_address": f"amqp://{rabbitmq.address}",
        "rabbitmq_user": rabbitmq.USER,
        "rabbitmq_password": rabbitmq.password,
        "redis_address": redis_server.url(),
        "nats_address": nats.url,
        "nats_user": nats.USER,
        "nats_password": nats.password,
    }
    assert await installation.wrong() == {}

    installation.settings |= {
        "rabbitmq_password": "x",
        "redis_address": redis_server.url().replace(redis_server.password, "x"),
        "nats_password": "x",
    }
    wrong = await installation.wrong()

    assert {name: state for name, (state, _) in wrong.items()} == dict.fromkeys(
        ("rabbitmq", "redis", "nats"), "problem"
    )
    assert all("does not let us in" in sentence for _, sentence in wrong.values())


@pytest.fixture
async def manager(installation: Installation) -> AsyncIterator[Port]:
    """A manager port of an Asterisk 16, at which the installation listens."""

    def answers(message: Message) -> bytes:
        of = {"CoreSettings": {"AsteriskVersion": "16.28.0~dfsg-0+deb11u4"}, "CoreStatus": {"CoreCurrentCalls": "2"}}
        return reply("Success", ActionID=message["ActionID"], **of.get(message["Action"], {}))

    port = Port(answers=answers)
    server = await asyncio.start_server(port.serve, "127.0.0.1", 0)
    address = "{}:{}".format(*server.sockets[0].getsockname())
    installation.settings["asterisk_ami"] = f"ami://ringback:{PASSWORD.reveal()}@{address}"
    async with server:
        yield port


async def test_an_asterisk_that_cannot_read_the_digests_is_told(installation: Installation, manager: Port) -> None:
    installation.settings["asterisk_digest"] = "password_digest"

    assert "does not read password_digest" in (await installation.wrong())["asterisk_ami"][1]


@pytest.mark.parametrize(
    ("version", "knows"),
    [
        *(("16.28.0~dfsg", False), ("20.11.0", False), ("20.12.0", True), ("21.6.1", False), ("21.7", True)),
        *(("22.1.0", False), ("22.2.0", True), ("23.0.0", True), ("GIT-master", True), ("", True)),
    ],
)
def test_which_asterisk_reads_both_digests(version: str, knows: bool) -> None:
    assert knows_sha256(version) == knows
