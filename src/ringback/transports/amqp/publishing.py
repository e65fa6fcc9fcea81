"""Our events, to the exchange where others find them (registrar 2.3)."""

import asyncio
from typing import Final

import msgspec

from ringback.kit.errors import BrokerUnavailable
from ringback.kit.events import Message
from ringback.transports.amqp.channel import BasicProperties, Channel
from ringback.transports.amqp.refusals import Away

PERSISTENT: Final = 2


class Publishing:
    """The role of telling events. Those that are given at the same time go out together, in the order of the calls."""

    setting: Final = "rabbit_queue_event"

    def __init__(self, exchange: str) -> None:
        self._exchange = exchange
        self._channel: Channel | None = None
        self._last = 0
        self._unconfirmed: dict[int, asyncio.Future[None]] = {}

    async def publish(self, message: Message) -> None:
        """Return once the broker has it; `BrokerUnavailable` when that is not known."""
        if self._channel is None:
            raise BrokerUnavailable
        properties = BasicProperties(content_type="text/plain", delivery_mode=PERSISTENT, message_id=str(message.id))
        try:
            self._channel.publish(self._exchange, "", msgspec.json.encode(message.envelope()), properties)
        except Away:
            raise BrokerUnavailable from None
        self._last += 1
        confirmed = self._unconfirmed[self._last] = asyncio.get_running_loop().create_future()
        await confirmed

    async def declare(self, channel: Channel) -> None:
        await channel.declare_exchange(self._exchange)

    async def begin(self, channel: Channel) -> None:
        await channel.confirm(self._on_confirm)
        self._last = 0
        self._channel = channel

    def lost(self) -> None:
        self._channel = None
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        for confirmed in unconfirmed.values():
            _settle(confirmed, is_safe=False)

    def _on_confirm(self, tag: int, all_before: bool, is_safe: bool) -> None:
        if all_before:
            for earlier in [each for each in self._unconfirmed if each < tag]:
                _settle(self._unconfirmed.pop(earlier), is_safe=is_safe)
        if tag in self._unconfirmed:
            _settle(self._unconfirmed.pop(tag), is_safe=is_safe)


def _settle(confirmed: asyncio.Future[None], *, is_safe: bool) -> None:
    if confirmed.done():
        return
    if is_safe:
        confirmed.set_result(None)
    else:
        confirmed.set_exception(BrokerUnavailable())
