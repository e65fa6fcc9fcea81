"""The load: customers who make, change, read and delete phones and trunks, and those who freeze and end customers."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final
from uuid import UUID, uuid4

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tests.servers.server import HOST

from .installation import EXTENSION_DOMAIN, Installation
from .ledger import ORIGIN, Attempt, Customer, Kind, Ledger, Slot
from .platform import Contradiction, Platform, Reply

ALREADY: Final = ("EXTENSION_ALREADY_EXISTS", "TRUNK_DOMAIN_ALREADY_EXISTS")
NOT_FOUND: Final = ("EXTENSION_NOT_FOUND", "TRUNK_NOT_FOUND")
CLOSED: Final = {"CUSTOMER_FROZEN": "frozen", "CUSTOMER_DELETED": "deleted"}
MOST: Final = 12
"""Objects of a customer at once."""
LIVES: Final = (15, 70)
"""Actions of a customer's life."""
FOREVER: Final = 2**31 - 1


class Load:
    """Workers, each with one customer after the other; they take turns with nobody, but for the end of a customer."""

    def __init__(self, platform: Platform, installation: Installation, seed: str, workers: int = 8) -> None:
        self.ledger = Ledger()
        self.refusals: list[str] = []
        """503 that no outage of our database explains."""
        self.counts: dict[str, int] = {}
        self._platform = platform
        self._installation = installation
        self._workers = [Worker(self, platform, installation, f"{seed}-{number}") for number in range(workers)]
        self._open = asyncio.Event()
        self._idle = asyncio.Event()
        self._busy = 0

    def go(self) -> None:
        """Let the workers work."""
        self._open.set()

    async def rest(self) -> None:
        """Return when no worker has anything in hand, and none begins anything."""
        self._open.clear()
        while self._busy:
            self._idle.clear()
            await self._idle.wait()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as running:
            for worker in self._workers:
                running.create_task(worker.run())

    async def turn(self, action: Callable[[], Awaitable[None]]) -> None:
        """Act, unless all is to rest."""
        await self._open.wait()
        self._busy += 1
        try:
            await action()
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def insist(self, slot: Slot, attempt: Attempt, method: str, uri: str, data: Any = None) -> tuple[Reply, bool]:
        """Ask until it is known what became of it; and whether it may have been done by an earlier try."""
        installation = self._installation
        is_unsure = False
        while True:
            attempt = Attempt(attempt.verb, attempt.values, installation.now)
            slot.attempts.append(attempt)
            reply = await self._platform.ask(method, uri, data)
            self.note(slot, f"{method} {uri} {attempt.values}", attempt.sent, reply)
            if reply is None:
                is_unsure = True
                continue
            attempt.answered = installation.now
            if reply.status != 503:
                return reply, is_unsure or installation.was_shaken(attempt.sent, installation.now)
            is_unsure = True
            await installation.databases_are_up.wait()

    def note(self, slot: Slot, what: str, sent: float, reply: Reply | None) -> None:
        """Remember an answer; 500 is never one."""
        now = self._installation.now
        slot.story.append(f"{sent:.3f} to {now:.3f} s: {what}: {reply or 'lost'}")
        key = f"{what.partition(' ')[0]} {slot.kind} {reply or 'lost'}"
        self.counts[key] = self.counts.get(key, 0) + 1
        if reply and reply.status == 503 and not self._installation.excuses(sent, now):
            self.refusals.append(f"{slot.story[-1]} ({slot.customer.id})")
        if reply and reply.status == 500:
            raise Contradiction(f"500 is no answer: {slot}")


class Worker:
    """Lives the lives of customers."""

    def __init__(self, load: Load, platform: Platform, installation: Installation, seed: str) -> None:
        self._load = load
        self._platform = platform
        self._installation = installation
        self._random = random.Random(seed)
        self._redis = Redis(
            host=HOST,
            port=installation.redis.port,
            password=installation.redis.password,
            socket_timeout=1,
            socket_connect_timeout=1,
            retry=Retry(NoBackoff(), 0),
        )

    async def run(self) -> None:
        """Until cancelled."""
        async with self._redis:
            while True:
                await self._live()

    async def _live(self) -> None:
        """One customer's life."""
        customer = Customer()
        await self._load.turn(lambda: self._arrive(customer))
        for _ in range(self._random.randint(*LIVES)):
            await self._load.turn(lambda: self._act(customer))
        if self._random.random() < 0.6:
            await self._load.turn(lambda: self._tell(customer, "deleted"))
            for _ in range(4):  # whoever is late
                await self._load.turn(lambda: self._act(customer))

    async def _act(self, customer: Customer) -> None:
        there = [slot for slot in customer.slots if slot.id]
        choices: dict[Callable[[], Awaitable[None]], int] = {}
        if len(there) < MOST:
            choices[lambda: self._create(customer)] = 30 if customer.told == "active" else 3
        if there:
            slot = self._random.choice(there)
            choices[lambda: self._change(slot)] = 18
            choices[lambda: self._read(slot)] = 18
            choices[lambda: self._list(customer, slot.kind)] = 5
            choices[lambda: self._register(slot)] = 6
            if not slot.may_return(self._installation.was_shaken):
                choices[lambda: self._delete(slot)] = 20
        if customer.told != "deleted" and len(customer.may_be) == 1:  # two instances may hear two at once in any order
            choices[lambda: self._tell(customer, "active" if customer.told == "frozen" else "frozen")] = (
                2 if customer.told == "active" else 10
            )
        await self._random.choices(list(choices), list(choices.values()))[0]()

    # ---- what customer-manager does ---------------------------------------------------------------------------

    async def _arrive(self, customer: Customer) -> None:
        self._load.ledger.customers.append(customer)
        await self._platform.tell("customer_created", customer.id)

    async def _tell(self, customer: Customer, status: Any) -> None:
        customer.tells(status)
        self._installation.say(f"customer {customer.id} is told to be {status}")
        await self._platform.tell(f"customer_{'recovered' if status == 'active' else status}", customer.id)

    # ---- what customers do ------------------------------------------------------------------------------------

    async def _create(self, customer: Customer) -> None:
        slot = self._free_slot(customer)
        values: dict[str, Any] = {ORIGIN: uuid4().hex, "name": ""}
        asked: dict[str, Any] = {"customer_id": str(customer.id), ORIGIN: values[ORIGIN]}
        if self._random.random() < 0.5:
            values["password"] = asked["password"] = uuid4().hex
        if slot.kind == "extensions":
            values["direct"] = asked["direct"] = self._random.random() < 0.5
            asked["extension"] = slot.number
        else:
            asked |= {"domain_name": slot.number, "auth_types": ["basic"], "username": "pbx"}
        attempt = Attempt("create", values, 0.0)
        reply, is_unsure = await self._load.insist(slot, attempt, "POST", f"/v1/{slot.kind}", asked)
        if reply.status == 200:
            slot.takes(UUID(reply.data["id"]), **_wanted(values | {"password": reply.data["password"]}))
        elif reply.reason in ALREADY or (is_unsure and CLOSED.get(reply.reason) in customer.may_be):
            await self._adopt(slot, must=reply.reason in ALREADY)
        elif CLOSED.get(reply.reason) not in customer.may_be:
            raise Contradiction(f"{reply} to a customer who was told to be {customer.told}: {slot}")

    async def _adopt(self, slot: Slot, *, must: bool) -> None:
        """Somebody has the number: it must be ours, made by a request whose answer did not come, or came twice."""
        where = f"/v1/trunks/domain_name/{slot.number}"
        if slot.kind == "extensions":
            where = f"/v1/extensions/extension/{slot.number}"
        found = await self._look(slot, where, {"customer_id": str(slot.customer.id)})
        if found is None:
            if must and "deleted" not in slot.customer.may_be:
                raise Contradiction(f"the number is taken, and nobody has it: {slot}")
            return
        made = [one.values for one in slot.attempts if one.verb == "create" and one.values[ORIGIN] == found[ORIGIN]]
        if not made:
            raise Contradiction(f"somebody else has the number, {found}: {slot}")
        slot.takes(UUID(found["id"]), **_wanted(made[0]))

    async def _change(self, slot: Slot) -> None:
        values: dict[str, Any] = self._random.choice(
            [
                {"name": uuid4().hex},
                {"name": uuid4().hex},
                {"password": uuid4().hex},
                {"direct": not slot.wanted.get("direct")} if slot.kind == "extensions" else {"name": uuid4().hex},
            ]
        )
        planted = await self._plant(slot) if "name" in values else []
        attempt = Attempt("change", values, 0.0)
        reply, _ = await self._load.insist(slot, attempt, "PUT", f"/v1/{slot.kind}/{slot.id}", values)
        if self._is_gone(slot, reply):
            return
        slot.wanted |= values
        self._require_like(slot, reply.data)
        self._load.ledger.stale.update(planted)

    async def _delete(self, slot: Slot) -> None:
        planted = await self._plant(slot)
        attempt = Attempt("delete", {}, 0.0)
        reply, is_unsure = await self._load.insist(slot, attempt, "DELETE", f"/v1/{slot.kind}/{slot.id}")
        if reply.status == 200 or (is_unsure and reply.reason in NOT_FOUND):
            slot.frees()
            self._load.ledger.stale.update(planted)
        else:
            self._is_gone(slot, reply)

    async def _read(self, slot: Slot) -> None:
        """By id; and one that is gone must not be there."""
        found = await self._look(slot, f"/v1/{slot.kind}/{slot.id}")
        if found is None and "deleted" not in slot.customer.may_be:
            raise Contradiction(f"what was made is not there: {slot}")
        if found:
            self._require_like(slot, found)
        if slot.gone and await self._look(slot, f"/v1/{slot.kind}/{slot.gone[-1]}"):
            raise Contradiction(f"what was deleted is there: {slot}")

    async def _list(self, customer: Customer, kind: Kind) -> None:
        some = next(slot for slot in customer.slots if slot.kind == kind)
        found = await self._look(some, f"/v1/{kind}", {"customer_id": str(customer.id)}) or []
        ids = {UUID(one["id"]) for one in found}
        for slot in customer.slots:
            if slot.kind == kind and slot.id and slot.id not in ids and "deleted" not in customer.may_be:
                raise Contradiction(f"what was made is not in the list: {slot}")
            if ids & {*slot.gone}:
                raise Contradiction(f"what was deleted is in the list: {slot}")

    async def _register(self, slot: Slot) -> None:
        """As Asterisk writes it down; and then it is asked for, so that it is cached."""
        if slot.kind == "trunks" or slot.customer.told == "deleted":
            return
        endpoint = f"{slot.number}@{slot.customer.id}.{EXTENSION_DOMAIN}"
        place = self._installation.asterisk
        values = (f"{endpoint};@{uuid4().hex}", f"sip:{slot.number}@192.0.2.44:5062", FOREVER, endpoint)
        insert = f"INSERT INTO {place.schema}.ps_contacts (id, uri, expiration_time, endpoint) VALUES (%s, %s, %s, %s)"
        with suppress(Exception):  # whichever way its database goes
            await asyncio.to_thread(place.execute, insert, *values)
        asked = {"customer_id": str(slot.customer.id), "extension": slot.number}
        await self._platform.ask("GET", "/v1/contacts", asked)

    async def _look(self, slot: Slot, uri: str, data: Any = None) -> Any:
        """What is there; `None` for nothing."""
        while True:
            sent = self._installation.now
            reply = await self._platform.ask("GET", uri, data)
            self._load.note(slot, f"GET {uri}", sent, reply)
            if reply and reply.status == 200:
                return reply.data
            if reply and reply.status == 404:
                return None
            if reply and reply.status != 503:
                raise Contradiction(f"{reply} to a read: {slot}")
            await self._installation.databases_are_up.wait()

    def _is_gone(self, slot: Slot, reply: Reply) -> bool:
        """Whether there is nothing to change, as its customer ends."""
        if reply.reason in NOT_FOUND and "deleted" in slot.customer.may_be:
            return True
        if reply.status != 200:
            raise Contradiction(f"{reply} for what must be there: {slot}")
        return False

    def _require_like(self, slot: Slot, found: dict[str, Any]) -> None:
        found = {**found, "direct": bool(found.get("direct_hash"))}
        for name in ("name", "direct"):
            allowed = slot.allowed(name, self._installation.was_shaken)
            if allowed and found[name] not in allowed:
                raise Contradiction(f"{name} is {found[name]!r} and none of {allowed}: {slot}")

    def _free_slot(self, customer: Customer) -> Slot:
        """A number that was taken before, or a new one."""
        free = [slot for slot in customer.slots if not slot.id]
        if free and self._random.random() < 0.4:
            return self._random.choice(free)
        number = len(customer.slots) + 1001
        kind: Kind = "trunks" if self._random.random() < 0.25 else "extensions"
        slot = Slot(customer, kind, str(number) if kind == "extensions" else f"t{number}-{customer.id.hex[:20]}")
        customer.slots.append(slot)
        return slot

    async def _plant(self, slot: Slot) -> list[str]:
        """What the Go service remembers of it, as if it had just read it there."""
        names = [f"registrar:trunk:{slot.id}", f"registrar:trunk_domain_name:{slot.number}"]
        if slot.kind == "extensions":
            endpoint = f"{slot.number}@{slot.customer.id}.{EXTENSION_DOMAIN}"
            names = [
                f"registrar:extension:{slot.id}",
                f"registrar:extension_endpoint_id:{endpoint}",
                f"registrar:customer_id_extension:{slot.customer.id}:{slot.number}",
            ]
        with suppress(redis.RedisError, OSError):
            await self._redis.mset(dict.fromkeys(names, "stale"))
        return names


def _wanted(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != ORIGIN}
