"""Both forms of a stored credential, tried with both digests."""

import pytest

from ringback.demo.programs import AsteriskProgram

from .conftest import World, running
from .digest import register

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.contract("registrar R-58")
async def test_md5_cred_is_proved_by_md5_and_nothing_else_is_offered(world: World) -> None:
    extension = await world.create("1401")

    assert await register(world.ports.phones_at, extension, "MD5") == (200, ["MD5"])


@pytest.mark.contract("registrar R-58")
async def test_password_digest_is_proved_by_sha_256_and_by_md5(
    program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if program.major < 22:
        pytest.skip(f"Asterisk {program.version} knows MD5 digests only")
    folder = tmp_path_factory.mktemp("sha256")
    async with running(program, folder, asterisk_digest="password_digest") as world:
        extension = await world.create("1402")
        wrong = {**extension, "password": "something-else"}
        phones = world.ports.phones_at

        assert await register(phones, extension, "SHA-256") == (200, ["SHA-256", "MD5"])
        assert await register(phones, extension, "MD5") == (200, ["SHA-256", "MD5"])
        assert await register(phones, wrong, "SHA-256") == (401, ["SHA-256", "MD5"])
        again = await world.change(extension, password_regenerate=True)
        assert await register(phones, extension, "SHA-256") == (401, ["SHA-256", "MD5"])
        assert await register(phones, again, "SHA-256") == (200, ["SHA-256", "MD5"])
        assert world.complaints() == []
