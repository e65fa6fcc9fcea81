"""`ringback sip asterisk-config`: what it writes on MariaDB and PostgreSQL, for whose eyes, and what it refuses."""

from configparser import ConfigParser
from pathlib import Path
from urllib.parse import quote, unquote_plus

import pytest

from ringback.kit.dsn import parse_dsn
from ringback.sip.config import AsteriskOptions, Directories, asterisk_files
from ringback.sip.func_odbc import QUERIES
from ringback.sip.odbc import USUAL_DRIVERS

from .conftest import Ran, Shell

PASSWORD = "a;b}c %41+\\;\"'"
MARIADB = f"asterisk:{PASSWORD}@tcp(db.example:3307)"
POSTGRESQL = f"postgresql://asterisk:{quote(PASSWORD)}@db.example/voip"
OWN, THEIRS = f"{MARIADB}/bin_manager", f"{MARIADB}/asterisk"
FILES = 24


def command(shell: Shell, out: Path, own: str, theirs: str, *more: str) -> Ran:
    dsns = (f"--database_dsn_bin={own}", f"--database_dsn_asterisk={theirs}")
    ran = shell.ringback("sip", "asterisk-config", f"--out={out}", *dsns, *more)
    assert PASSWORD not in ran.out + ran.err
    return ran


def on_a_file(shell: Shell, out: Path | None, *more: str) -> tuple[int, str]:
    """The same for the SQLite file of a home: its exit code, and all that it said."""
    ran = shell.ringback("sip", "asterisk-config", *([f"--out={out}"] if out else []), *more)
    return ran.code, ran.out + ran.err


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def odbc_ini(folder: Path) -> ConfigParser:
    found = ConfigParser(interpolation=None, comment_prefixes=(";",))
    found.read(folder / "odbc.ini")
    return found


@pytest.mark.long
def test_the_password_stands_in_one_file_for_its_owner_alone(shell: Shell, tmp_path: Path) -> None:
    ran = command(shell, tmp_path / "etc", OWN, THEIRS)

    assert ran.code == 0, ran
    files = {path.name: path for path in (tmp_path / "etc").iterdir()}
    assert len(files) == FILES
    (holder,) = [name for name, path in files.items() if "b}c" in path.read_text()]
    assert (holder, files[holder].stat().st_mode & 0o777) == ("res_odbc.conf", 0o600)
    lines = files[holder].read_text().splitlines()
    assert lines.count("username => asterisk") == lines.count("password => a\\;b}c %41+\\\\;\"'") == 2
    assert files["odbc.ini"].stat().st_mode & 0o044
    assert f"chown asterisk {tmp_path}/etc/res_odbc.conf " in ran.out
    assert "apt-get install odbc-mariadb " in ran.out

    files[holder].chmod(0o644)
    again = command(shell, tmp_path / "etc", OWN, THEIRS)
    assert again.out.startswith("0 files written")
    assert files[holder].stat().st_mode & 0o777 == 0o600


def test_the_files_are_those_that_the_asterisk_of_the_live_tests_serves_phones_with(
    shell: Shell, tmp_path: Path
) -> None:
    ran = command(shell, tmp_path, OWN, THEIRS, "--bind=192.0.2.7", "--odbc_driver=/opt/libmaodbc.so")

    assert ran.code == 0, ran
    options = AsteriskOptions(
        database=parse_dsn(THEIRS),
        directs=parse_dsn(OWN),
        drivers={**USUAL_DRIVERS, "mysql": "/opt/libmaodbc.so"},
        bind="192.0.2.7",
        directories=Directories(etc=str(tmp_path)),
    )
    assert {name: (tmp_path / name).read_text() for name in asterisk_files(options)} == asterisk_files(options)


def test_each_database_is_where_its_dsn_says(shell: Shell, tmp_path: Path) -> None:
    command(shell, tmp_path / "etc", OWN, f"{MARIADB}/asterisk?tls=skip-verify")

    found = odbc_ini(tmp_path / "etc")
    assert found.sections() == ["ringback", "ringback-directs"]
    assert [dict(found["ringback"])[key] for key in ("driver", "server", "port", "database", "forcetls")] == [
        "MariaDB Unicode", "db.example", "3307", "asterisk", "1"
    ]  # fmt: skip
    assert (found["ringback-directs"]["database"], "forcetls" in found["ringback-directs"]) == ("bin_manager", False)
    assert (tmp_path / "etc/extconfig.conf").read_text().splitlines()[2:] == [
        *(f"{table} => odbc,ringback,{table}" for table in ("ps_endpoints", "ps_auths", "ps_aors", "ps_contacts")),
    ]
    queries = (tmp_path / "etc/func_odbc.conf").read_text()
    assert queries.count("\ndsn=ringback-directs\n") == queries.count("\nreadsql=") == len(QUERIES)


def test_postgresql_is_told_its_schema_at_the_start_of_each_connection(shell: Shell, tmp_path: Path) -> None:
    theirs = f"{POSTGRESQL}?search_path=asterisk&sslmode=verify-full&sslrootcert=/etc/ca.pem"
    ran = command(shell, tmp_path / "etc", OWN, theirs, "--odbc_driver=/opt/psqlodbca.so")

    assert ran.code == 0, ran
    found = odbc_ini(tmp_path / "etc")
    ours = dict(found["ringback"])
    assert unquote_plus(ours.pop("connsettings")) == "SET client_encoding TO 'UTF8'; SET search_path TO \"asterisk\""
    assert ours == {
        "driver": "/opt/psqlodbca.so",
        "servername": "db.example",
        "port": "5432",
        "database": "voip",
        "sslmode": "verify-full",
        "pqopt": "application_name=asterisk sslrootcert='/etc/ca.pem' tcp_user_timeout=10000",
    }
    assert found["ringback-directs"]["driver"] == "MariaDB Unicode"
    assert "apt-get install odbc-mariadb odbc-postgresql   # ODBC for MariaDB and PostgreSQL\n" in ran.out


def test_a_socket_is_gone_to_where_the_dsn_names_one(shell: Shell, tmp_path: Path) -> None:
    command(shell, tmp_path / "etc", "u@unix(/run/m.sock)/bin", "postgresql://u@/voip?host=/run/postgresql")

    found = odbc_ini(tmp_path / "etc")
    assert found["ringback"]["servername"] == "/run/postgresql"
    assert (found["ringback-directs"]["socket"], "tcpip" in found["ringback-directs"]) == ("/run/m.sock", False)
    assert "password" not in (tmp_path / "etc/res_odbc.conf").read_text()


def test_a_file_that_is_named_comes_before_the_settings(shell: Shell, tmp_path: Path) -> None:
    ran = command(shell, tmp_path / "etc", OWN, THEIRS, f"--database={tmp_path}/ringback.db")

    assert ran.code == 0, ran
    assert dict(odbc_ini(tmp_path / "etc")["ringback"])["database"] == f"{tmp_path}/ringback.db"
    assert "libsqliteodbc" in ran.out


@pytest.mark.parametrize(
    ("own", "theirs", "said"),
    [
        (
            OWN,
            "postgresql://u:x%0Ay@h/d",
            "--database_dsn_asterisk its password must not begin or end with a space, nor hold",
        ),
        ("u: x@tcp(h)/d", THEIRS, "--database_dsn_bin its password must not begin or end with a space, nor hold"),
        (OWN, "u:x@tcp(h)/d;e", "--database_dsn_asterisk its database must not hold ';' or control characters"),
        (OWN, "u:x@tcp(h)/", "--database_dsn_asterisk it must name a database"),
        (OWN, f"{POSTGRESQL}?sslrootcert=a'b", "--database_dsn_asterisk its sslrootcert must not hold ';', quotes or"),
    ],
    ids=["a line end", "a space", "a semicolon", "no database", "a quote"],
)
def test_a_dsn_that_the_files_cannot_say_is_named_with_all_other_faults(
    shell: Shell, tmp_path: Path, own: str, theirs: str, said: str
) -> None:
    ran = command(shell, tmp_path / "etc", own, theirs, "--bind=::1", "--odbc_driver=a\nb")

    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1
    for fault in (said, "--bind must be an IPv4 address", "--odbc_driver must not be empty"):
        assert fault in ran.err
    assert not (tmp_path / "etc").exists()


def test_a_file_beside_a_server_is_refused_in_one_line(shell: Shell, tmp_path: Path) -> None:
    ran = command(shell, tmp_path / "etc", OWN, f"sqlite:///{tmp_path}/ringback.db")

    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert "database_dsn_bin: must be a SQLite file for this" in ran.err


# ---- whatever the engine


def test_call_manager_is_asked_where_it_listens_and_the_database_after_it(shell: Shell, tmp_path: Path) -> None:
    plain, asking = tmp_path / "plain", tmp_path / "asking"

    assert on_a_file(shell, plain)[0] == 0
    assert on_a_file(shell, asking, "--routing=agi", "--agi_listen_address=192.0.2.7:4573")[0] == 0

    before, after = written(plain), written(asking)
    differ = {name for name in after if after[name] != before[name]} - {"asterisk.conf"}
    assert differ == {"extensions.conf", "modules.conf"}
    assert after["extensions.conf"].count("AGI(agi://192.0.2.7:4573/route,") == 2
    assert set(before["extensions.conf"].splitlines()) < set(after["extensions.conf"].splitlines())


@pytest.mark.parametrize(
    "address",
    ["192.0.2.5", "192.0.2.5:", "0.0.0.0:5060", "edge:5060", "192.0.2.5:5060\n[x]", "::1:5", "192.0.2.5:5060,"],
)
def test_an_edge_must_be_an_address_and_a_port(shell: Shell, tmp_path: Path, address: str) -> None:
    code, text = on_a_file(shell, tmp_path / "etc", f"--edge={address}")

    assert (code, "--edge must be an IPv4 address and a port" in text) == (2, True), text


@pytest.mark.parametrize("address", ["", ":4573", "0.0.0.0:4573", "[::]:4573"])
def test_an_address_that_no_asterisk_reaches_is_refused(shell: Shell, tmp_path: Path, address: str) -> None:
    code, text = on_a_file(shell, tmp_path / "etc", "--routing=agi", f"--agi_listen_address={address}")

    assert (code, "agi_listen_address must say where" in text) == (2, True), text
    assert not (tmp_path / "etc").exists()


def test_files_that_differ_are_named_and_left_alone_unless_forced(shell: Shell, tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "pjsip.conf").write_text("; mine\n")
    (etc / "other.conf").write_text("; mine, too\n")

    refused = on_a_file(shell, etc)
    assert refused == (2, f"ringback: {etc} has files that differ: pjsip.conf; --force replaces them\n")
    assert written(etc) == {"pjsip.conf": "; mine\n", "other.conf": "; mine, too\n"}

    assert on_a_file(shell, etc, "--force")[0] == 0
    after = written(etc)
    assert after["other.conf"] == "; mine, too\n"
    assert "type=transport" in after["pjsip.conf"]

    code, text = on_a_file(shell, etc)
    assert (code, text.splitlines()[0]) == (0, f"0 files written to {etc} ({len(after) - 1} were so already)")


def test_a_folder_that_cannot_be_one_is_refused_in_one_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert on_a_file(shell, tmp_path / "file") == (
        2,
        f"ringback: {tmp_path / 'file'} cannot be used: not a directory\n",
    )
    assert on_a_file(shell, None) == (
        2,
        "ringback: One or more fields are invalid. --out is required\n",
    )


def test_every_faulty_flag_is_named_at_once_and_nothing_is_written(shell: Shell, tmp_path: Path) -> None:
    faulty = ("--bind=::1", "--rtp_ports=9-8", "--system_name=a b", "--database=a;b", "--odbc_driver=a\nb")

    code, text = on_a_file(shell, tmp_path / "etc", *faulty)

    assert code == 2
    assert [flag for flag in ("bind", "rtp_ports", "system_name", "database", "odbc_driver") if f"--{flag} " in text] \
        == ["bind", "rtp_ports", "system_name", "database", "odbc_driver"]  # fmt: skip
    assert not (tmp_path / "etc").exists()


def manager_conf(folder: Path) -> ConfigParser:
    found = ConfigParser(interpolation=None, comment_prefixes=(";",), strict=False)
    found.read(folder / "manager.conf")
    return found


def test_the_manager_port_is_closed_unless_ringback_shall_hear(shell: Shell, tmp_path: Path) -> None:
    assert on_a_file(shell, tmp_path / "etc")[0] == 0

    assert manager_conf(tmp_path / "etc")["general"]["enabled"] == "no"


def test_the_secret_of_the_manager_port_is_made_once_and_stands_in_its_file_alone(shell: Shell, tmp_path: Path) -> None:
    code, text = on_a_file(shell, tmp_path / "etc", "--ami_bind=127.0.0.1:5039", "--ami-permit=192.0.2.1,10.0.0.0/8")
    assert code == 0, text

    file = tmp_path / "etc/manager.conf"
    found = manager_conf(tmp_path / "etc")
    secret = found["ringback"]["secret"]
    assert (len(secret) >= 24, file.stat().st_mode & 0o777) == (True, 0o600)
    assert [name for name, content in written(tmp_path / "etc").items() if secret in content] == ["manager.conf"]
    assert secret not in text
    assert "ASTERISK_AMI=ami://ringback:<the secret in manager.conf>@<this machine>:5039" in text
    assert dict(found["general"]) == {
        "enabled": "yes", "bindaddr": "127.0.0.1", "port": "5039", "displayconnects": "no"
    }  # fmt: skip
    lines = file.read_text().splitlines()
    assert (
        lines.count("deny=0.0.0.0/0.0.0.0") == lines.count("permit=192.0.2.1") == lines.count("permit=10.0.0.0/8") == 1
    )

    again = on_a_file(shell, tmp_path / "etc", "--ami_bind=127.0.0.1:5039", "--ami_permit=192.0.2.1,10.0.0.0/8")
    assert (again[0], again[1].startswith("0 files written")) == (0, True)


def test_the_manager_port_has_the_credentials_that_ringback_has_been_told(shell: Shell, tmp_path: Path) -> None:
    told = "ami://rb:Sample-Pass-0001@127.0.0.1:5039,ami://rb:Sample-Pass-0002@pbx:5038"

    code, text = on_a_file(shell, tmp_path / "etc", "--ami_bind=127.0.0.1:5039", f"--asterisk_ami={told}")

    assert (code, "Sample-Pass" in text) == (0, False)
    assert manager_conf(tmp_path / "etc")["rb"]["secret"] == "Sample-Pass-0001"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--ami_bind=5038"], "--ami_bind must be host:port"),
        (["--ami_bind=pbx:5038"], "--ami_bind must be an IP address and a port"),
        (["--ami_bind=127.0.0.1:5038", "--ami_permit=all"], "--ami_permit must be IP addresses and CIDRs"),
        (["--ami_bind=127.0.0.1:5038", "--ami_permit="], "--ami_permit must be IP addresses and CIDRs"),
        (["--ami_bind=127.0.0.1:1", "--asterisk_ami=ami://u:Sample-Pass%3B@h:1"], "--asterisk_ami its password must"),
        (["--ami_bind=127.0.0.1:1", "--asterisk_ami=ami://general:x@h:1"], "--asterisk_ami its user must not be"),
    ],
)
def test_a_manager_port_that_cannot_be_is_refused_by_name(
    shell: Shell, tmp_path: Path, flags: list[str], said: str
) -> None:
    code, text = on_a_file(shell, tmp_path / "etc", *flags)

    assert (code, said in text, "Sample-Pass" in text) == (2, True, False), text
    assert not (tmp_path / "etc").exists()


@pytest.mark.contract("router P-6")
def test_without_an_address_no_policy_is_run_and_the_command_says_so(shell: Shell, tmp_path: Path) -> None:
    code, told = on_a_file(shell, tmp_path / "without")
    assert (code, "with SCREEN_LISTEN_ADDRESS it would have customers' policies" in told) == (0, True), told
    code, told = on_a_file(shell, tmp_path / "with", "--screen_listen_address=192.0.2.7:4574")
    assert (code, "SCREEN_LISTEN_ADDRESS" in told) == (0, False), told

    without, asking = written(tmp_path / "without"), written(tmp_path / "with")
    assert "CURL" not in without["extensions.conf"]
    assert "CURL(http://192.0.2.7:4574/screen?" in asking["extensions.conf"]
    assert {name for name in asking if asking[name] != without[name]} == {
        "asterisk.conf", "extensions.conf", "modules.conf",
    }  # fmt: skip
    code, told = on_a_file(shell, tmp_path / "any", "--screen_listen_address=0.0.0.0:4574")
    assert (code, "screen_listen_address must say where" in told) == (2, True), told
