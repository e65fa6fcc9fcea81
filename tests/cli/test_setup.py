"""`registrar-control extension setup`: a code for a camera, a link, a sheet to type from."""

import json
import re
from typing import Any

import pytest

from ringback.kit.secret import Secret
from ringback.sip.digest import ha1
from tests import codes
from tests.cli.conftest import Shell

pytestmark = pytest.mark.long


@pytest.fixture
def phone(shell: Shell) -> dict[str, Any]:
    made = shell.control(
        "extension", "create", "--customer_id", shell.customer, "--extension_number", "1001", "--name", "Front desk",
        "--format", "json",
    )  # fmt: skip
    return dict(made.json)


def digest(shell: Shell) -> str:
    (row,) = shell.sql("SELECT ha1 FROM registrar_sip_auths")
    return str(row["ha1"])


def test_the_code_on_the_terminal_is_the_link_below_it(shell: Shell, phone: dict[str, Any]) -> None:
    before = digest(shell)

    ran = shell.control("extension", "setup", "--id", phone["id"], "--public_url", "https://phones.example.com")

    assert ran.code == 0, ran
    url = codes.on_terminal(ran.out).removesuffix("?format=linphone")
    assert re.fullmatch(r"https://phones\.example\.com/v1\.0/setup/rs_[\w-]{43}", url)
    assert f"\n{url}\nIt works once, until " in ran.out
    assert "Password               (made when the link is opened)" in ran.out
    assert digest(shell) == before


def test_a_program_gets_the_link_as_rest_shows_it(shell: Shell, phone: dict[str, Any]) -> None:
    ran = shell.control("extension", "setup", "--id", phone["id"], "--expires_in_minutes", "60", "--format", "json")

    link = json.loads(ran.out)
    assert codes.in_svg(link["qr_svg"]) == f"{link['url']}?format=linphone"
    assert link["extension_id"] == phone["id"]
    assert link["formats"] == ["acrobits", "baresip", "json", "linphone", "text"]


def test_a_sheet_makes_the_password_at_once(shell: Shell, phone: dict[str, Any]) -> None:
    ran = shell.control("extension", "setup", "--id", phone["id"], "--sheet")

    found = re.search(r"^Password +(\S+)$", ran.out, re.MULTILINE)
    assert found
    assert found[1] != phone["password"]
    assert digest(shell) == ha1("1001", phone["realm"], Secret(found[1])).md5
    assert shell.sql("SELECT * FROM registrar_setup_links") == []


def test_what_cannot_be_is_said_in_one_line(shell: Shell, phone: dict[str, Any]) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    for more, said in (
        (("--id", nobody), "No such extension."),
        (
            ("--id", phone["id"], "--expires_in_minutes", "0"),
            "--expires_in_minutes must be a whole number from 1 to 1440",
        ),
        (("--id", phone["id"], "--expires_in_minutes", "soon"), "--expires_in_minutes must be a whole number"),
    ):
        ran = shell.control("extension", "setup", *more)
        assert ran.code != 0
        assert said in ran.err
        assert ran.out == ""
