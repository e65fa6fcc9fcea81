"""Two spellings of where a database is."""

import pytest

from ringback.kit.dsn import parse_dsn

PASSWORDS = ["secret", "p@ss:w/rd", "a@tcp(b", "", "%40", "x?y=1"]


@pytest.mark.contract("registrar R-80")
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_go_dsn_and_a_url_name_the_same_database(password: str) -> None:
    quoted = "".join(f"%{byte:02X}" for byte in password.encode())

    go = parse_dsn(f"root:{password}@tcp(db.example.com:3307)/bin_manager?parseTime=true&loc=UTC")
    url = parse_dsn(f"mysql+asyncmy://root:{quoted}@db.example.com:3307/bin_manager?charset=utf8mb4")

    assert go == url
    assert (go.username, go.password, go.host, go.port, go.database) == (
        *("root", password, "db.example.com", 3307, "bin_manager"),
    )


@pytest.mark.contract("registrar R-80")
def test_what_is_left_out_has_its_default() -> None:
    assert parse_dsn("root@tcp(db)/x") == parse_dsn("mariadb://root@db/x")
    assert parse_dsn("root@tcp([::1]:1)/x").host == "::1"
    assert parse_dsn("postgresql://db/x").port == 5432
    assert parse_dsn("sqlite:////var/ringback.db").database == "/var/ringback.db"


@pytest.mark.contract("registrar R-80")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "root:secret@unix(x)/y",
        "root:secret@tcp(db)/x?tls=preferred",
        "postgresql://root:secret@db/x?sslmode=no",
        "oracle://root:secret@db/x",
        "root:secret@tcp(db:99999)/x",
        "mysql://root:secret@db:0/x",
        "postgresql://root:secret@db:99999/x",
        "postgresql://root:secret@db/x?port=secret",
    ],
)
def test_anything_else_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="must ") as caught:
        parse_dsn(text)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("root@tcp(db)/x?parseTime=true&charset=utf8mb4&loc=UTC&tls=false", {}),
        ("root@tcp(db)/x?tls=skip-verify", {"ssl_check_hostname": "false"}),
        ("mysql://root@db/x?sslmode=require", {"ssl_check_hostname": "false"}),
        ("mysql://root@db/x?ssl_ca=/ca.pem", {"ssl_ca": "/ca.pem", "ssl_check_hostname": "true"}),
        ("root@unix(/run/my.sock)/x", {"unix_socket": "/run/my.sock"}),
        ("postgresql://db/x?options=-csearch_path%3Dasterisk", {"search_path": "asterisk"}),
        ("postgresql://db/x?options=-c%20a%3Db%20-c%20search_path%3Dbin,public", {"search_path": "bin"}),
        ("postgresql://db/x?search_path=bin&sslmode=require", {"search_path": "bin", "sslmode": "require"}),
        ("postgresql:///x?host=/run/postgresql", {"host": "/run/postgresql"}),
    ],
)  # fmt: skip
def test_options_that_matter_are_kept_in_one_spelling_and_others_are_not(text: str, query: dict[str, str]) -> None:
    assert dict(parse_dsn(text).query) == query


@pytest.mark.parametrize("text", ["root@tcp(db)/x?tls=true", "mysql://root@db/x?sslmode=verify-full"])
def test_a_checked_link_is_checked_by_whom_the_machine_trusts(text: str) -> None:
    query = dict(parse_dsn(text).query)

    assert query.pop("ssl_check_hostname") == "true"
    assert query
    assert set(query) <= {"ssl_ca", "ssl_capath"}


def test_a_socket_has_no_port() -> None:
    go = parse_dsn("root:p@unix(/run/my.sock)/x")

    assert go == parse_dsn("mysql://root:p@/x?unix_socket=/run/my.sock")
    assert (go.host, go.port) == (None, None)


@pytest.mark.contract("registrar R-80")
@pytest.mark.parametrize(
    "text",
    [
        "postgresql://root:secret@db/x?search_pth=secret",
        "mysql://root:secret@db/x?search_pth=secret",
        "root:secret@tcp(db)/x?parseTime=true&search_pth=secret",
        "root:secret@tcp(db)/x?search_pth=",
    ],
)
def test_an_option_that_nobody_knows_is_named_and_its_value_is_not(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must have no option search_pth=: ") as caught:
        parse_dsn(text)

    assert "secret" not in str(caught.value)
