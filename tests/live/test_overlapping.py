"""Changes that overlap on a database server, where one does not wait for another unless it locks what it reads."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from ringback import first_start
from ringback.app import Ringback, assemble
from ringback.customers.keys import service as keys
from ringback.customers.keys import store as key_store
from ringback.databases import opened
from ringback.kit.db import Statement
from ringback.kit.secret import Secret
from ringback.registrar.asked import Wanted
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions import store
from ringback.registrar.extensions.wire import ChangeExtension, NewExtension
from ringback.registrar.trunks import service as trunks
from ringback.registrar.trunks import store as trunk_store
from ringback.registrar.trunks.wire import ChangeTrunk
from ringback.registrar.work import Uow
from ringback.sip import asterisk
from ringback.sip.digest import ha1
from tests.live.test_instances import Site, make_site

__all__ = ["make_site"]

pytestmark = [pytest.mark.process, pytest.mark.parametrize("engine", ["mariadb", "postgresql"])]

PLAIN = {"secret_storage": "plaintext"}
PASSWORD = "Another-Pass-0002"
SIP = ("ps_endpoints", "ps_auths", "ps_aors")


@asynccontextmanager
async def instance(site: Site, watch: Callable[[Statement], None]) -> AsyncIterator[Ringback]:
    """One whose statements are watched, each before it is said."""
    async with opened(site.settings, watch) as found, aclosing(assemble(site.settings, found)) as one:
        yield one


@asynccontextmanager
async def in_hand(one: Ringback, verb: Callable[[Uow], Any], go_on: asyncio.Event) -> AsyncIterator[None]:
    """A change that is made and commits when it may go on."""
    made = asyncio.Event()

    async def held(uow: Uow) -> None:
        await verb(uow)
        made.set()
        await go_on.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(one.work.write(held))
        await made.wait()
        yield


@pytest.mark.contract("registrar R-60")
@pytest.mark.parametrize("end", [False, True])
async def test_a_password_that_changes_while_it_becomes_a_digest_is_the_new_one(
    make_site: Callable[..., Site], engine: str, end: bool
) -> None:
    site = make_site(engine, **PLAIN)
    go_on = asyncio.Event()

    def watch(statement: Statement) -> None:
        if statement in (store.LOCK_PLAIN, store.CHANGE):
            go_on.set()

    async with site.instance() as one, instance(site, watch) as other:
        made = await site.rpc(one, "POST", "/v1/extensions", extension="1001", password="Secret-Pass-0001")
        asked = ChangeExtension(password=Secret(PASSWORD), name="new")
        id = UUID(made["id"])

        async def change(uow: Uow) -> None:
            if end:
                await extensions.delete(uow, id, of=None)
            else:
                await extensions.change(uow, id, asked, of=None)

        async with in_hand(one, change, go_on):
            await other.work.write(lambda uow: extensions.keep_digests(uow, 100))
        rows = [site.sql(f"SELECT id FROM {site.schema}{table}") for table in SIP]
        assert [len(found) for found in rows] == [0 if end else 1] * 3
        if not end:
            found = (await one.work.read(lambda uow: extensions.get(uow, id, of=None))).extension
            digest = ha1("1001", made["realm"], Secret(PASSWORD))
            assert (found.name, found.kept.ha1) == ("new", digest)
            assert [tuple(row) for row in site.sql(f"SELECT md5_cred FROM {site.schema}ps_auths")] == [(digest.md5,)]


@pytest.mark.contract("registrar R-60")
async def test_the_same_of_a_trunk(make_site: Callable[..., Site], engine: str) -> None:
    site = make_site(engine, **PLAIN)
    go_on = asyncio.Event()

    def watch(statement: Statement) -> None:
        if statement in (trunk_store.PLAIN, trunk_store.CHANGE):
            go_on.set()

    async with site.instance() as one, instance(site, watch) as other:
        made = await site.rpc(
            one, "POST", "/v1/trunks", domain_name="carrier-a", auth_types=["basic"], username="pbx01"
        )
        asked = ChangeTrunk(password=Secret(PASSWORD))
        async with in_hand(one, lambda uow: trunks.change(uow, UUID(made["id"]), asked, of=None), go_on):
            await other.work.write(lambda uow: trunks.keep_digests(uow, 100))
        found = await one.work.read(lambda uow: trunks.get(uow, UUID(made["id"]), of=None))
        assert found.trunk.kept.ha1 == ha1("pbx01", made["realm"], Secret(PASSWORD))


@pytest.mark.contract("registrar R-64")
async def test_a_phone_that_is_made_while_rows_of_nobody_go_keeps_its_own(
    make_site: Callable[..., Site], engine: str
) -> None:
    """MariaDB waits for who makes it even to see that there is none, PostgreSQL for the rows that are changed."""
    site = make_site(engine)
    go_on = asyncio.Event()
    waiting = {"mariadb": [store.LOCK_ENDPOINTS], "postgresql": list(asterisk.DROP.values())}[engine]

    def watch(statement: Statement) -> None:
        if statement in waiting:
            go_on.set()

    async with site.instance() as one, instance(site, watch) as other:
        await site.rpc(one, "POST", "/v1/extensions", extension="1001")
        endpoint = f"1002@{site.customer}.registrar.localhost"
        for table in SIP:
            site.sql(f"INSERT INTO {site.schema}{table} (id) VALUES (%s)", endpoint)
        wanted = [Wanted(NewExtension(extension="1002"))]
        async with in_hand(one, lambda uow: extensions.create_all(uow, site.customer, wanted), go_on):
            await other.work.write(lambda uow: extensions.restate(uow, endpoint))
        for table in SIP:
            assert len(site.sql(f"SELECT id FROM {site.schema}{table} WHERE id = %s", endpoint)) == 1, table
        assert (await other.reconciler.once()).due == []


@pytest.mark.contract("registrar R-60")
async def test_the_command_turns_clear_passwords_on_servers_into_digests(
    make_site: Callable[..., Site], engine: str, tmp_path: Path
) -> None:
    site = make_site(engine, **PLAIN)
    async with site.instance() as one:
        made = await site.rpc(one, "POST", "/v1/extensions", extension="1001", password=PASSWORD)
    dsns = {
        name: getattr(site.settings, name).get_secret_value() for name in ("database_dsn_bin", "database_dsn_asterisk")
    }
    words = ["secrets", "migrate", "--force", "--ringback_home", str(tmp_path)]
    words += [f"--{name}={dsn}" for name, dsn in dsns.items()]
    command = [str(Path(sys.executable).with_name("registrar-control")), *words]
    ran = await asyncio.to_thread(lambda: subprocess.run(command, capture_output=True, text=True, check=False))
    assert (ran.returncode, ran.stdout[:21]) == (0, "1 passwords turned in"), ran.stderr
    assert "stop every Ringback" in ran.stderr
    digest = ha1("1001", made["realm"], Secret(PASSWORD))
    rows = site.own.execute(f"SELECT password, ha1 FROM {site.own_schema}registrar_extensions")
    assert [tuple(row) for row in rows] == [(None, digest.md5)]
    rows = site.sql(f"SELECT password, md5_cred FROM {site.schema}ps_auths")
    assert [tuple(row) for row in rows] == [(None, digest.md5)]


async def test_a_home_keeps_no_keys_that_do_not_work_when_another_starts_for_the_first_time_too(
    make_site: Callable[..., Site], engine: str, tmp_path: Path
) -> None:
    site = make_site(engine)
    looks = count()

    def watch(statement: Statement) -> None:
        if statement is key_store.ANY and next(looks) == 1:
            id = uuid4()
            site.own.execute(
                f"INSERT INTO {site.own_schema}registrar_accesskeys (id, token_hash, token_prefix, roles)"
                " VALUES (%s, 'x', 'x', '[]')",
                id.bytes if engine == "mariadb" else id,
            )

    async with instance(site, watch) as one:
        made, is_new = await first_start.ensure(one.work, tmp_path, "http://localhost")
        assert made
        assert is_new
        assert await one.work.read(lambda uow: keys.holder(uow, made.customer_key))
