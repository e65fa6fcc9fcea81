"""Events of the registry, on the subjects where others find them (router 6.2)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import structlog

from ringback.kit.errors import BrokerUnavailable
from ringback.kit.events import Message
from ringback.transports.nats.client import Away, Refused
from ringback.transports.nats.connection import Connection

SUBJECTS: Final = "beamline.extensions.events"

log = structlog.get_logger()


class Publishing:
    """A `Publisher`: events that are given at the same time go out together, in the order of the calls."""

    def __init__(self, connection: Callable[[], Connection]) -> None:
        """`connection` gives the one there is; `BrokerUnavailable` while there is none."""
        self._connection = connection

    async def publish(self, message: Message) -> None:
        """Return once the server has it; `BrokerUnavailable` when that is not known, or when it does not take it."""
        try:
            await self._connection().publish(f"{SUBJECTS}.{message.type}", msgspec.json.encode(body_of(message)))
        except Away:
            raise BrokerUnavailable from None
        except Refused as refused:
            log.error("NATS refuses an event", action="nats", type=message.type, error=str(refused))
            raise BrokerUnavailable from None


def body_of(message: Message) -> dict[str, Any]:
    """`{"type","data","event_id","registry_revision","at","node"}`: the id never repeats, so listeners can drop what
    they have seen; the message's own data are those of `ExtensionEvent`."""
    assert isinstance(message.data, Mapping)
    return {
        "type": message.type,
        "data": message.data["data"],
        "event_id": message.id,
        "registry_revision": message.data["registry_revision"],
        "at": message.data["at"],
        "node": message.data["node"],
    }
