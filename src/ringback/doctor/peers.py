"""Whom a Ringback talks to: RabbitMQ, Redis, NATS, and Asterisk's manager port."""

from typing import Final

from ringback.brokers import nats_of
from ringback.doctor.given import Given
from ringback.kit.checks import Check, ok, problem, warning
from ringback.kit.errors import CannotStart
from ringback.sip import ami_link
from ringback.sip.ami import Address, addresses_in

LET_IN: Final = "correct it; the server's own log says more"


async def rabbitmq(given: Given) -> list[Check]:
    assert given.settings
    if given.settings.rabbitmq_address is None:
        return [ok("rabbitmq", "No broker is set: events stay in this process")]
    from ringback.transports.amqp.address import Address as Broker
    from ringback.transports.amqp.connection import Connection
    from ringback.transports.amqp.refusals import Away, Refused

    address = Broker.parse(given.settings.rabbitmq_address.get_secret_value())
    try:
        await (await Connection.open(address, "ringback doctor")).close()
    except Refused as error:
        return [problem("rabbitmq", f"RabbitMQ does not let us in ({error})", f"rabbitmq_address: {LET_IN}")]
    except Away as error:
        return [
            problem(
                "rabbitmq", f"RabbitMQ at {address} is not there ({error})", "start it, or correct rabbitmq_address"
            )
        ]
    return [ok("rabbitmq", f"RabbitMQ at {address} lets us in")]


async def redis(given: Given) -> list[Check]:
    assert given.settings
    settings = given.settings
    if not (text := settings.redis_address.get_secret_value()):
        return [ok("redis", "No Redis is set")]
    from ringback.transports.redis.address import Address as Place
    from ringback.transports.redis.server import FIRST_PATIENCE, Redis

    try:
        place = Place.parse(text, settings.redis_password.get_secret_value(), settings.redis_database)
        server = Redis(place, patience=FIRST_PATIENCE)
        try:
            await server.require()
            state = await server.state()
        finally:
            await server.close()
    except (CannotStart, ValueError) as error:
        return [problem("redis", f"Redis does not let us in ({error})", LET_IN)]
    if state != "ok":
        return [warning("redis", state.rstrip("."), "start it, or correct redis_address; all else works without it")]
    return [ok("redis", "Redis lets us in")]


async def nats(given: Given) -> list[Check]:
    assert given.settings
    try:
        link = nats_of(given.settings)
        if link is None:
            return [ok("nats", "No NATS is set")]
        try:
            await link.start()
            if not link.is_connected:
                return [problem("nats", "NATS is not there", "start it, or correct nats_address")]
        finally:
            await link.close()
    except CannotStart as error:
        return [problem("nats", f"NATS does not let us in ({error})", LET_IN)]
    return [ok("nats", "NATS lets us in")]


async def managers(given: Given) -> list[Check]:
    """The manager port of each Asterisk: there, lets us in, and what it says of itself."""
    assert given.settings
    found = addresses_in(given.settings.asterisk_ami.get_secret_value())
    if not found:
        return [ok("asterisk_ami", "No Asterisk tells us of phones: we look every contact_poll_interval")]
    return [await _manager(given, address) for address in found]


async def _manager(given: Given, address: Address) -> Check:
    try:
        async with ami_link.visiting(address) as link:
            about, status = await link.ask("CoreSettings"), await link.ask("CoreStatus")
    except ami_link.Refused as error:
        seen = f"The Asterisk at {address} does not let us in ({error})"
        return problem("asterisk_ami", seen, "make user and password of asterisk_ami those of its manager.conf")
    except ami_link.Away as error:
        seen = f"The Asterisk at {address} cannot be heard ({error})"
        return problem("asterisk_ami", seen, "start it, open its manager port (manager.conf), or correct asterisk_ami")
    version = about.get("AsteriskVersion", "of an unknown version")
    if given.settings and given.settings.asterisk_digest == "password_digest" and not knows_sha256(version):
        seen = f"The Asterisk {version} at {address} does not read password_digest: it lets no phone in"
        return problem(
            "asterisk_ami", seen, "set asterisk_digest=md5_cred, or take Asterisk 20.12, 21.7, 22.2 or later"
        )
    calls = status.get("CoreCurrentCalls", "?")
    return ok("asterisk_ami", f"Asterisk {version} at {address} lets us in; {calls} calls are up")


def knows_sha256(version: str) -> bool:
    """Whether that Asterisk reads `password_digest`; one whose version says nothing may."""
    numbers = [int(part) for part in version.split("~")[0].split("-")[0].split(".")[:2] if part.isdigit()]
    if len(numbers) < 2:
        return True
    return tuple(numbers) >= (22, 2) or (20, 12) <= tuple(numbers) < (21, 0) or (21, 7) <= tuple(numbers) < (22, 0)
