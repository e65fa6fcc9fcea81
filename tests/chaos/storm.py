"""Kills, one after the other, under load; and a look at everything when all has come to rest."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from .installation import Installation, Place
from .ledger import Slot
from .load import Load
from .platform import Contradiction, Platform
from .truth import Truth, keys_left

ANSWERS: Final = (5, 150)
"""Answers between two kills."""
DOWNTIME: Final = (0, 6)
"""Answers that are given while a database or Redis is away: fewer than there are workers, who wait then."""
RECOVERY: Final = 180.0
"""Seconds that all has to serve again; where nobody else needs the machine it takes 5 at most."""
REST: Final = 180.0
"""Seconds within which everything comes to rest."""
EVENT_PAUSE: Final = 8.0
"""Seconds that an event waits which was tried once more; whoever holds one that waits longer is killed."""
EVERY: Final = 10
"""Kills between two looks at everything."""
SAMPLE: Final = 60
"""Numbers that are tried in the end."""
WAITING: Final = "SELECT COUNT(*) FROM {}.registrar_outbox WHERE tm_publish IS NULL"
UNERASED: Final = "SELECT COUNT(*) FROM {}.registrar_stale_keys WHERE run = ''"
QUEUES: Final = ("bin-manager.registrar-manager.request", "bin-manager.registrar-manager.subscribe")


class Storm:
    """Kills that a seed has chosen, in an installation under load."""

    def __init__(self, installation: Installation, platform: Platform, load: Load, seed: str, kills: int) -> None:
        self.served: list[tuple[str, float]] = []
        """What was killed, and the seconds until a read was answered."""
        self.recovered: list[tuple[str, float]] = []
        """The same until both daemons were ready, where nothing else was killed before."""
        self._watching: asyncio.Future[None] = asyncio.ensure_future(installation.all_ready())
        self.rests: list[float] = []
        """Seconds until everything was at rest."""
        self.load = load
        self._installation = installation
        self._platform = platform
        self._random = random.Random(seed)
        self._kills = kills

    async def rage(self) -> None:
        """All of it; raises `Contradiction`."""
        self.load.go()
        since = 0
        for victims in self._victims():
            await self._platform.answered(self._random.randint(*ANSWERS))
            await self._strike(victims)
            since += len(victims)
            if since >= EVERY:
                await self._look()
                since = 0
        await self._platform.answered(self._random.randint(*ANSWERS))
        await self._look(last=True)

    def report(self) -> str:
        """The figures."""
        served = [f"  {seconds:5.2f} s  {what}" for what, seconds in self.served]
        recovered = [f"  {seconds:5.2f} s  {what}" for what, seconds in self.recovered]
        rests = ", ".join(f"{seconds:.1f}" for seconds in self.rests)
        counts = ", ".join(f"{count} {what}" for what, count in sorted(self.load.counts.items()))
        customers = self.load.ledger.customers
        ends = sum(customer.told == "deleted" for customer in customers)
        return "\n".join(
            [
                "from the kill, or from when the servers answered, until a read was answered:",
                *served,
                "the same until both daemons were ready:",
                *recovered,
                f"until all was at rest: {rests} s",
                f"{len(customers)} customers, {ends} deleted; {len(self._platform.heard)} events heard",
                f"requests: {counts}",
                f"refused without an outage of the database: {len(self.load.refusals)}",
                *self.load.refusals[:5],
            ]
        )

    def _victims(self) -> Iterator[list[str]]:
        """Each as often as any other, in any order; now and then two at once."""
        left = self._kills
        while left:
            bag = self._random.sample(self._installation.victims, len(self._installation.victims))[:left]
            left -= len(bag)
            while bag:
                some = [bag.pop() for _ in range(min(len(bag), 2 if self._random.random() < 0.25 else 1))]
                yield some

    async def _strike(self, victims: list[str]) -> None:
        installation = self._installation
        which = self._random.randrange(2)
        began = installation.now
        can_answer = not {"broker", "a daemon", "both daemons"} & {*victims}
        answered = asyncio.ensure_future(self._platform.answered(self._random.randint(*DOWNTIME) if can_answer else 0))
        await asyncio.gather(*(installation.kill(victim, which) for victim in victims))
        await answered
        if any("daemon" not in victim for victim in victims):
            await asyncio.gather(*(installation.revive(victim) for victim in victims))
            began = installation.now
        await self._in_time(self._serves(), victims)
        self.served.append((" and ".join(victims), installation.now - began))
        installation.say("a read is answered")
        if self._watching.done():
            self._watching.result()
        self._watching.cancel()
        self._watching = asyncio.ensure_future(self._watch(victims, began))

    async def _watch(self, victims: list[str], began: float) -> None:
        """Note when each daemon is at work again, if nothing else is killed before."""
        await self._in_time(self._installation.all_ready(), victims)
        self.recovered.append((" and ".join(victims), self._installation.now - began))
        self._installation.say("all daemons are ready")

    async def _in_time(self, event: Awaitable[None], victims: list[str]) -> None:
        try:
            await asyncio.wait_for(event, RECOVERY)
        except TimeoutError:
            what = f"{RECOVERY:g} s after the kill of {' and '.join(victims)}"
            raise Contradiction(f"{what} not all is as before: {self._installation.states()}") from None

    async def _serves(self) -> None:
        """Return when a read is answered."""
        asked = {"customer_id": str(UUID(int=1))}
        while (reply := await self._platform.ask("GET", "/v1/extensions/count_by_customer", asked)) is None or (
            reply.status != 200
        ):
            pass

    async def _look(self, *, last: bool = False) -> None:
        """Let all come to rest, and hold against each other what was answered, what is there and what was heard."""
        installation, began = self._installation, self._installation.now
        installation.say("the load rests")
        try:
            async with asyncio.timeout(REST):
                await self._watching
                await self.load.rest()
                await self._queues_are_empty()
                await installation.reconciled(time.time())
                if installation.is_pair:
                    await asyncio.to_thread(installation.reconcile_now)
                await self._all_is_told()
                if last:
                    await self._until(lambda: self._count(UNERASED) == 0)
        except TimeoutError:
            raise Contradiction(f"there is no rest within {REST:g} s: {installation.states()}") from None
        self.rests.append(installation.now - began)
        truth = await asyncio.to_thread(Truth.read, installation, self._platform.heard, self.load.ledger)
        faults = truth.faults()
        if last:
            faults += keys_left(installation, self.load.ledger)
        if faults:
            raise Contradiction(f"{len(faults)} faults, of which the first are\n" + "\n".join(faults[:20]))
        truth.settle()
        installation.say("a look: all is as it must be")
        if last:
            await self._try_numbers()
        else:
            self.load.go()

    async def _queues_are_empty(self) -> None:
        """An event whose work failed twice waits half a minute; when its daemon is killed, another has it at once."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(EVENT_PAUSE):
                    return await self._until(self._no_messages)
            await self._installation.kill("both daemons", 0)
            await self._installation.all_ready()

    def _no_messages(self) -> bool:
        queues = self._installation.broker.listed("queues")
        return not any(queue["messages"] for queue in queues if queue["name"] in QUEUES)

    async def _all_is_told(self) -> None:
        """Return when all contacts were compared, no event waits, and all have been heard."""
        own, asterisk = self._installation.own, self._installation.asterisk
        await self._until(lambda: _ids(own, "registrar_contact_states") == _ids(asterisk, "ps_contacts"))
        await self._until(lambda: self._count(WAITING) == 0)
        told = await asyncio.to_thread(_ids, own, "registrar_outbox")
        await self._until(lambda: told <= {news.id for news in self._platform.heard})

    async def _try_numbers(self) -> None:
        """Numbers that were deleted can be had again, and whoever gets one is registered nowhere."""
        free = [slot for slot in self.load.ledger.slots() if not slot.id and slot.gone and slot.kind == "extensions"]
        free = [slot for slot in free if slot.customer.told == "active"]
        some = self._random.sample(free, min(SAMPLE, len(free)))
        await asyncio.gather(*map(self._try_number, some))
        self._installation.say(f"{len(some)} numbers were taken again")

    async def _try_number(self, slot: Slot) -> None:
        who = {"customer_id": str(slot.customer.id), "extension": slot.number}
        made = await self._platform.ask("POST", "/v1/extensions", who)
        seen = await self._platform.ask("GET", "/v1/contacts", who)
        if made is None or made.status != 200:
            raise Contradiction(f"the number is blocked, {made}: {slot}")
        if seen is None or seen.data != []:
            raise Contradiction(f"a new phone is registered, {seen}: {slot}")

    async def _until(self, seen: Callable[[], bool]) -> None:
        while not await asyncio.to_thread(seen):
            await self._installation.pace()

    def _count(self, statement: str) -> int:
        own = self._installation.own
        ((count,),) = own.execute(statement.format(own.schema))
        return int(count)


async def play(layout: str, seed: str, kills: int, home: Path) -> Storm:
    """A whole storm; `Contradiction` when something was lost, with all that led there."""
    async with Installation.of(layout, home) as installation:
        try:
            storm = await _raged(installation, seed, kills)
        except* Contradiction as found:
            reason = f"{_first(found)}\nseed {seed}, {layout}, after {installation.now:.2f} s, of which it tells above"
        else:
            odd = [line for daemon in installation.daemons for line in daemon.oddities]
            if not odd:
                return storm
            reason = f"seed {seed}, {layout}: a daemon says\n" + "\n".join(odd[:10])
    raise Contradiction(reason)


async def _raged(installation: Installation, seed: str, kills: int) -> Storm:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(installation.run())]
        await installation.all_ready()
        installation.say("all are ready")
        async with Platform.at(installation.broker.url(), installation.broker_is_up) as platform:
            await asyncio.to_thread(installation.broker.settle)
            load = Load(platform, installation, seed)
            storm = Storm(installation, platform, load, seed, kills)
            tasks.append(group.create_task(load.run()))
            await storm.rage()
            for task in tasks:
                task.cancel()
    return storm


def _first(group: BaseExceptionGroup[Contradiction]) -> BaseException:
    one: BaseException = group
    while isinstance(one, BaseExceptionGroup):
        one = one.exceptions[0]
    return one


def _ids(place: Place, table: str) -> set[Any]:
    return {row["id"] for row in place.rows(table, "id")}
