"""`ringback doctor` on a real Asterisk: each way in which an installation breaks is explained."""

import os
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from ringback.app import assemble
from ringback.databases import opened
from ringback.demo.asterisk import Asterisk
from ringback.demo.ports import Ports
from ringback.demo.programs import AsteriskProgram
from ringback.doctor.examination import examine
from ringback.doctor.given import Given
from ringback.kit.checks import Check
from ringback.kit.secret import Secret
from ringback.knobs import load
from ringback.registrar.diagnosis import service as diagnosis
from ringback.sip.odbc import sqlite_url

from .conftest import World, running, until
from .digest import register

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]
FREE = dict.fromkeys(("rest_listen_address", "prometheus_listen_address"), "127.0.0.1:0")


@dataclass
class Patient:
    """An installation of its own that is broken and made whole again."""

    world: World
    whole: dict[Path, str] = field(default_factory=dict)

    @property
    def etc(self) -> Path:
        return Path(self.world.asterisk.options.directories.etc)

    async def found(self, *, ahead: float = 0, folder: bool = True, **settings: str) -> list[Check]:
        """What is not in order."""
        manager = self.world.asterisk.options.manager
        assert manager
        ami = f"ami://{manager.user}:{manager.secret.reveal()}@{manager.host}:{manager.port}"
        settings = {"ringback_home": str(self.world.server.home), "asterisk_ami": ami, **FREE, **settings}
        given = Given(
            load(settings),
            asterisk=self.etc if folder else None,
            now=lambda: datetime.now(UTC) - timedelta(seconds=ahead),
        )
        found = [check for check in await examine(given) if check.state != "ok"]
        assert manager.secret.reveal() not in str(found)
        assert all(check.do for check in found)
        return found

    def edit(self, name: str, pattern: str, to: str) -> None:
        text = (self.etc / name).read_text()
        self.whole.setdefault(self.etc / name, text)
        changed = re.sub(pattern, to, text, flags=re.MULTILINE)
        assert changed != text
        (self.etc / name).write_text(changed)

    async def restart(self) -> None:
        await self.world.asterisk.kill()
        await self.world.asterisk.again()

    async def heal(self) -> None:
        for file, text in self.whole.items():
            file.write_text(text)
        await self.restart()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def patient(program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Patient]:
    async with running(program, tmp_path_factory.mktemp("doctor")) as world:
        await world.create("7301")
        yield Patient(world)


async def test_nothing_is_wrong_with_one_that_is_whole(patient: Patient) -> None:
    assert await patient.found() == []


BROKEN = {
    "no driver": ("odbc.ini", r"^Driver = .*", "Driver = /usr/lib/none.so", "does not know 7301@demo"),
    "another database": ("odbc.ini", r"^Database = .*", "Database = /tmp/none.db", "does not know 7301@demo"),
    "no endpoints": ("sorcery.conf", r"^endpoint=realtime.*\n", "", "does not know 7301@demo"),
    "no passwords": ("sorcery.conf", r"^auth=realtime.*\n", "", r"finds no row of 7301@demo.* in ps_auths"),
    "no AORs": ("sorcery.conf", r"^aor=realtime.*\n", "", r"finds no row of 7301@demo.* in ps_aors"),
    "no table": (
        "extconfig.conf",
        r"^ps_auths =>",
        ";ps_auths =>",
        "res_pjsip.so that could not start",
    ),
    "no tables": ("modules.conf", "preload=res_config_odbc.so\n", "", "has not loaded res_config_odbc.so, so it reads"),
    "no queries": (
        "modules.conf",
        "load=func_odbc.so\n",
        "",
        "not loaded func_odbc.so, so no call finds out who rings",
    ),
    "no records": ("modules.conf", "load=cel_odbc.so\n", "", "has not loaded cel_odbc.so, so no call gets a record"),
    "no registrar": ("modules.conf", "load=res_pjsip_registrar.so\n", "", "_registrar.so, so no phone can register"),
    "no tones": ("modules.conf", "load=res_pjsip_dtmf_info.so\n", "", "has not loaded res_pjsip_dtmf_info.so"),
    "who may not hear": ("manager.conf", "^read=.*", "read=system", "does not tell who comes in"),
    "who hears nothing": ("manager.conf", "^eventfilter=.*", "eventfilter=!Event: .*", "does not tell who comes in"),
    "who may not ask": ("manager.conf", "^write=.*", "write=call", "lets us in, and lets us ask nothing (Permission"),
    "another password": ("manager.conf", "^secret=.*", "secret=Sample-Pass-0002", "does not let us in (Authentication"),
    "from elsewhere": ("manager.conf", "^permit=.*", "permit=192.0.2.0/28", "does not let us in (Authentication"),
    "no port": ("manager.conf", "^enabled=yes", "enabled=no", "cannot be heard (Connect call failed"),
}


@pytest.mark.contract("registrar R-89")
@pytest.mark.parametrize("case", BROKEN)
async def test_what_a_running_asterisk_lacks_is_told_and_its_file_is_named(patient: Patient, case: str) -> None:
    name, pattern, to, sentence = BROKEN[case]
    patient.edit(name, pattern, to)
    await patient.restart()
    try:
        found = await patient.found()
    finally:
        await patient.heal()

    live = [check.seen for check in found if check.name == "asterisk_ami"]
    assert any(re.search(sentence.replace("(", r"\("), seen) for seen in live), found
    of_files = [check.seen for check in found if check.name == "asterisk_config" and check.state == "problem"]
    assert [seen for seen in of_files if name in seen], found


async def test_one_that_is_stopped_is_told_with_and_without_its_folder(patient: Patient) -> None:
    await patient.world.asterisk.kill()
    try:
        with_folder, without = await patient.found(), await patient.found(folder=False)
    finally:
        await patient.restart()

    assert [check.name for check in with_folder] == ["asterisk_ami", "asterisk_config"]
    assert [check.state for check in without] == ["problem"]
    assert "start it" in without[0].do


async def test_a_wrong_password_is_told_by_a_process_that_has_not_heard_of_it(patient: Patient) -> None:
    world, extension = patient.world, await patient.world.create("7302")

    async def kept() -> bool:
        """Tried again until Ringback is there to hear it: Asterisk has just been restarted."""
        assert (await register(world.ports.phones_at, {**extension, "password": "Sample-Pass-0003"}))[0] == 401
        return bool(world.sql("SELECT 1 FROM registrar_refusals WHERE endpoint_id = ?", extension["endpoint_id"]))

    await until(kept)
    settings = load({"ringback_home": world.server.home})
    async with opened(settings) as found:
        told = await assemble(settings, found).work.read(
            lambda uow: diagnosis.of_extension(uow, UUID(extension["id"]), of=None, hears=False)
        )

    assert told.problem
    assert (told.problem.name, told.problem.do[:22]) == ("refusals", "set the password again")
    assert re.match(r"The phone was refused .* from 127.0.0.1 because its password is wrong", told.problem.seen)


async def test_a_clock_that_is_wrong_is_told(patient: Patient) -> None:
    told = [check.seen for check in await patient.found(ahead=90) if check.name == "asterisk_ami"]
    assert len(told) == 1
    assert re.search("^The clock of the Asterisk at .* is (89|90|91) s ahead of ours$", told[0])


async def test_files_that_are_younger_than_what_it_has_read_are_told(patient: Patient) -> None:
    file = patient.etc / "pjsip.conf"
    before = file.stat()
    soon = (datetime.now(UTC) + timedelta(minutes=1)).timestamp()
    os.utime(file, (soon, soon))
    try:
        (check,) = await patient.found()
    finally:
        os.utime(file, (before.st_atime, before.st_mtime))

    assert (check.state, check.do) == ("warning", "restart it")
    assert "has not read pjsip.conf" in check.seen


async def test_a_folder_is_compared_with_the_asterisk_alone_that_reads_it(
    patient: Patient, program: AsteriskProgram, tmp_path: Path
) -> None:
    world, ports, secret = patient.world, Ports.find(), Secret.generate()
    first = world.asterisk.options.manager
    assert first
    both = f"ami://{first.user}:{first.secret.reveal()}@{first.host}:{first.port},{ports.ami(secret)}"
    options = ports.options(sqlite_url(world.server.database), manager=secret)
    soon = (datetime.now(UTC) + timedelta(minutes=1)).timestamp()
    file = patient.etc / "pjsip.conf"
    before = file.stat()
    os.utime(file, (soon, soon))
    try:
        async with await Asterisk.start(program, options, tmp_path):
            found = await patient.found(asterisk_ami=both)
    finally:
        os.utime(file, (before.st_atime, before.st_mtime))

    unread = [check.seen for check in found if "has not read pjsip.conf" in check.seen]
    assert [seen.split(" has not")[0] for seen in unread] == [f"The Asterisk at {first.host}:{first.port}"]


async def test_events_of_calls_that_nobody_takes_are_told(patient: Patient) -> None:
    """Ringback is away, and Asterisk goes on writing."""
    await patient.world.server.stop()
    written = (datetime.now(UTC) - timedelta(minutes=11)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with closing(sqlite3.connect(patient.world.server.database, isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO ringback_channel_events (eventtype, eventtime, channame, uniqueid, linkedid)"
            " VALUES ('CHAN_START', ?, 'PJSIP/x-00000001', 'asterisk-1.2', 'asterisk-1.2')",
            (written,),
        )

    (check,) = [check for check in await patient.found() if check.name == "calls"]

    assert (check.state, check.do[:27]) == ("problem", "is call-manager running ('r")
    assert re.match(r"\d+ events of calls wait to become records, the oldest for 66\d s", check.seen)
