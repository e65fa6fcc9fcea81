"""Databases on servers that are other than the settings say: refused in one line, and left as they are."""

import pytest

from ringback import cli
from tests.live.daemon import DOMAINS, Ended
from tests.live.schemas import ENGINES, ForeignOnServer, shape_of, url_of
from tests.servers.database import Database
from tests.servers.fixtures import MakeDatabase

pytestmark = pytest.mark.process

OTHERS = {
    "ps_endpoints": "id int primary key, foo text",
    "ps_aors": "id varchar(255) primary key, max int",
    "ps_auths": "id varchar(255) primary key, auth_type int, username varchar(40), password varchar(80)",
    "ps_contacts": "id bigint, uri varchar(511), expiration_time bigint",
}
FAULTS = {
    "ps_endpoints": "it has no column aors, auth, id is integer",
    "ps_aors": "it has no column max_contacts",
    "ps_auths": "auth_type is integer",
    "ps_contacts": "id is bigint",
}


@pytest.fixture(params=ENGINES)
def both(request: pytest.FixtureRequest, make_database: MakeDatabase) -> tuple[Database, Database]:
    return make_database(request.param), make_database(request.param)


def ringback(capsys: pytest.CaptureFixture[str], both: tuple[Database, Database], *words: str) -> Ended:
    """A command as an operator runs it, without a terminal; what it says on stderr must be one line at most."""
    dsns = [f"--database_dsn_{name}={one.dsn}" for name, one in zip(("bin", "asterisk"), both, strict=True)]
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, *dsns, *(f"--{name}={value}" for name, value in DOMAINS.items())])
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("{")]
    assert len(lines) <= 1, lines
    return Ended(int(ended.value.code or 0), "".join(lines))


@pytest.mark.contract("registrar R-82")
@pytest.mark.parametrize("table", OTHERS)
def test_tables_that_only_have_a_name_of_asterisks_stay_as_they_are(
    both: tuple[Database, Database], capsys: pytest.CaptureFixture[str], table: str
) -> None:
    own, asterisk = both
    asterisk.execute(f"CREATE TABLE {table} ({OTHERS[table]})")
    before = [shape_of(url_of(one), whole=True) for one in both]
    ended = ringback(capsys, both, "db", "upgrade")

    assert ended == Ended(2, f"ringback: the table {table} is neither Ringback's nor Asterisk's: {FAULTS[table]}")
    assert [shape_of(url_of(one), whole=True) for one in both] == before


@pytest.mark.contract("registrar R-83")
def test_a_take_over_that_is_refused_leaves_nothing_behind(
    both: tuple[Database, Database], capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = ForeignOnServer(both[0])
    foreign.extension("1001")
    foreign.extension("anonymous")
    before = shape_of(foreign.url, whole=True)
    with pytest.raises(SystemExit) as ended:
        cli.main(["db", "upgrade", f"--database_dsn_bin={both[0].dsn}", f"--database_dsn_asterisk={both[1].dsn}"])

    assert ended.value.code == 2
    assert "no extension may have the number anonymous" in capsys.readouterr().err
    assert shape_of(foreign.url, whole=True) == before


@pytest.mark.contract("registrar R-81")
def test_a_database_with_tables_of_others_alone_is_asked_about(
    both: tuple[Database, Database], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has mistyped a DSN, or swapped two, does not get our tables in a stranger's schema."""
    own, asterisk = both
    assert ringback(capsys, both, "db", "upgrade").code == 0
    swapped = (asterisk, own)
    before = [shape_of(url_of(one), whole=True) for one in both]
    upgraded = ringback(capsys, swapped, "db", "upgrade")
    started = ringback(capsys, swapped, "registrar-control", "reconcile")

    question = f"ringback: database_dsn_bin: the database {asterisk.name} holds other tables (ps_aors, ps_auths, "
    for ended in (upgraded, started):
        assert ended.code == 2
        assert ended.line.startswith(question)
        assert "is it the right one? If it is, " in ended.line
        assert "--force" in ended.line
    assert [shape_of(url_of(one), whole=True) for one in both] == before
    assert ringback(capsys, swapped, "db", "upgrade", "--force").code == 0
