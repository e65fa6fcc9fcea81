"""An Asterisk that caches phones forgets one as soon as it is another: `?wait=applied` answers when it has."""

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from ringback.demo.programs import AsteriskProgram
from ringback.sip.config import AsteriskOptions, asterisk_files

from .conftest import World, running, until
from .digest import register

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]


def caching(options: AsteriskOptions) -> Mapping[str, str]:
    """Files of an Asterisk that remembers for an hour what it has read of a phone."""
    files = asterisk_files(options)
    lines = [f"{kind}/cache=memory_cache,object_lifetime_maximum=3600" for kind in ("endpoint", "aor", "auth")]
    head, module = "[res_pjsip]\n", "load=res_sorcery_memory.so\n"
    return {
        "sorcery.conf": files["sorcery.conf"].replace(head, "\n".join([head.strip(), *lines, ""])),
        "modules.conf": files["modules.conf"].replace(module, f"{module}load=res_sorcery_memory_cache.so\n"),
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running(program, tmp_path_factory.mktemp("live"), files=caching) as one:
        yield one
        assert one.complaints() == []


async def test_a_new_password_and_a_deletion_count_at_once_in_spite_of_the_cache(world: World) -> None:
    async def heard() -> bool:
        return "an Asterisk tells its events" in world.server.log.read_text()

    await until(heard, 10)
    at = world.ports.phones_at
    made = await world.create("2801")
    path = f"/v1.0/extensions/{made['id']}"
    assert (await register(at, made))[0] == 200
    world.sql("UPDATE ps_auths SET md5_cred = ? WHERE id = ?", "0" * 32, made["endpoint_id"])
    assert (await register(at, made))[0] == 200  # it is the cache that answers

    changed = await world.server.rest("PATCH", f"{path}?wait=applied", {"password": "Brand-New-Secret"})
    assert changed.body["applied"] == {"asterisks": 1, "pending": []}
    assert (await register(at, made))[0] == 401
    assert (await register(at, {**made, "password": "Brand-New-Secret"}))[0] == 200

    deleted = await world.server.rest("DELETE", f"{path}?wait=applied")
    assert deleted.body["applied"]["pending"] == []
    assert (await register(at, {**made, "password": "Brand-New-Secret"}))[0] == 401
