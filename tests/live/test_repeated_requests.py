"""One `Idempotency-Key` at several instances at once, on a database server: one does it, and the others know."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from ringback.app import Ringback
from ringback.customers.keys import service as keys
from ringback.customers.keys.model import ADMIN, OPERATOR, new_token
from ringback.kit import replays
from ringback.kit.db import Statement
from tests.api.test_repeat import KEPT, PHONE, PROCESSOR, Case, key
from tests.live.test_instances import Site, make_site
from tests.live.test_overlapping import instance
from tests.world import refusal

__all__ = ["make_site"]

pytestmark = [
    pytest.mark.process,
    pytest.mark.contract("router R-6b"),
    pytest.mark.parametrize("engine", ["mariadb", "postgresql"]),
    pytest.mark.parametrize("case", [PHONE, PROCESSOR], ids=["registrar", "router"]),
]
MANY = 12


class Gone(Exception):
    """What ends a request in the middle."""


@asynccontextmanager
async def clients(site: Site, case: Case, *ringbacks: Ringback) -> AsyncIterator[list[httpx.AsyncClient]]:
    """One at each instance, all with the same access key."""
    token = new_token()
    customer, role = (site.customer, ADMIN) if case is PHONE else (None, OPERATOR)
    await ringbacks[0].work.write(lambda uow: keys.keep(uow, token, customer, "test", role))
    async with AsyncExitStack() as stack:
        made = []
        for one in ringbacks:
            assert (await one.router.loader.reload()).ok
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app=one.gateway),
                base_url="http://ringback",
                headers={"authorization": f"Bearer {token.reveal()}"},
            )
            made.append(await stack.enter_async_context(client))
        yield made


def count(site: Site, table: str) -> int:
    return len(site.own.execute(f"SELECT * FROM {site.own_schema}{table}"))


async def test_of_many_at_once_one_does_it(make_site: Callable[..., Site], engine: str, case: Case) -> None:
    site = make_site(engine)
    async with site.instance() as one, site.instance() as other, clients(site, case, one, other) as at:
        before = count(site, case.table)

        answers = await asyncio.gather(
            *(at[number % 2].post(case.path, json=case.body, headers=key()) for number in range(MANY))
        )

        assert [answer.status_code for answer in answers] == [201] * MANY
        assert sum("idempotent-replay" in answer.headers for answer in answers) == MANY - 1
        assert len({(answer.json()["id"], answer.headers["etag"]) for answer in answers}) == 1
        assert count(site, case.table) == before + 1
        assert refusal(await at[1].post(case.path, json=case.other, headers=key())) == (422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize(
    ("end", "code", "reason"),
    [("done", 201, ""), ("failed", 409, "EXTENSION_ALREADY_EXISTS"), ("running", 409, "IDEMPOTENCY_KEY_IN_USE")],
)
async def test_who_comes_second_waits_for_the_first(
    make_site: Callable[..., Site], engine: str, case: Case, end: str, code: int, reason: str
) -> None:
    """The second one does it where the first has failed, and finds that there is such a thing then."""
    site = make_site(engine, database_timeout=1)
    held, comes, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def watch(statement: Statement) -> None:
        if statement is replays.ADD:
            comes.set()

    async with site.instance() as one, instance(site, watch) as other, clients(site, case, one, other) as at:
        await at[0].post(case.path, json=case.body, headers=key())
        ((*said, answer),) = site.own.execute(f"SELECT key_hash, fingerprint, answer FROM {site.own_schema}{KEPT}")
        site.own.execute(f"DELETE FROM {site.own_schema}{KEPT}")

        async def first(uow: Any) -> None:
            assert await replays.begin(uow, replays.Once(*said)) is None
            held.set()
            await go_on.wait()
            if end == "failed":
                raise Gone
            await replays.keep(uow, replays.Once(*said), answer)

        running = asyncio.create_task(one.work.write(first))
        await held.wait()
        late = asyncio.create_task(at[1].post(case.path, json=case.body, headers=key()))
        await comes.wait()
        if end != "running":
            go_on.set()
        told = await late
        go_on.set()
        await asyncio.wait({running})
        assert isinstance(running.exception(), Gone) == (end == "failed")

    assert (told.status_code, told.json().get("error", {}).get("reason", "")) == (code, reason)
    assert ("idempotent-replay" in told.headers) == (end == "done")
