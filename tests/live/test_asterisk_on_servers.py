"""A real Asterisk that reads MariaDB and PostgreSQL: phones register, ring and leave as they do on the SQLite file."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ringback.asterisk_checks import checks
from ringback.demo.asterisk import Asterisk
from ringback.demo.ports import HOST, Ports
from ringback.demo.programs import AsteriskProgram
from ringback.demo.server import Server
from ringback.doctor.examination import examine
from ringback.doctor.given import Given
from ringback.kit.dsn import parse_dsn
from ringback.knobs import load
from ringback.sip.config import asterisk_files
from tests.policies import screened_by

from .conftest import Extension, StartPhone, World, until
from .digest import register
from .party import SDP, Party, caller_leg, invite
from .tables import PASSWORD, REALTIME, USER, Tables

pytestmark = [pytest.mark.sip, pytest.mark.process, pytest.mark.asyncio(loop_scope="session")]

STOCK = "stock"
FREE = dict.fromkeys(("rest_listen_address", "prometheus_listen_address"), "127.0.0.1:0")
WORLDS = [("mariadb", ""), ("mariadb", STOCK), ("postgresql", ""), ("postgresql", STOCK)]


@dataclass(frozen=True, slots=True)
class ServersWorld(World):
    """The same on a server. Where Asterisk's tables are `stock`, digests are kept for SHA-256 too."""

    tables: Tables = field(kw_only=True)
    algorithms: list[str] = field(kw_only=True)

    def sql(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        return self.tables.sql(text, *values)

    def complaints(self) -> list[str]:
        provoked = re.compile("terminating connection|SQL Execute error -1!|timeout expired")
        return [line for line in World.complaints(self) if not provoked.search(line)]


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=WORLDS, ids=" ".join)
async def world(
    request: pytest.FixtureRequest, program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServersWorld]:
    """One for each engine and each form of Asterisk's tables."""
    engine, form = request.param
    with Tables.on(request.getfixturevalue(engine), stock=form == STOCK) as tables:
        knows_sha = form == STOCK and program.major >= 22
        async with served(program, tables, tmp_path_factory.mktemp("live"), knows_sha=knows_sha) as one:
            yield one
            assert one.complaints() == []
            assert PASSWORD not in one.asterisk.log.read_text()


@asynccontextmanager
async def served(
    program: AsteriskProgram, tables: Tables, folder: Path, *, knows_sha: bool = False, cache: int = 0
) -> AsyncIterator[ServersWorld]:
    """A Ringback and an Asterisk on these tables, while inside."""
    ports = Ports.find()
    own, asterisk = map(parse_dsn, tables.for_asterisk())
    options = replace(ports.options(asterisk, own), cache=cache)
    pjsip = asterisk_files(options)["pjsip.conf"]
    often = pjsip.replace("type=global\n", "type=global\ncontact_expiration_check_interval=1\n")
    settings = dict(zip(("database_dsn_bin", "database_dsn_asterisk"), tables.dsns(), strict=True))
    settings |= {"asterisk_digest": "password_digest"} if knows_sha else {}
    async with (
        await Asterisk.start(program, options, folder / "asterisk", {"pjsip.conf": often}) as asterisk_itself,
        await Server.start(folder / "home", contact_poll_interval="0.1", **settings) as server,
    ):
        algorithms = ["SHA-256", "MD5"] if knows_sha else ["MD5"]
        yield ServersWorld(server, asterisk_itself, ports, tables=tables, algorithms=algorithms)


async def told(world: World, extension: Extension, *expected: tuple[str, str]) -> None:
    """Wait until these have been told, and no others."""

    async def enough() -> bool:
        return len(await world.news(extension)) >= len(expected)

    await until(enough)
    assert await world.news(extension) == list(expected)


async def calls_of(world: World, extension: Extension, state: str, count: int) -> list[dict[str, Any]]:
    """The extension's calls, newest first, if there are as many."""
    answer = await world.server.rest("GET", f"/v1.0/calls?extension_id={extension['id']}&state={state}")
    assert answer.status == 200, answer
    found: list[dict[str, Any]] = answer.body["result"]
    return found if len(found) == count else []


@pytest.mark.contract("router P-6")
async def test_asterisks_own_user_sees_which_policy_a_call_to_a_direct_address_goes_through(
    world: ServersWorld, phone: StartPhone
) -> None:
    extension = await world.create("2131", direct=True)
    callee, stranger = await phone(extension), await phone()
    assert await callee.register() == 200
    address = f"sip:direct.{extension['direct_hash']}@sip.localhost"
    statuses = [(await stranger.call(address, talk=0.1)).status]

    for fails in ("closed", "open"):  # nobody runs it here
        screened_by(world, extension["customer_id"], "calls.en", fails=fails)
        statuses.append((await stranger.call(address, talk=0.1)).status)
        world.sql("DELETE FROM router_policies")

    assert statuses == [200, 503, 200]


@pytest.mark.contract("registrar R-50, R-51")
async def test_a_phone_registers_is_seen_and_rung_until_it_leaves(world: ServersWorld, phone: StartPhone) -> None:
    extension, other = await asyncio.gather(world.create("2101", direct=True), world.create("2102"))
    one, caller, stranger = await asyncio.gather(phone(extension), phone(other), phone())
    number, direct = f"sip:2101@{extension['realm']}", f"sip:direct.{extension['direct_hash']}@sip.localhost"

    assert [await one.register(), await caller.register()] == [200, 200]
    await told(world, extension, ("contact_registered", ""))  # who comes and goes between two looks is no news
    (contact,) = await world.contacts(extension)
    stored = world.sql("SELECT id, uri, reg_server FROM ps_contacts WHERE endpoint = ?", extension["endpoint_id"])
    assert stored == [(contact["id"], contact["uri"], "asterisk")]
    assert re.fullmatch(r"sip:2101@127\.0\.0\.1:\d+\^3Bob", contact["uri"])
    (shown,) = (await world.server.rest("GET", f"/v1.0/extensions/{extension['id']}/contacts")).body["result"]
    assert shown["uri"] == contact["uri"].replace("^3B", ";")

    assert (await caller.call(number, talk=0.1)).status == 200
    assert (await stranger.call(direct, talk=0.1)).status == 200
    assert one.rang == 2
    await until(lambda: calls_of(world, extension, "ended", 2))
    assert [call["direction"] for call in await calls_of(world, extension, "ended", 2)] == ["direct", "internal"]

    assert await one.unregister() == 200
    assert world.sql("SELECT id FROM ps_contacts WHERE endpoint = ?", extension["endpoint_id"]) == []
    assert [(await caller.call(number)).status, (await stranger.call(direct)).status] == [480, 480]
    await told(world, extension, ("contact_registered", ""), ("contact_unregistered", "removed"))


async def test_a_call_is_recorded_whatever_the_caller_says_who_he_is(world: ServersWorld, phone: StartPhone) -> None:
    extension = await world.create("2109", direct=True)
    one = await phone(extension)
    assert await one.register() == 200
    address, at = f"sip:direct.{extension['direct_hash']}@sip.localhost", world.ports.public_at
    with Party.udp() as party:
        leg = replace(invite(address, "evil.example"), here=f"<sip:%ff%fe%27{'9' * 200}@evil.example>;tag=1")
        await party.send(leg.request(party, "INVITE", 1, body=SDP.format(version=1, host=HOST)), at)
        while (answer := await party.hear()).status < 200:
            pass
        for method, number in (("ACK", 1), ("BYE", 2)):
            await party.send(caller_leg(answer).request(party, method, number), at)

        await until(lambda: calls_of(world, extension, "ended", 1))

    (call,) = await calls_of(world, extension, "ended", 1)
    assert (answer.status, call["direction"], call["ended_by"]) == (200, "direct", "caller")
    assert call["from"].isprintable()
    assert 0 < len(call["from"]) <= 80


async def test_a_phone_that_registers_again_within_a_second_stays(world: ServersWorld, phone: StartPhone) -> None:
    extension = await world.create("2108")
    one = await phone(extension)

    assert [await one.register() for _ in range(8)] == [200] * 8

    assert len(await world.contacts(extension, fresh=True)) == 1
    await told(world, extension, ("contact_registered", ""))


@pytest.mark.contract("registrar R-58")
async def test_a_digest_is_proved_by_each_algorithm_that_it_is_kept_for(world: ServersWorld) -> None:
    extension = await world.create("2103")
    phones, offered = world.ports.phones_at, world.algorithms

    for algorithm in offered:
        assert await register(phones, extension, algorithm) == (200, offered)
        assert await register(phones, {**extension, "password": "something-else"}, algorithm) == (401, offered)
    ((kind, clear, uas),) = world.sql(
        "SELECT auth_type, password, supported_algorithms_uas FROM ps_auths WHERE id = ?", extension["endpoint_id"]
    )
    assert (kind, clear, uas) == ("md5", None, ",".join(offered) if len(offered) > 1 else None)


@pytest.mark.contract("registrar R-24, R-27")
async def test_a_new_password_and_the_end_of_an_extension_count_for_the_next_request(world: ServersWorld) -> None:
    extension = await world.create("2104")
    phones, offered = world.ports.phones_at, world.algorithms
    assert await register(phones, extension) == (200, offered)

    changed = await world.change(extension, password_regenerate=True)
    assert await world.contacts(extension) == []
    assert await register(phones, extension) == (401, offered)
    assert await register(phones, changed) == (200, offered)
    await told(
        world, extension,
        ("contact_registered", ""), ("contact_unregistered", "password_changed"), ("contact_registered", ""),
    )  # fmt: skip

    await world.delete(extension)
    assert (await register(phones, changed))[0] == 401
    name = extension["endpoint_id"]
    assert [world.sql(f"SELECT id FROM {table} WHERE id = ?", name) for table in REALTIME] == [[], [], []]
    assert world.sql("SELECT id FROM ps_contacts WHERE endpoint = ?", name) == []
    assert (await world.news(extension))[3:] == [("contact_unregistered", "extension_deleted")]


@pytest.mark.contract("registrar R-51")
async def test_asterisk_itself_removes_a_contact_that_has_expired(world: ServersWorld) -> None:
    extension = await world.create("2105")
    name = extension["endpoint_id"]
    world.sql("UPDATE ps_aors SET minimum_expiration = 1 WHERE id = ?", name)
    assert (await register(world.ports.phones_at, extension, expires="3"))[0] == 200
    await told(world, extension, ("contact_registered", ""))

    async def gone() -> bool:
        return world.sql("SELECT id FROM ps_contacts WHERE endpoint = ?", name) == []

    await until(gone)
    await told(world, extension, ("contact_registered", ""), ("contact_expired", ""))


async def test_what_a_phone_calls_itself_is_kept_letter_by_letter_and_cut_off_on_mariadb(world: ServersWorld) -> None:
    extension = await world.create("2106")
    names = ["Téléphone 😀", *(["x" * 300] if world.tables.is_mariadb else [])]

    for name in names:
        assert (await register(world.ports.phones_at, extension, agent=name))[0] == 200

    assert {contact["user_agent"] for contact in await world.contacts(extension)} == {name[:255] for name in names}


async def test_connections_that_end_are_replaced_and_one_request_is_refused_at_most(world: ServersWorld) -> None:
    extension = await world.create("2107")
    phones = world.ports.phones_at
    assert (await register(phones, extension))[0] == 200

    world.tables.cut()

    statuses = [(await register(phones, extension))[0] for _ in range(4)]
    assert statuses[1:] == [200, 200, 200]
    assert statuses[0] == 200 or not world.tables.is_mariadb


RIGHTS = {
    "DELETE on ps_contacts": "ringback: its user lacks DELETE on ps_contacts (the server says: ",
    "SELECT on ringback_trunk_numbers": "ringback-directs: its user lacks SELECT on ringback_trunk_numbers (the server",
    "INSERT on ringback_channel_events": "ringback-directs: its user lacks INSERT on ringback_channel_events (the",
}


@pytest.mark.parametrize("right", RIGHTS)
async def test_what_asterisks_user_may_not_do_is_told_by_the_check_and_by_the_doctor(
    world: ServersWorld, tmp_path: Path, right: str
) -> None:
    options, (what, table) = world.asterisk.options, right.split(" on ")
    own, theirs = world.tables.dsns()
    settings = {"ringback_home": tmp_path, "database_dsn_bin": own, "database_dsn_asterisk": theirs, **FREE}
    domains = {"domain_name_extension": options.domain_name_extension, "domain_name_trunk": "trunk.example.com"}
    given = Given(load({**settings, **domains}), asterisk=Path(options.directories.etc))

    async def seen() -> tuple[list[str], list[str]]:
        found = await checks(tmp_path, options, (), load({"ringback_home": tmp_path}))
        of_check = [f"{check.state}: {check.seen}" for check in found if check.name in ("database", "driver")]
        of_doctor = [
            f"{check.state}: {check.seen}" for check in await examine(given) if check.name == "asterisk_config"
        ]
        assert PASSWORD not in f"{of_check}{of_doctor}"
        return of_check, of_doctor

    of_check, of_doctor = await seen()
    assert of_check[-1] == "ok: Asterisk's user may read and write what it must"
    assert ["pjsip.conf" in one for one in of_doctor] == [True], "served() has altered it"

    world.tables.sql(f"REVOKE {what} ON {table} FROM {USER}")
    try:
        of_check, of_doctor = await seen()
    finally:
        world.tables.sql(f"GRANT {what} ON {table} TO {USER}")

    assert of_check[-1].startswith(f"problem: {RIGHTS[right]}")
    assert of_doctor[1].startswith(f"problem: {RIGHTS[right]}")


async def test_a_password_that_the_database_does_not_know_is_told_by_the_doctor(
    world: ServersWorld, tmp_path: Path
) -> None:
    """And of a folder for Asterisk's user, who is another one than Ringback's."""
    options = world.asterisk.options
    own, theirs = world.tables.dsns()
    folder = tmp_path / "etc"
    shutil.copytree(options.directories.etc, folder)
    file = folder / "res_odbc.conf"
    file.write_text(re.sub(r"^password => .*", "password => Sample-Pass-0004", file.read_text(), flags=re.MULTILINE))
    settings = {"ringback_home": tmp_path, "database_dsn_bin": own, "database_dsn_asterisk": theirs, **FREE}
    domains = {"domain_name_extension": options.domain_name_extension, "domain_name_trunk": "trunk.example.com"}

    found = await examine(Given(load({**settings, **domains}), asterisk=folder))

    told = [check for check in found if check.name == "asterisk_config" and "pjsip.conf" not in check.seen]
    assert [(check.state, check.do[:47]) for check in told] == [
        ("problem", "is the server up, and are host, port, user and ")
    ] * 2
    assert [check.seen.partition(":")[0] for check in told] == ["ringback", "ringback-directs"]
    assert "Sample-Pass" not in str(found)
