"""A real Redis that goes, freezes and comes back: asked in a moment or not at all."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ringback.kit.breaker import State
from ringback.kit.budget import Allowance, LocalBudget
from ringback.kit.errors import CannotStart
from ringback.transports.redis.address import Address
from ringback.transports.redis.refusals import Away
from ringback.transports.redis.server import PATIENCE, PAUSE, Redis
from ringback.transports.redis.store import RedisStore
from tests.patience import ENOUGH
from tests.servers.redis import Redis as Server

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server.private() as one:
        yield one


class Heard:
    """What a store says of itself."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.states: list[State] = []


@asynccontextmanager
async def store_of(address: str, heard: Heard) -> AsyncIterator[RedisStore]:
    """It has all the time it needs: most of this is not about slowness."""
    store = RedisStore(Address.parse(address), heard.failures.append, heard.states.append)
    store.redis.patience = ENOUGH
    yield store
    await store.close()


async def until(holds: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(ENOUGH):
        while not await holds():
            pass


def lines(logged: Callable[[], str]) -> list[str]:
    return [line["message"] for line in map(json.loads, logged().splitlines()) if "Redis" in line["message"]]


@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_it_goes_and_comes_back_and_is_said_to_once_each(
    server: Server, how: str, logged: Callable[[], str]
) -> None:
    heard = Heard()
    async with store_of(server.url(), heard) as store:
        cache = store.cache("x", str)
        await cache.fill("a", "1", 60)
        assert await cache.get("a") == "1"
        await asyncio.to_thread(getattr(server, how))
        store.redis.patience = PATIENCE

        async with asyncio.timeout(ENOUGH):
            assert await asyncio.gather(*(cache.get("a") for _ in range(50))) == [None] * 50
            for _ in range(500):
                await cache.fill("a", "2", 60)
                assert not await store.keys.delete(["b"])
                assert await store.keys.run() is None

        assert lines(logged) == ["Redis is away"]
        assert set(heard.failures) == {"cache"}
        assert heard.states[0] is State.OPEN
        await asyncio.to_thread(server.start if how == "kill" else server.resume)
        store.redis.patience = ENOUGH
        await until(lambda: cache.get("a"))
        assert lines(logged) == ["Redis is away", "Redis is back"]
        assert heard.states[-1] is State.CLOSED
        assert server.password not in logged()
        assert await store.keys.delete(["b"])


async def test_one_that_is_down_at_first_is_found_when_it_comes(server: Server) -> None:
    server.kill()
    async with store_of(server.url(), Heard()) as store:
        assert await store.keys.run() is None
        await asyncio.to_thread(server.start)
        await until(store.keys.run)


async def test_another_run_has_another_name(server: Server) -> None:
    async with store_of(server.url(), Heard()) as store:
        first = await store.keys.run()
        assert await store.keys.run() == first
        server.kill()
        await asyncio.to_thread(server.start)
        await until(store.keys.run)

        assert first
        assert await store.keys.run() != first


NOBODY = "Redis does not know the user, or the password is another"
REFUSES = "Redis refuses us; the log says why."
REFUSED = {
    ("redis://:wrong@{0}", ""): f"redis_address: {NOBODY}",
    ("redis://nobody@{0}", "{1}"): f"redis_password: {NOBODY}",
    ("{0}", "wrong"): f"redis_password: {NOBODY}",
    ("{0}", ""): "redis_password: Redis wants a password, and there is none",
    ("redis://:{1}@{0}/65535", ""): "redis_address: Redis has no database 65535",
    ("{0}", "{1}"): "redis_database: Redis has no database 65535",
    ("redis://few:secret@{0}/0", ""): "redis_address: the user may not do in Redis what we do there",
}


@pytest.mark.parametrize(("text", "password"), REFUSED)
async def test_one_that_does_not_let_us_in_is_told_apart_from_one_that_is_away(
    server: Server, text: str, password: str, logged: Callable[[], str]
) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "few", "on", ">secret", "+select")
    heard, known = Heard(), (server.address, server.password)
    address = Address.parse(text.format(*known), password.format(*known), 65535)
    why = REFUSED[text, password]
    store = RedisStore(address, heard.failures.append, heard.states.append)
    store.redis.patience = ENOUGH
    assert await store.cache("x", str).get("a") is None
    assert not await store.keys.delete(["a"])
    assert await store.redis.state() == REFUSES
    if "may not do" not in why:
        with pytest.raises(CannotStart, match=f"^{why}$"):
            await store.redis.require()
    await store.close()

    assert heard.failures == ["cache"]
    (line,) = [line for line in map(json.loads, logged().splitlines()) if "Redis" in line["message"]]
    assert (line["severity"], f"{line['setting']}: {line['error']}") == ("ERROR", why)
    assert "wrong" not in logged()
    assert server.password not in logged()


async def test_one_that_speaks_no_tls_or_is_no_redis_is_named(server: Server, tmp_path: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"AMQP\0\0\x09\x01\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        for text, why in {
            f"127.0.0.1:{port}": "redis_address: whoever answers there is no Redis",
            f"rediss://{server.address}?ssl_ca_certs={tmp_path}/ca.pem": "redis_address: a file of TLS cannot be read",
        }.items():
            redis = Redis(Address.parse(text))
            with pytest.raises(CannotStart, match=why):
                await redis.require()
            await redis.close()


async def test_one_that_comes_back_with_another_password_is_an_error_once(logged: Callable[[], str]) -> None:
    def said() -> list[tuple[str, str]]:
        found = [line for line in map(json.loads, logged().splitlines()) if "Redis" in line["message"]]
        return [(line["severity"], line.get("setting", "")) for line in found]

    now = 0.0
    with Server.private() as server:
        redis = Redis(Address.parse(server.address, server.password), patience=ENOUGH, clock=lambda: now)
        assert await redis.state() == "ok"
        server.kill()
        assert await redis.state() == "Redis does not answer."
        await redis.require()
        conf, right = server.folder / "redis.conf", server.password
        for secret, states in (("another", [REFUSES] * 3), (right, ["ok"])):
            conf.write_text(conf.read_text().replace(f"requirepass {server.password}\n", f"requirepass {secret}\n"))
            server.kill()
            server.password = secret
            await asyncio.to_thread(server.start)
            for state in states:
                now += PAUSE
                assert await redis.state() == state
        await redis.close()

    assert said() == [("WARNING", ""), ("ERROR", "redis_password"), ("INFO", "")]


async def test_one_that_refuses_to_write_is_away_and_fails_nobody(server: Server) -> None:
    heard = Heard()
    with server.client() as client:
        client.config_set("maxmemory", "1")
    try:
        async with store_of(server.url(), heard) as store:
            await store.cache("x", str).fill("a", "1", 60)
            alone = LocalBudget(Allowance(1))
            budget = store.budget("misses", Allowance(1), alone)
            assert [await budget.spend("a"), await budget.spend("a")] == [True, False]
            assert await alone.is_shut("a")
    finally:
        with server.client() as client:
            client.config_set("maxmemory", "0")
    assert heard.failures == ["cache"]


async def test_who_may_not_ask_for_the_run_still_deletes(server: Server) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "few", "on", ">secret", "~*", "+unlink", "+select")
        client.set("a", "1")
        async with store_of(f"redis://few:secret@{server.address}", Heard()) as store:
            assert await store.keys.run()
            assert await store.keys.delete(["a"])
        assert client.get("a") is None


async def test_whoever_gives_up_asking_leaves_the_connection_in_order(server: Server) -> None:
    redis = Redis(Address.parse(server.url()), patience=ENOUGH)
    for number in range(200):
        task = asyncio.create_task(redis.ask("x", partial(_echo, str(number))))
        for _ in range(number % 7):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await redis.ask("x", partial(_echo, f"{number}!")) == f"{number}!".encode()
    await redis.close()


async def test_whoever_gives_up_connecting_leaves_nobody_in_another_database(server: Server) -> None:
    given_up = 0
    for steps in range(60):
        redis = Redis(Address.parse(server.url(5)), patience=ENOUGH)
        task = asyncio.create_task(redis.ask("x", lambda client: client.ping()))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        given_up += task.cancelled()
        assert (await redis.ask("x", lambda client: client.client_info()))["db"] == 5
        await redis.close()
    assert given_up > 5


async def test_a_probe_that_is_given_up_is_followed_by_another(server: Server) -> None:
    now = 0.0
    redis = Redis(Address.parse(server.url()), patience=ENOUGH, clock=lambda: now)
    with pytest.raises(Away):
        await redis.ask("x", _refuse)
    now = PAUSE
    probe = asyncio.create_task(redis.ask("x", lambda client: asyncio.Event().wait()))
    await asyncio.sleep(0)
    with pytest.raises(Away):
        await redis.ask("x", lambda client: client.ping())
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)

    assert await redis.ask("x", lambda client: client.ping())
    await redis.close()


async def _echo(text: str, client: Any) -> Any:
    return await client.echo(text)


async def _refuse(client: Any) -> None:
    raise ConnectionError


async def test_many_names_are_deleted_in_pieces(server: Server) -> None:
    names = [f"name:{number}" for number in range(1201)]
    with server.client() as client:
        client.mset(dict.fromkeys([*names, "other"], "1"))
        async with store_of(server.url(), Heard()) as store:
            assert await store.keys.delete(names)
            assert await store.keys.delete([])
        assert client.keys("name:*") == []
        assert client.get("other")
        client.flushdb()


@pytest.mark.contract("registrar R-40")
async def test_guessing_stays_limited_while_redis_is_away_and_when_it_is_back(server: Server) -> None:
    async with store_of(server.url(), Heard()) as store, store_of(server.url(), Heard()) as other:
        budgets = [one.budget("misses", Allowance(3), LocalBudget(Allowance(3))) for one in (store, other)]
        assert [await budgets[number % 2].spend("a") for number in range(4)] == [True, True, True, False]
        assert [await budget.is_shut("a") for budget in budgets] == [True, True]
        server.kill()
        for budget in budgets:
            assert [await budget.spend("b") for _ in range(4)] == [True, True, True, False]
            assert await budget.is_shut("b")
        await asyncio.to_thread(server.start)
        await until(store.keys.run)
        await until(other.keys.run)

        assert [await budget.is_shut("a") for budget in budgets] == [True, True]
        with server.client() as client:
            assert all(0 < client.pttl(key) <= 60_000 for key in client.keys("ringback:*"))
