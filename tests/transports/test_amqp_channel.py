"""Acknowledgements of one turn of the loop: in few words, and never for what is still in hand."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ringback.transports.amqp.channel import Channel


class Broker:
    """What pika's channel would be told of deliveries."""

    is_open = True

    def __init__(self) -> None:
        self.said: list[tuple[str, int, bool]] = []
        self.hear: Callable[..., None]

    def add_on_close_callback(self, hear: object) -> None: ...

    def add_on_cancel_callback(self, hear: object) -> None: ...

    def basic_consume(
        self, *, on_message_callback: Callable[..., None], callback: Callable[[Any], None], **_: Any
    ) -> None:
        self.hear = on_message_callback
        callback(None)

    def basic_ack(self, tag: int, multiple: bool = False) -> None:
        self.said.append(("ack", tag, multiple))

    def basic_nack(self, tag: int, requeue: bool) -> None:
        self.said.append(("nack", tag, requeue))

    def close(self) -> None:
        self.said.append(("close", 0, False))


async def delivered(count: int) -> tuple[Broker, Channel]:
    broker = Broker()
    channel = Channel(broker)
    await channel.consume("queue", "tag", lambda tag, properties, body: None)
    for tag in range(1, count + 1):
        broker.hear(broker, SimpleNamespace(delivery_tag=tag), None, b"")
    return broker, channel


async def test_what_is_done_in_one_turn_is_acknowledged_in_one_word() -> None:
    broker, channel = await delivered(32)

    for tag in (3, 1, 2, *range(32, 3, -1)):
        channel.ack(tag)
    await asyncio.sleep(0)

    assert broker.said == [("ack", 32, True)]


async def test_nothing_that_is_still_in_hand_is_acknowledged_with_others() -> None:
    broker, channel = await delivered(6)

    for tag in (5, 1, 2):
        channel.ack(tag)
    await asyncio.sleep(0)
    channel.give_back(3)
    channel.ack(4)
    await asyncio.sleep(0)
    channel.ack(6)
    await asyncio.sleep(0)

    assert broker.said == [("ack", 2, True), ("ack", 5, False), ("nack", 3, True), ("ack", 4, True), ("ack", 6, True)]


async def test_what_is_done_is_acknowledged_before_the_channel_is_closed() -> None:
    broker, channel = await delivered(2)

    channel.ack(1)
    channel.close()
    await asyncio.sleep(0)

    assert broker.said == [("ack", 1, True), ("close", 0, False)]
