"""Whom a Ringback talks to: RabbitMQ, Redis and NATS."""

from typing import Final

from ringback.brokers import nats_of
from ringback.doctor.given import Given
from ringback.kit.checks import Check, ok, problem, warning
from ringback.kit.errors import CannotStart

LET_IN: Final = "correct it; the server's own log says more"


async def rabbitmq(given: Given) -> list[Check]:
    assert given.settings
    if given.settings.rabbitmq_url is None:
        return [ok("rabbitmq", "No broker is set: events stay in this process")]
    from ringback.transports.amqp.address import Address as Broker
    from ringback.transports.amqp.connection import Connection
    from ringback.transports.amqp.refusals import Away, Refused

    address = Broker.parse(given.settings.rabbitmq_url.reveal())
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
