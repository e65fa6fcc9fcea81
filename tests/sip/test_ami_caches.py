"""What Asterisks have cached of a phone is forgotten when it changes; who is away forgets all of it when back."""

import asyncio
from collections.abc import Callable

import pytest

from ringback.sip.ami import Message
from ringback.sip.ami_caches import MOST, Cache, Caches
from ringback.sip.ami_link import Away, Refused
from tests.patience import ENOUGH

PHONE, OTHER = "1001@demo.registrar.localhost", "1002@demo.registrar.localhost"


class Asterisk:
    """One that keeps what it is asked, and caches these kinds."""

    def __init__(self, *kinds: str) -> None:
        self.caches = {f"res_pjsip/{kind}" for kind in kinds}
        self.asked: list[tuple[str, ...]] = []
        self.is_away = False
        self.meanwhile: Callable[[], None] | None = None

    async def ask(self, name: str, **fields: str) -> Message:
        if self.is_away:
            raise Away
        if self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        self.asked.append((name, *fields.values()))
        if fields["Cache"] not in self.caches:
            raise Refused("The provided cache does not exist")
        return {"Response": "Success"}


class SlowOnce(Asterisk):
    """One that does not answer in time, this once."""

    is_slow = True

    async def ask(self, name: str, **fields: str) -> Message:
        if self.is_slow:
            self.is_slow = False
            raise Away
        return await super().ask(name, **fields)


async def test_a_phone_that_is_another_is_forgotten_in_every_cache() -> None:
    asterisk = Asterisk("endpoint", "aor", "auth")
    cache = Cache("a", asterisk)
    cache.forget([PHONE])

    await cache.once()

    one = "SorceryMemoryCacheExpireObject"
    assert asterisk.asked == [(one, f"res_pjsip/{kind}", PHONE) for kind in ("endpoint", "aor", "auth")]
    asterisk.asked.clear()
    await cache.once()
    assert asterisk.asked == []


async def test_an_asterisk_without_caches_has_forgotten_too() -> None:
    cache = Cache("a", Asterisk())
    cache.forget([PHONE, "1003\r\nAction: Originate"])
    cache.forget_all()

    await cache.once()

    assert cache.waiting == []


async def test_a_change_while_it_is_being_told_of_one_before_is_told_too() -> None:
    asterisk = Asterisk("auth")
    cache = Cache("a", asterisk)
    asterisk.meanwhile = lambda: cache.forget([PHONE])
    cache.forget([PHONE])

    await cache.once()

    assert len(asterisk.asked) == 6


async def test_who_waits_is_told_when_all_have_forgotten_or_who_has_not() -> None:
    here, away = Asterisk("auth"), Asterisk("auth")
    away.is_away = True
    caches = Caches()
    caches.each = [Cache("here:5038", here), Cache("away:5038", away)]
    tasks = [asyncio.create_task(cache.run()) for cache in caches.each]
    caches.forget([PHONE])

    assert await caches.wait([PHONE], 0.05) == ["away:5038"]
    assert await caches.wait([OTHER], 10) == []
    away.is_away = False
    caches.each[1].forget_all()
    assert await caches.wait([PHONE], 10) == []

    assert away.asked[0][0] == "SorceryMemoryCacheExpire"
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_more_names_than_are_kept_make_it_forget_everything() -> None:
    asterisk = Asterisk("auth")
    cache = Cache("a", asterisk)
    cache.forget(map(str, range(MOST)))
    cache.forget([PHONE])

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(cache.forgotten([PHONE]), 0)
    await cache.once()

    assert [asked[:2] for asked in asterisk.asked] == [
        ("SorceryMemoryCacheExpire", f"res_pjsip/{kind}") for kind in ("endpoint", "aor", "auth")
    ]
    await cache.forgotten([PHONE])


async def test_without_an_asterisk_nobody_is_waited_for() -> None:
    assert await Caches().wait([PHONE], 0) == []


async def test_who_was_slow_but_once_is_told_again_on_the_connection_that_goes_on() -> None:
    asterisk = SlowOnce("auth")
    cache = Cache("a", asterisk, again=0.01)
    task = asyncio.create_task(cache.run())
    cache.forget([PHONE])

    async with asyncio.timeout(ENOUGH):
        await cache.forgotten([PHONE])
    task.cancel()
    await asyncio.wait({task})


async def test_who_is_cancelled_while_waiting_leaves_nothing_behind() -> None:
    caches = Caches()
    caches.each = [Cache("a", Asterisk())]
    caches.forget([PHONE])
    before = asyncio.all_tasks()
    waiting = asyncio.create_task(caches.wait([PHONE], 60))
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {waiting}
    waiting.cancel()
    await asyncio.wait({waiting})

    async with asyncio.timeout(ENOUGH):
        await asyncio.wait(left)
    assert len(left) == 1
