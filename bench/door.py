"""How much one customer's flood slows another down: `make bench-door` measures it and writes docs/benchmarks-door.md.

A Ringback of its own, with the budgets that it has unless told otherwise. One customer asks a little, open loop; then
another one asks ten times its budget beside it. The same flood against a server that does nothing shows what of the
difference is the machine's: client, flood and server share its cores.
"""

import asyncio
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

import httpx

from bench import http
from ringback.router.bench.figures import quantile
from tests.house import ROOT

PAGE: Final = ROOT / "docs/benchmarks-door.md"
PLACE: Final = "/v1.0/extensions?page_size=20"
A_LITTLE: Final = 25
"""Requests a second of the customer who asks a little."""
FLOOD: Final = 2000
"""The same of the other one: ten times `rest_rate_limit`."""
FEW: Final = 5
MANY: Final = 100
"""Connections of each of them."""
SECONDS: Final = 5.0
ROUNDS: Final = 5
WARM: Final = 1.0
LIMIT: Final = 1.25

Figures = dict[str, Any]


async def load(url: str, key: str, rate: float, connections: int, seconds: float) -> Figures:
    """Requests at their times, or as soon as a connection is free; latency counts from when one was due."""
    latencies: list[float] = []
    codes: Counter[str] = Counter()
    begin = time.perf_counter() + 0.2

    async def talk(number: int, connection: http.Connection) -> None:
        due = begin + number / rate
        while due < begin + seconds:
            await until(due)
            if time.perf_counter() > begin + seconds:
                break
            codes[http.code_of(await connection.ask(request))] += 1
            if due > begin + WARM:
                latencies.append((time.perf_counter() - due) * 1000)
            due += connections / rate

    request = http.get(url, PLACE, key)
    async with http.connections(url, connections) as made:
        await asyncio.gather(*(talk(number, one) for number, one in enumerate(made)))
    return {"latencies": latencies, "codes": codes, "rate": codes.total() / (time.perf_counter() - begin)}


async def until(due: float) -> None:
    """Wait for a moment, which may be over."""
    loop = asyncio.get_running_loop()
    come = loop.create_future()
    loop.call_later(due - time.perf_counter(), come.set_result, None)
    await come


async def nothing(port: int) -> None:
    """A server that answers at once and does nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 429 No\r\ncontent-length: 2\r\n\r\n{}")

    await (await asyncio.start_server(serve, "127.0.0.1", port)).serve_forever()


@asynccontextmanager
async def process(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that is gone afterwards."""
    pipe = asyncio.subprocess.PIPE
    started = await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield started
    finally:
        if started.returncode is None:
            started.terminate()
        await started.communicate()


async def loaded(*words: object) -> Figures:
    """The figures of a load in a process of its own."""
    async with process(sys.executable, "-m", "bench.door", "load", *map(str, words)) as one:
        out, _ = await one.communicate()
    return dict(json.loads(out))


async def customer(url: str, operator: str) -> str:
    """A key of a new customer with twenty extensions."""
    headers, id = {"authorization": f"Bearer {operator}"}, str(uuid4())
    async with httpx.AsyncClient(base_url=url, headers=headers, params={"customer_id": id}) as client:
        for number in range(20):
            (await client.post("/v1.0/extensions", json={"extension": str(1001 + number)})).raise_for_status()
        made = (await client.post("/v1.0/accesskeys", json={"name": "load", "roles": ["viewer"]})).raise_for_status()
    return str(made.json()["key"])


async def measure(url: str, idle: str, operator: str) -> dict[str, list[Figures]]:
    """By scene, of each round: the few requests alone, beside a flood elsewhere, beside a flood at the same door."""
    few, many = await customer(url, operator), await customer(url, operator)
    found: dict[str, list[Figures]] = {"alone": [], "elsewhere": [], "beside": []}
    for number in range(ROUNDS):
        for scene, target in (("alone", None), ("elsewhere", idle), ("beside", url)):
            loads = [loaded(url, few, A_LITTLE, FEW, SECONDS)]
            loads += [loaded(target, many, FLOOD, MANY, SECONDS)] if target else []
            trickle, *flood = await asyncio.gather(*loads)
            found[scene].append({**trickle, "flood": flood[0] if flood else None})
            p99 = quantile(trickle["latencies"], 0.99)
            sys.stderr.write(f"round {number + 1} {scene}: p99 {p99:.1f} ms\n")
    return found


def quantiles(rounds: list[Figures], share: float) -> float:
    """Of each round, and of those the one in the middle."""
    return median(quantile(one["latencies"], share) for one in rounds)


def page(found: dict[str, list[Figures]]) -> str:
    """What was found, as a page."""
    names = {
        "alone": "alone",
        "elsewhere": "beside the same flood against a server that does nothing",
        "beside": "beside the flood at the same door",
    }
    rows = [
        f"| {names[scene]} | {quantiles(rounds, 0.5):.1f} | {quantiles(rounds, 0.99):.1f} |"
        for scene, rounds in found.items()
    ]
    floods = [one["flood"] for one in found["beside"]]
    codes = sum((Counter(flood["codes"]) for flood in floods), Counter[str]())
    rate = sum(flood["rate"] for flood in floods) / len(floods)
    base, shared, beside = (quantiles(found[scene], 0.99) for scene in ("alone", "elsewhere", "beside"))
    return "\n".join(
        [
            "# One customer's flood beside another's few requests",
            "",
            f"Written by `make bench-door` on {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, SQLite;"
            " client, flood",
            f"and server on the same cores. A customer lists its twenty extensions {A_LITTLE} times a second;",
            f"another one would ask {FLOOD} times a second, ten times its budget, over {MANY} connections. Latency",
            f"counts from when a request was due; of {ROUNDS} rounds of {SECONDS:g} s the one in the middle is shown.",
            "",
            "| the few requests | p50 ms | p99 ms |",
            "|---|---|---|",
            *rows,
            "",
            f"The flood came at {rate:.0f} a second, since 429 is answered late: "
            f"{codes['200'] / ROUNDS / SECONDS:.0f} a second were 200, {codes['429'] / ROUNDS / SECONDS:.0f} were 429.",
            "",
            f"p99 beside the flood is {beside / base:.2f} times that alone, and {beside / shared:.2f} times that",
            f"beside a flood elsewhere; the target is {LIMIT}. The machine's load was {os.getloadavg()[0]:.1f} on"
            f" {os.cpu_count()} cores: above that number the figures say more of the machine than of us.",
            "",
        ]
    )


async def run() -> str:
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        words = ["--ringback_home", str(home), "--rest_listen_address", "127.0.0.1:18950"]
        words += ["--prometheus_listen_address", "127.0.0.1:18951"]
        idle = process(sys.executable, "-m", "bench.door", "nothing", "18952")
        async with process(str(Path(sys.executable).parent / "ringback"), "up", *words) as server, idle:
            assert server.stdout
            while b"Ctrl-C" not in await server.stdout.readline():
                pass
            keys = json.loads((home / "keys.json").read_bytes())
            return page(await measure(keys["url"], "http://127.0.0.1:18952", keys["operator_key"]))


def main(words: list[str]) -> None:
    if words[:1] == ["load"]:
        url, key, rate, connections, seconds = words[1:]
        sys.stdout.write(json.dumps(asyncio.run(load(url, key, float(rate), int(connections), float(seconds)))))
    elif words[:1] == ["nothing"]:
        asyncio.run(nothing(int(words[1])))
    else:
        text = asyncio.run(run())
        PAGE.write_text(text)
        sys.stdout.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
