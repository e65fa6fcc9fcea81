"""One connection to a broker, from its handshake to its end."""

import asyncio
import ssl
from typing import Any, Final, Self

import pika
import structlog
from pika.exceptions import AMQPError

from ringback.transports.amqp.address import Address
from ringback.transports.amqp.channel import Channel
from ringback.transports.amqp.refusals import Away, Refused, of_connection, text_of
from ringback.transports.amqp.wire import Wire

HANDSHAKE: Final = 5.0
"""Seconds that a broker may take to let us in."""
BLOCKED: Final = 300.0
"""Seconds that a broker may take nothing from us, as it does when its disk is full: to come again would not help, and
what we have handled and could not acknowledge would be handled twice."""
GOODBYE: Final = 2.0
"""Seconds for a broker to take its leave."""
LOOKS: Final = 8
"""How often we look whether the broker has said something, before we take it for gone."""

log = structlog.get_logger()


class Connection:
    """`lost` is done when it has ended, and says why. A broker that is silent for twice the heartbeat has gone."""

    def __init__(self, wire: Wire, heartbeat: int) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._wire = wire
        wire.add_on_close_callback(self._on_close)
        wire.add_on_connection_blocked_callback(
            lambda _, frame: log.warning("the broker takes nothing for now", action="amqp", error=frame.method.reason)
        )
        self._watch = asyncio.create_task(self._watch_silence(2 * heartbeat / LOOKS))

    @classmethod
    async def open(cls, address: Address, name: str) -> Self:
        """`Away` when there is no broker for now, `Refused` when it does not let us in; operators see `name` there."""
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[Self] = loop.create_future()
        failed: asyncio.Future[BaseException] = loop.create_future()

        def on_error(wire: Wire, error: BaseException) -> None:
            if not failed.done():
                failed.set_result(error)

        wire = Wire(
            _parameters(address, name),
            on_open_callback=lambda wire: opened.set_result(cls(wire, address.heartbeat)),
            on_open_error_callback=on_error,
            custom_ioloop=loop,
        )
        try:
            await _first(opened, failed)
        except asyncio.CancelledError:
            wire.drop("nobody waits for it any more")
            await _first(opened.result().lost if opened.done() else failed)
            raise
        if not opened.done():
            raise of_connection(failed.result())
        return opened.result()

    async def channel(self) -> Channel:
        opened: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        try:
            self._wire.channel(on_open_callback=lambda one: opened.set_result(Channel(one)))
        except AMQPError as error:
            raise Away(text_of(error)) from None
        await _first(opened, self.lost)
        if not opened.done():
            raise Away(self.lost.result())
        return opened.result()

    async def close(self) -> None:
        """Say goodbye, or go without it when the broker takes too long."""
        if self._wire.is_open:
            self._wire.close()
            await _first(self.lost, within=GOODBYE)
        self._wire.drop("the broker does not say goodbye")
        await _first(self.lost)

    def _on_close(self, wire: Wire, reason: BaseException) -> None:
        self._watch.cancel()
        self.lost.set_result(text_of(reason))

    async def _watch_silence(self, pause: float) -> None:
        """The broker speaks at least twice a heartbeat. Looks are counted, and not seconds: when this process stood
        still, what came meanwhile is read before the next look."""
        seen, silent = -1, 0
        while silent < LOOKS:
            await asyncio.sleep(pause)
            received = self._wire.bytes_received
            silent = silent + 1 if received == seen else 0
            seen = received
        self._wire.drop("the broker is silent")


async def _first(*futures: asyncio.Future[Any], within: float | None = None) -> None:
    """Wait until one of them is done, and cancel none."""
    await asyncio.wait(futures, timeout=within, return_when=asyncio.FIRST_COMPLETED)


def _parameters(address: Address, name: str) -> pika.ConnectionParameters:
    return pika.ConnectionParameters(
        host=address.host,
        port=address.port,
        virtual_host=address.vhost,
        credentials=pika.PlainCredentials(address.user, address.password.reveal()),
        heartbeat=address.heartbeat,
        blocked_connection_timeout=BLOCKED,
        socket_timeout=HANDSHAKE,
        stack_timeout=HANDSHAKE,
        connection_attempts=1,
        client_properties={"connection_name": name},
        ssl_options=_tls(address) if address.is_tls else None,
    )


def _tls(address: Address) -> Any:
    try:
        context = ssl.create_default_context(cafile=address.cacertfile or None)
        if address.certfile:
            context.load_cert_chain(address.certfile, address.keyfile)
    except ssl.SSLError:
        raise Refused("a certificate or key of the address is none") from None
    except OSError as error:
        raise Refused(f"a certificate or key of the address cannot be read: {text_of(error)}") from None
    return pika.SSLOptions(context, address.server_name_indication or address.host)
