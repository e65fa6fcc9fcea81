"""scale: what a million phones and a thousand calls a second cost, checked by a hundredth of them at once."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec

from bench.content import Content, Template, fill
from bench.costs import BESIDE, LOAD, PART, PROCESSES, found, predicted, tables
from bench.ground import QUEUE, Ground
from bench.processes import resident, spending
from bench.voice import PASSWORD, Voice, voice, write_calls
from ringback.router.bench.figures import Figure, Found
from tests.house import ROOT

PAGE: Final = ROOT / "docs" / "scale.md"
JSON: Final = ROOT / "docs" / "benchmarks.json"
BEGIN: Final = "<!-- measured: written by `make bench` -->\n"
END: Final = "<!-- end -->\n"
PHONES: Final = 400
OTHERS: Final = 10_000
"""Extensions beside those phones."""
SECONDS: Final = 5.0
MIXED: Final = 25.0
CALLS: Final = 1000
"""That wait to be taken."""
UNTOLD: Final = "SELECT count(*) FROM registrar_outbox WHERE tm_publish IS NULL"
UNTAKEN: Final = "SELECT count(*) FROM ringback_channel_events"
AFTER: Final = 4.0
"""Seconds that what follows from the last operations still counts: a phone is looked at for three."""
AT: Final = {"refresh": (0, 300), "call": (0, 300), "change": (300, 340), "refresh_at_asterisk": (340, 400)}
"""Which of the phones do so."""
COUNTED: Final = {
    "statements": ("Questions",),
    "rows_read": tuple(f"Handler_read_{how}" for how in ("first", "key", "next", "prev", "rnd", "rnd_next")),
    "rows_written": ("Handler_write", "Handler_update", "Handler_delete"),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """The servers, and what is asked over RabbitMQ, by the name of the operation."""

    ground: Ground
    voice: Voice
    content: Content
    ids: list[str]

    def asked(self, name: str, count: int) -> list[tuple[str, str, object]]:
        """So many requests; creates are of numbers that nobody has."""
        if name == "get":
            return [("GET", f"/v1/extensions/{self.ids[one % len(self.ids)]}", None) for one in range(count)]
        if name == "lookup":
            known = [self.voice.made[one % PHONES]["direct_hash"] for one in range(count)]
            hashes = [uuid4().hex[: self.content.hash_length] if one % 100 else known[one] for one in range(count)]
            return [("GET", f"/v1/extensions/by-direct-hash/{hash}", None) for hash in hashes]
        asked = {"customer_id": str(self.voice.site.customer_id), "password": PASSWORD, "direct": True}
        numbers = [f"9{uuid4().int % 10**12:012}" for _ in range(count)]
        return [("POST", "/v1/extensions", {**asked, "extension": number}) for number in numbers]

    async def going_on(self, rates: dict[str, float], seconds: float) -> dict[str, Any]:
        """All that at once; what came of it, by operation or by `rpc`."""
        calls = [one for one in rates if one in AT]
        asked = [request for one in rates if one not in AT for request in self.asked(one, int(rates[one] * seconds))]
        Random(1).shuffle(asked)
        doing: list[Any] = [self.voice.phones.ask(going_on=[self._phones(one, rates[one], seconds) for one in calls])]
        if asked:
            how = {"queue": QUEUE, "envelopes": str(self.ground.envelopes(asked)), "seconds": seconds}
            doing.append(self.voice.callers.ask(**how, rate=len(asked) / seconds))
        by_phones, *by_rpc = await asyncio.gather(*doing)
        return dict(zip(calls, by_phones, strict=True)) | ({"rpc": by_rpc[0]} if by_rpc else {})

    def _phones(self, name: str, rate: float, seconds: float) -> dict[str, Any]:
        at = self.voice.asterisk if name == "refresh_at_asterisk" else self.voice.edge
        return {"what": name.partition("_")[0], "at": at, "of": AT[name], "rate": rate, "seconds": seconds}

    async def spent(self, rates: dict[str, float], seconds: float) -> dict[str, Any]:
        """What that took: CPU of each process a second, statements and rows, what came of it."""
        loop, before = asyncio.get_running_loop(), await asyncio.to_thread(_counts, self.voice)
        begun = loop.time()
        with spending(self.voice.pids) as spent:
            came = await self.going_on(rates, seconds) if rates else {}
            await asyncio.sleep(AFTER if rates else seconds)
            took = loop.time() - begun
        counts = {name: count - before[name] for name, count in (await asyncio.to_thread(_counts, self.voice)).items()}
        return {"seconds": took, "us": {name: one * 1e6 for name, one in spent.seconds.items()}, **counts, "came": came}


async def measure(ground: Ground) -> Found:
    async with voice(ground, PHONES) as made:
        scene = await _scene(ground, made)
        for name in ("refresh", "refresh_at_asterisk"):
            first, last = AT[name]
            await scene.going_on({name: 25.0}, (last - first) / 25)
        await asyncio.to_thread(_calm, made)
        await asyncio.sleep(AFTER)
        idle = await scene.spent({}, ground.seconds(SECONDS))
        details: dict[str, Any] = {"idle_us_a_second": _a_second(idle)}
        details["alone"] = {name: await _alone(scene, name, idle) for name in [*LOAD, *BESIDE]}
        details["taken"] = await _taken(scene)
        mix = {name: kind.a_second / PART for name, kind in LOAD.items()}
        mixed = await scene.spent(mix, ground.seconds(MIXED))
        details["mix"] = {"us_a_second": _offered(mixed, idle, ground.seconds(MIXED)), "came": _came(mixed)}
        details["bytes"] = {name: resident(pid) for name, pid in made.pids.items()}
        details["bytes"]["database_each_phone"] = await asyncio.to_thread(_stored, made)
    guess = predicted(details, PART)
    measured = details["mix"]["us_a_second"]
    lost = sum(count for name, count in details["mix"]["came"].items() if name not in ("200", "404"))
    whole = sum(measured.values()) / 1000, sum(guess.values()) / 1000
    figures = [
        Figure("scale", "CPU of the mix", whole[0], "ms a second", "<=", 1.25, whole[1], "predicted", of_floor=True),
        Figure("scale", "operations of it that failed", float(lost), "", "=", 0),
    ]
    return Found(figures, {"scale": details})


async def _scene(ground: Ground, made: Voice) -> Scene:
    site = made.site
    ids = [str(UUID(bytes=id)) for (id,) in site.own.execute("SELECT id FROM registrar_extensions ORDER BY extension")]
    template = Template.of(site.own, UUID(ids[0]))
    content = await asyncio.to_thread(fill, site.own, site.asterisk, template, ground.amount(OTHERS))
    return Scene(ground, made, content, ids)


async def _alone(scene: Scene, name: str, idle: dict[str, Any]) -> dict[str, Any]:
    rate, seconds = {**LOAD, **BESIDE}[name].alone, scene.ground.seconds(SECONDS)
    spent = await scene.spent({name: rate}, seconds)
    count = int(rate * seconds)
    share = spent["seconds"] / idle["seconds"]
    each = {name: max(spent["us"][name] - idle["us"][name] * share, 0.0) / count for name in PROCESSES}
    counted = {f"{one}_each": max(spent[one] - idle[one] * share, 0.0) / count for one in COUNTED}
    return {"offered": rate, "cpu_us_each": each, **counted, "came": _came(spent)}


async def _taken(scene: Scene) -> dict[str, float]:
    """What a call's record costs each process where many calls wait at once, from the rows to the events."""
    count = scene.ground.amount(CALLS)
    with spending(scene.voice.pids) as spent:
        await asyncio.to_thread(write_calls, scene.voice, count)
        await asyncio.to_thread(_calm, scene.voice)
    return spent.us_each(count)


def _a_second(spent: dict[str, Any]) -> dict[str, float]:
    return {name: us / spent["seconds"] for name, us in spent["us"].items()}


def _offered(spent: dict[str, Any], idle: dict[str, Any], seconds: float) -> dict[str, float]:
    """A second of those in which something was offered; afterwards it was idle."""
    later = (spent["seconds"] - seconds) / idle["seconds"]
    return {name: (us - idle["us"][name] * later) / seconds for name, us in spent["us"].items()}


def _came(spent: dict[str, Any]) -> dict[str, int]:
    came: dict[str, int] = {}
    for one in spent["came"].values():
        for name, count in one["came"].items():
            came[name] = came.get(name, 0) + count
    return came


def _calm(made: Voice) -> None:
    """Wait until nothing is left to be taken or told."""
    while any(made.site.own.execute(asked) != [(0,)] for asked in (UNTAKEN, UNTOLD)):
        time.sleep(0.2)


def _counts(made: Voice) -> dict[str, int]:
    """How often the database did what is counted, so far."""
    status = {name: int(value) for name, value in made.site.own.execute("SHOW GLOBAL STATUS") if value.isdigit()}
    return {name: sum(status[one] for one in names) for name, names in COUNTED.items()}


def _stored(made: Voice) -> float:
    """Bytes of the database for each extension, its indexes with it."""
    sizes = (
        "SELECT CAST(sum(data_length + index_length) AS UNSIGNED) FROM information_schema.tables"
        f" WHERE table_schema IN ('{made.site.own.name}', '{made.site.asterisk.name}')"
    )
    ((count,),) = made.site.own.execute("SELECT count(*) FROM registrar_extensions")
    ((bytes,),) = made.site.own.execute(sizes)
    return int(bytes) / int(count)


def written(page: str, document: Any) -> str:
    """The page with the tables of that document; as it was where that has none."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    scale = found(document)
    return f"{head}{begin}\n{tables(scale)}\n\n{end}{tail}" if scale and begin and end else page


def refresh(page: Path = PAGE, json: Path = JSON) -> None:
    """Write the tables into the page."""
    page.write_text(written(page.read_text(), msgspec.json.decode(json.read_bytes())))


if __name__ == "__main__":
    refresh()
