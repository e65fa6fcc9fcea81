"""What is left of an import whose server was killed in the middle, and what becomes of it."""

import asyncio
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.cli.conftest import Shell
from tests.patience import ENOUGH
from tests.registrar.test_killed_customer import address, until
from tests.test_server import up
from tests.world import PASSWORD, MakeWorld, World

ROWS = 2500
FILE = "extension,password\n" + "".join(f"{10000 + row},{PASSWORD}\n" for row in range(ROWS))
SOON = "UPDATE registrar_imports SET tm_update = '2020-01-01 00:00:00.000000'"
"""As if nobody had touched it for longer than one waits for whoever is at it."""


def live(world: World) -> int:
    """Phones that are there."""
    return int(world.sql("SELECT count(*) AS n FROM registrar_extensions WHERE tm_delete IS NULL")[0]["n"])


def is_right(world: World, shell: Shell) -> None:
    """The SIP tables say what our own say, no more and no less."""
    ran = shell.control("reconcile", "--dry_run", "--format", "json")
    assert (ran.code, ran.json) == (0, []), ran
    for table in ("ps_endpoints", "ps_aors", "ps_auths"):
        assert world.sql(f"SELECT count(*) AS n FROM {table}") == [{"n": live(world)}]


def send(place: str, key: str) -> httpx.Response | None:
    """The answer to the file, or none where the server was killed."""
    headers = {"authorization": f"Bearer {key}", "content-type": "text/csv"}
    try:
        return httpx.post(place, content=FILE, headers=headers, timeout=ENOUGH)
    except httpx.TransportError:
        return None


@pytest.mark.process
@pytest.mark.parametrize("mode", ["all_or_nothing", "row_by_row"])
def test_an_import_of_a_killed_server_is_whole_after_its_restart_or_when_it_is_sent_again(
    make_world: MakeWorld, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    world = make_world()
    shell, key = Shell(world.home, str(world.customer), capsys), asyncio.run(world.key(world.customer))
    place = f"/v1.0/extensions:import?mode={mode}"

    def some_are_there(said: str) -> bool:
        shown = httpx.get(
            f"{address(said)}/v1.0/extensions?page_size=100", headers={"authorization": f"Bearer {key}"}, timeout=ENOUGH
        )
        return len(shown.json()["result"]) == 100

    with up(world.home) as (process, said), ThreadPoolExecutor(1) as beside:
        sending = beside.submit(send, address(said) + place, key)
        until(process, lambda: some_are_there(said))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert sending.result(ENOUGH) is None
    rest = live(world)
    is_right(world, shell)
    world.sql(SOON)
    with up(world.home) as (process, said):
        if mode == "all_or_nothing":
            until(process, lambda: not world.sql("SELECT id FROM registrar_imports"))
        after = live(world)
        again = send(address(said) + place, key)

    assert 100 <= rest < ROWS
    assert after == (ROWS if mode == "all_or_nothing" else rest)
    assert again is not None
    assert (again.json()["created"], again.json()["unchanged"]) == (ROWS - after, after)
    assert live(world) == ROWS
    assert world.sql("SELECT * FROM registrar_imports") + world.sql("SELECT * FROM registrar_import_parts") == []
    created = [payload for type, payload in world.events() if type == "extension_created"]
    told = Counter(payload["id"] for payload in created if "id" in payload)  # not the router's
    assert (len(told), set(told.values())) == (ROWS, {1})
    is_right(world, shell)
