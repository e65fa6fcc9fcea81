"""billing-manager, as far as the registrar knows it: it counts what a customer has before it says yes or no."""

import asyncio
from typing import Any, Final

import msgspec

from ringback.app import assemble
from ringback.databases import Opened
from ringback.kit.rpc import Serve
from ringback.registrar.billing import BILLING
from ringback.registrar.events import PUBLISHER
from ringback.transports import memory
from tests.world import MakeWorld, World

NOWHERE: Final = "amqp://127.0.0.1:1"


class BillingManager:
    """The other end of what we ask; `registrar` is its way back to us."""

    def __init__(self, registrar: Serve) -> None:
        self.most = 1_000
        self.answer: bytes | None = None
        """What it says instead of what it should."""
        self.is_silent = False
        self.asked: list[dict[str, Any]] = []
        self.arrived = asyncio.Semaphore(0)
        """Released at each request."""
        self.within = 0
        self.crowd = 0
        """How many it had before itself at most."""
        self.open = asyncio.Event()
        """Nobody is answered before this."""
        self.open.set()
        self._registrar = registrar

    async def serve(self, envelope: bytes) -> bytes:
        self.asked.append(msgspec.json.decode(envelope))
        self.arrived.release()
        self.within += 1
        self.crowd = max(self.crowd, self.within)
        try:
            await self.open.wait()
            if self.is_silent:
                await asyncio.Event().wait()
            return await self._verdict(self.asked[-1]["data"]) if self.answer is None else self.answer
        finally:
            self.within -= 1

    async def _verdict(self, data: dict[str, str]) -> bytes:
        counted = {"customer_id": data["customer_id"]}
        uri = f"/v1/{data['resource_type']}s/count_by_customer"
        request = {"uri": uri, "method": "GET", "publisher": "billing-manager", "data": counted}
        reply = msgspec.json.decode(await self._registrar(msgspec.json.encode(request)))
        return said({"valid": reply["data"]["count"] < self.most})


def said(data: object, status_code: int = 200, data_type: str = "application/json") -> bytes:
    """A reply envelope."""
    return msgspec.json.encode({"status_code": status_code, "data_type": data_type, "data": data})


async def billed(make_world: MakeWorld, **settings: Any) -> tuple[World, BillingManager]:
    """A world whose limits billing-manager knows, in the same process; its silence takes no time."""
    world = make_world(limits="billing", rabbitmq_address=NOWHERE, **settings)
    billing = BillingManager(lambda envelope: world.ringback.rpc.serve(envelope))
    send = memory.services({BILLING: billing.serve})

    async def ask(target: str, envelope: bytes, seconds: float) -> bytes:
        if billing.is_silent:
            billing.asked.append(msgspec.json.decode(envelope))
            raise TimeoutError
        return await send(target, envelope, seconds)

    await world.ringback.aclose()
    world.ringback = assemble(
        world.settings,
        Opened(world.ringback.database),
        buses={PUBLISHER: world.bus},
        ask=ask,
        clock=world._clock,
        ticks=lambda: world.ticks,
    )
    world.stack.push_async_callback(world.ringback.aclose)
    world.inbox = world.new_inbox()
    return world, billing
