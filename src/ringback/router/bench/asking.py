"""A router on a NATS, whose extensions do nothing in a process of their own; the same requests also without it."""

import gc
import os
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final
from uuid import UUID

from ringback.app import Router
from ringback.brokers import nats_of
from ringback.kit.bus import Bus, Letter
from ringback.kit.db import Statement
from ringback.kit.errors import Unavailable
from ringback.kit.log import new_request_id
from ringback.router.bench.broker import nats
from ringback.router.bench.ground import Ground, node
from ringback.router.bench.led import led
from ringback.router.extensions import service, wire
from ringback.router.invoking.invoker import Invoker
from ringback.router.pipelines.errors import RunFailed
from ringback.router.pipelines.running import Pipelines, Run
from ringback.router.policies import service as policies
from ringback.router.policies.wire import NewRouterPolicy
from ringback.transports.nats.link import Link

CUSTOMER: Final = UUID(int=1)
MODULE: Final = "ringback.router.bench.worker"
LATENCY: Final = 50
"""Milliseconds that the slow one takes."""
SERVED: Final[Mapping[str, dict[str, Any]]] = {
    "ringback_bench_pre": {"subject": "beamline.ext.pre.ringback_bench.v1", "reply": {}},
    "ringback_bench_validator": {"subject": "beamline.ext.validate.ringback_bench.v1", "reply": {"status": "ok"}},
    "ringback_bench_post": {"subject": "beamline.ext.post.ringback_bench.v1", "reply": {}},
    "ringback_bench_slow": {
        "subject": "beamline.ext.pre.ringback_bench_slow.v1", "reply": {}, "latency_ms": LATENCY,
    },
}  # fmt: skip
"""Router extensions of a benchmark: by subjects that nobody else has, even on a NATS that others work with."""
TYPES: Final = ("pre", "validator", "post", "pre")
POLICIES: Final = {
    "three": {
        "pre": [{"id": "ringback_bench_pre"}],
        "validators": [{"id": "ringback_bench_validator"}],
        "post": [{"id": "ringback_bench_post"}],
    },
    "slow": {"pre": [{"id": "ringback_bench_slow"}]},
}
MESSAGE: Final = {
    "message_id": "m-1",
    "message_type": "chat",
    "payload": "Where is my parcel? It was to come on Tuesday. " * 8,
    "metadata": {"channel": "web", "language": "en"},
}
CONTEXT: Final = {"conversation_id": "c-1", "language": "en"}
SECONDS: Final = 5.0
PERMITTED: Final = (
    "look at whether the user of NATS may publish to and subscribe to beamline.ext.> and _INBOX.>, as one who asks and "
    "as one who answers, and at what the log of NATS says"
)


class NotAnswered(Unavailable):
    """A pipeline of the benchmark failed."""

    reason = "NOT_ANSWERED"


class Kept:
    """A bus that remembers what went over it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.letters: list[tuple[str, Letter]] = []

    @property
    def largest(self) -> int:
        return self._bus.largest

    async def request(self, subject: str, letter: Letter, seconds: float) -> Letter:
        self.letters.append((subject, letter))
        return await self._bus.request(subject, letter, seconds)


class Way:
    """Each of its methods asks once, and returns when that is answered."""

    def __init__(self, router: Router, link: Link, seen: Sequence[Statement]) -> None:
        """`seen` are the statements that its database has run so far."""
        self._router = router
        self._link = link
        self._seen = seen
        self._letters: list[tuple[str, Letter]] = []

    @property
    def statements(self) -> int:
        """How many there were so far."""
        return len(self._seen)

    async def three(self) -> None:
        """A pipeline of three router extensions."""
        await self._router.registry.pipelines.run(_run("three"))

    async def slow(self) -> None:
        """One of a single one that takes its time."""
        await self._router.registry.pipelines.run(_run("slow"))

    async def bus(self) -> None:
        """The three requests of a pipeline, with its headers and bodies, by the router's bus alone."""
        for subject, letter in self._letters:
            await self._router.bus.request(subject, letter, SECONDS)

    async def bare(self) -> None:
        """The same by the library of NATS alone, on the same connection."""
        client = self._link.connection().client
        for subject, letter in self._letters:
            await client.request(subject, letter.body, SECONDS, headers=dict(letter.headers))

    async def learn(self) -> None:
        """Remember them."""
        kept = Kept(self._router.bus)
        await Pipelines(self._router.registry, Invoker(kept)).run(_run("three"))
        self._letters = kept.letters


def _run(policy: str) -> Run:
    return Run(CUSTOMER, policy, MESSAGE, CONTEXT, request_id=new_request_id())


@asynccontextmanager
async def asking(place: Ground, first: Router, nats_address: str | None) -> AsyncIterator[Way | None]:
    """A node of its own, alone on one core, while inside; `first` writes what it serves.

    `None` where there is no NATS.
    """
    cores = sorted(os.sched_getaffinity(0))
    async with AsyncExitStack() as stack:
        with on(cores[1:] or cores):
            address = await stack.enter_async_context(nats(place.settings(nats_address=nats_address)))
            if address is None:
                yield None
                return
            settings = place.settings(nats_address=address, node_id="asking")
            worker = await stack.enter_async_context(led(MODULE, settings.ringback_home / "worker.log"))
            await worker.ask(settings={"nats_address": address}, served=list(SERVED.values()))
        stack.enter_context(on(cores[:1]))
        await _make(first)
        link = nats_of(settings)
        assert link
        stack.push_async_callback(link.close)
        await link.start()
        seen: list[Statement] = []
        router = await stack.enter_async_context(node(settings, link, seen.append))
        await router.loader.reload()
        way = Way(router, link, seen)
        try:
            await way.learn()
            gc.collect()
            gc.freeze()  # as a server does that has started
            yield way
        except RunFailed as failure:
            why = f"{failure.extension_id} failed over NATS, {failure.cause}: {PERMITTED}"
            raise NotAnswered.of(
                NotAnswered.reason, why if link.is_connected else f"there is no NATS at {address}, or it is gone"
            ) from None


async def _make(router: Router) -> None:
    """The router extensions and the policies that are asked, unless they are there from before."""
    await router.loader.reload()  # others may have written, and nothing follows them by itself here
    if CUSTOMER in {customer for customer, _ in router.registry.snapshot.policies}:
        return
    for (id, served), type in zip(SERVED.items(), TYPES, strict=True):
        asked = wire.NewRouterExtension(id=id, type=type, subject=served["subject"])
        await router.work.write(partial(service.create, asked=asked))
    for id, document in POLICIES.items():
        policy = NewRouterPolicy(policy_id=id, document=document)
        await router.work.write(partial(policies.create, customer_id=CUSTOMER, asked=policy))


@contextmanager
def on(cores: Collection[int]) -> Iterator[None]:
    """Run on these alone, and whatever is started meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
