"""Who answers where a command works on the database itself: those at NATS, or the built-in workers in its process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ringback.app import Ringback
from ringback.brokers import nats_of
from ringback.router.invoking.invoker import Invoker
from ringback.router.pipelines.running import Pipelines
from ringback.router.workers.serving import serving
from ringback.settings import Settings


@asynccontextmanager
async def reached(ringback: Ringback, settings: Settings) -> AsyncIterator[None]:
    """They are there while inside."""
    link = nats_of(settings, "router-control")
    if link is None:
        async with serving(ringback.router.services, settings):
            yield
        return
    registry = ringback.router.registry
    calls = Invoker(link.bus(), registry.circuits)
    registry.pipelines = Pipelines(registry, calls, environment=settings.environment)
    await link.start()
    try:
        yield
    finally:
        await link.close()
