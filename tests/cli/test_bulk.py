"""`registrar-control extension import FILE` and `export`, and of trunks, as an operator types them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ringback import first_start
from ringback.registrar.imports.columns import PROGRAMS
from tests.cli.conftest import Ran, Shell
from tests.house import ROOT
from tests.test_server import up

FILE = 'Extension;Name;Password\r\n1001;"Müller; ""Empfang""";\r\n1002;Büro;Sample-Pass-0002\r\n'


def run(shell: Shell, kind: str, *words: str) -> Ran:
    return shell.control(kind, *words, "--customer_id", shell.customer)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "phones.csv"
    path.write_text("\ufeff" + FILE)
    return path


def test_a_file_is_imported_and_what_was_made_is_shown_once(shell: Shell, file: Path) -> None:
    tried = run(shell, "extension", "import", str(file), "--dry-run")
    assert shell.sql("SELECT * FROM registrar_extensions") == []
    made = run(shell, "extension", "import", str(file))
    again = run(shell, "extension", "import", str(file), "--format", "json")

    assert (tried.code, made.code, again.code) == (0, 0, 0), (tried, made, again)
    assert "would be: 2 created, 0 updated" in tried.out
    assert "2 created, 0 updated, 0 unchanged" in made.out
    assert "Passwords that were made, shown this once" in made.out
    assert "Sample-Pass-0002" not in made.out
    assert (again.json["unchanged"], again.json["passwords"]) == (2, [])
    assert len(shell.sql("SELECT * FROM ps_endpoints")) == 2


def test_what_is_printed_can_be_imported_again(shell: Shell, file: Path, tmp_path: Path) -> None:
    run(shell, "extension", "import", str(file))

    for form in ("csv", "json"):
        printed = run(shell, "extension", "export", "--format", form)
        saved = tmp_path / f"saved.{form}"
        saved.write_text(printed.out)
        assert (printed.code, 'Müller; ""' in printed.out or 'Müller; \\"' in printed.out) == (0, True)
        assert run(shell, "extension", "import", str(saved), "--format", "json").json["unchanged"] == 2


@pytest.mark.parametrize(("mode", "left"), [("all_or_nothing", 0), ("row_by_row", 1)])
def test_faults_are_a_table_of_lines(shell: Shell, tmp_path: Path, mode: str, left: int) -> None:
    path = tmp_path / "phones.csv"
    path.write_text("extension,password\n1001,Sample-Pass-0001\n1 2,short\n")

    table = run(shell, "extension", "import", str(path), "--mode", mode)

    assert table.code == 2
    assert [line.split()[1:4:2] for line in table.out.splitlines() if line.startswith("│")] == [
        ["3", "extension"], ["3", "password"]
    ]  # fmt: skip
    assert len(shell.sql("SELECT * FROM registrar_extensions")) == left


def test_trunks_are_imported_and_printed(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "trunks.csv"
    path.write_text("domain_name,auth_types,allowed_ips\ncarrier-a,ip,203.0.113.7 198.51.100.0/28\n")

    assert run(shell, "trunk", "import", str(path)).code == 0
    printed = run(shell, "trunk", "export")

    assert "carrier-a,ip,,203.0.113.7 198.51.100.0/28,," in printed.out


@pytest.mark.parametrize(("words", "told"), [(("phones.pdf",), "must be one of .csv"), (("none.csv",), "is no file")])
def test_a_file_that_cannot_be_read_is_a_usage_error(shell: Shell, words: tuple[str, ...], told: str) -> None:
    ran = run(shell, "extension", "import", *words)

    assert (ran.code, told in ran.err) == (2, True), ran
    assert run(shell, "extension", "import", "none.csv", "--mode", "some").code == 2


@pytest.mark.process
def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs/bulk.md").read_text(), re.DOTALL | re.MULTILINE)
    home = tmp_path / "var"

    with up(home):
        keys = first_start.read(home)
        assert keys
        known = {"RINGBACK_HOME": str(home), "URL": keys.url, "KEY": keys.customer_key}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        said = [
            subprocess.run(
                ["bash", "-euc", block],
                cwd=tmp_path,
                env={**os.environ, **known, "PATH": path},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for block in blocks
        ]

    assert len(blocks) == 3
    counted = [re.findall(r"(\d) created, (\d) updated, (\d) unchanged", one) for one in said]
    assert counted[0] == [("2", "0", "0"), ("2", "0", "0"), ("0", "0", "2")]
    assert counted[1] == [("1", "0", "0"), ("1", "0", "0"), ("0", "1", "0")]
    assert said[2].count('"created":0,"updated":0,"unchanged":2') == 2
    assert '2001,2001,"Doe, Jane",,true' in said[2]
    assert "3001,3001,Doe Jürgen,j@example.com,false" in said[2]


def test_every_program_of_the_page_means_what_it_says() -> None:
    page = (ROOT / "docs/bulk.md").read_text()

    assert dict(re.findall(r"^\| `(\w+)`[^|]*\| `([^`]+:[^`]+)` \|$", page, re.MULTILINE)) == PROGRAMS["extension"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--columns", "asterisk"), "--columns has 'asterisk', which is neither"),
        (("--columns", "Name:name", "--mode", "some"), "--mode must be one of all_or_nothing, row_by_row; --columns"),
        (("--encoding", "rot13"), "--encoding must be one of utf-8, utf-16"),
    ],
)
def test_columns_and_encodings_that_there_are_none_of_are_usage_errors(
    shell: Shell, file: Path, words: tuple[str, ...], told: str
) -> None:
    ran = run(shell, "extension", "import", str(file), *words)

    assert (ran.code, told in ran.err) == (2, True), ran


def test_a_file_that_is_not_utf_8_says_what_it_may_be_and_comes_in_so(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "phones.csv"
    path.write_bytes("Number,First,Last\n1001,Zoë,Doe\n".encode("windows-1252"))
    words = ("extension", "import", str(path), "--columns", "Number:extension,First+Last:name")

    refused = run(shell, *words, "--format", "json")
    made = run(shell, *words, "--encoding", "cp1252")

    assert (refused.code, refused.json["faults"][0]["line"]) == (2, 2)
    assert "--encoding" in refused.json["faults"][0]["description"]
    assert (made.code, shell.sql("SELECT name FROM registrar_extensions")) == (0, [{"name": "Zoë Doe"}])
