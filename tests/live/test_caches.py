"""An Asterisk that caches phones forgets one as soon as it is another: `?wait=applied` answers when it has."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest
import pytest_asyncio

from ringback.demo.programs import AsteriskProgram
from ringback.sip.config import AsteriskOptions, asterisk_files

from .conftest import World, running, until
from .digest import register

ONE, TWO, THREE = "First-Secret-0001", "Other-Secret-0002", "Third-Secret-0003"
pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]


def caching(options: AsteriskOptions) -> Mapping[str, str]:
    """Files of an Asterisk that remembers for an hour what it has read of a phone."""
    files = asterisk_files(replace(options, cache=3600))
    return {name: files[name] for name in ("sorcery.conf", "modules.conf")}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running(program, tmp_path_factory.mktemp("live"), files=caching) as one:
        yield one
        assert one.complaints() == []


async def test_a_new_password_and_a_deletion_count_at_once_in_spite_of_the_cache(world: World) -> None:
    async def heard() -> bool:
        return "an Asterisk tells its events" in world.server.log.read_text()

    await until(heard)
    at = world.ports.phones_at
    made = await world.create("2801")
    path = f"/v1.0/extensions/{made['id']}"

    async def lets_in(password: str) -> bool:
        return (await register(at, {**made, "password": password}))[0] == 200

    async def change(password: str) -> None:
        changed = await world.server.rest("PATCH", f"{path}?wait=applied", {"password": password})
        assert changed.body["applied"] == {"asterisks": 1, "pending": []}

    await change(ONE)
    assert await lets_in(ONE)
    world.sql("UPDATE ps_auths SET md5_cred = ? WHERE id = ?", "0" * 32, made["endpoint_id"])
    assert await lets_in(ONE)  # it is the cache that answers

    await change(TWO)
    assert [await lets_in(ONE), await lets_in(TWO)] == [False, True]

    words = ("extension", "update", f"--id={made['id']}", f"--password={THREE}", "--format=json")
    code, text = await world.server.run("registrar-control", *words)
    assert (code, json.loads(text)["id"]) == (0, made["id"])
    assert [await lets_in(TWO), await lets_in(THREE)] == [False, True]

    deleted = await world.server.rest("DELETE", f"{path}?wait=applied")
    assert deleted.body["applied"]["pending"] == []
    assert not await lets_in(THREE)
