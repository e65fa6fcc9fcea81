"""The library's client, made to say who we are only where TLS is, if we want TLS, and to let go of a dead socket."""

from contextlib import suppress

from nats.aio.client import Client as NatsClient


class Away(Exception):
    """The connection has gone, or there is none. What was said on it may have arrived or not."""


class Refused(Exception):
    """The server says no, and will go on saying it until somebody changes something. No secret is in the text."""


class Client(NatsClient):
    """By itself the library follows a server that does not ask for TLS into plain text, whatever it was told."""

    wants_tls = False

    def _connect_command(self) -> bytes:
        if self.wants_tls and not self._server_info.get("tls_required"):
            raise Refused("the server does not ask for TLS")
        return super()._connect_command()

    def drop(self) -> None:
        """End the socket at once, whatever has not been sent."""
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            with suppress(Exception):  # it may have ended by itself
                writer.transport.abort()
