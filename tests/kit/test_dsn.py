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
@pytest.mark.parametrize("text", ["", "x", "root:secret@unix(/x)/y", "oracle://root:secret@db/x"])
def test_anything_else_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="must ") as caught:
        parse_dsn(text)

    assert "secret" not in str(caught.value)
