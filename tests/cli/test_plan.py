"""`ringback plan`, `apply`, `undo` as an operator types them."""

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, Shell

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[2] / "docs/plan.md"
FILE = """\
version: 1
extensions:
  - extension: 1001
    name: Front desk
    direct: true
trunks:
  - domain_name: carrier-a
    auth_types: [ip]
    allowed_ips: [203.0.113.7]
"""


@pytest.fixture
def office(tmp_path: Path) -> Path:
    path = tmp_path / "office.yaml"
    path.write_text(FILE)
    return path


def of(shell: Shell, *words: object) -> Ran:
    return shell.ringback(*map(str, words), "--customer_id", shell.customer)


def test_a_plan_shows_the_difference_field_by_field_and_writes_nothing(shell: Shell, office: Path) -> None:
    shell.create("1001", "--name", "Old\x1b name".replace("\x1b", ""))

    shown = of(shell, "plan", office)

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines() == [
        f"Customer {shell.customer}: 1 to create, 1 to change",
        "~ extension 1001",
        '    name: "Old name" → "Front desk"',
        "    direct: false → true",
        "+ trunk carrier-a",
        '    auth_types: ["ip"]',
        '    allowed_ips: ["203.0.113.7"]',
    ]
    assert shell.sql("SELECT id FROM registrar_trunks") == []
    as_json = of(shell, "plan", office, "--format", "json").json
    assert [(one["action"], one["key"]) for one in as_json["changes"]] == [
        ("change", "1001"), ("create", "carrier-a"),
    ]  # fmt: skip
    assert of(shell, "plan", office, "--format", "yaml").out.startswith("customer_id: ")


def test_apply_does_the_plan_that_was_kept_or_refuses(shell: Shell, office: Path, tmp_path: Path) -> None:
    kept = tmp_path / "plan.json"
    assert of(shell, "plan", office, "--out", kept).code == 0

    unasked = of(shell, "apply", office)
    both = of(shell, "apply", office, "--plan", kept)
    done = shell.ringback("apply", str(office), "--plan", str(kept))
    again = shell.ringback("apply", str(office), "--plan", str(kept))

    assert (unasked.code, "--force" in unasked.err) == (2, True)
    assert both.code == 2
    assert (done.code, "apply 1, 2 changes" in done.out, "password of extension 1001: " in done.out) == (0, True, True)
    assert done.out.split("1001: ")[1].split()[0] not in kept.read_text()
    assert (again.code, again.out, "plan again" in again.err) == (4, "", True)
    assert "no changes" in of(shell, "plan", office).out
    assert of(shell, "apply", office, "--force").out == "No changes.\n"


def test_undo_goes_back_one_apply_and_one_more(shell: Shell, office: Path) -> None:
    first = of(shell, "apply", office, "--force", "--format", "json")
    office.write_text(FILE.replace("Front desk", "Reception") + "prune: true\n")
    of(shell, "apply", office, "--force")
    by = shell.sql("SELECT number, actor FROM registrar_applies ORDER BY number")

    unasked = of(shell, "undo")
    wrong = of(shell, "undo", "--apply", "1")
    undone = of(shell, "undo", "--apply", "2")
    (name,) = shell.sql("SELECT name FROM registrar_extensions WHERE tm_delete IS NULL")
    last = of(shell, "undo", "--force", "--format", "json")

    assert (first.json["apply"], [one["key"] for one in first.json["passwords"]]) == (1, ["1001"])
    assert [row["number"] for row in by] == [1, 2]
    assert all(row["actor"].startswith("cli:") for row in by)
    assert (unasked.code, wrong.code, undone.code) == (2, 4, 0)
    assert name == {"name": "Front desk"}
    assert (last.code, [one["action"] for one in last.json["changes"]]) == (0, ["delete", "delete"])
    assert of(shell, "undo", "--force").code == 3


def test_what_others_have_changed_since_is_undone_by_force_alone(shell: Shell, office: Path) -> None:
    of(shell, "apply", office, "--force")
    (row,) = shell.sql("SELECT hex(id) AS id FROM registrar_extensions")
    shell.control("extension", "update", "--id", _uuid(row["id"]), "--name", "by hand")

    refused = of(shell, "undo", "--apply", "1")

    assert (refused.code, "extension 1001" in refused.err) == (4, True)
    assert of(shell, "undo", "--force").code == 0
    assert shell.sql("SELECT id FROM registrar_extensions WHERE tm_delete IS NULL") == []


def _uuid(text: str) -> str:
    return re.sub(r"(.{8})(.{4})(.{4})(.{4})(.{12})", r"\1-\2-\3-\4-\5", text.lower())


def test_undo_says_which_passwords_stay_and_which_addresses_are_others(
    shell: Shell, office: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.write_text(FILE.replace("    direct: true\n", "    direct: true\n    password: env:DESK\n"))
    for password in ("Sample-Pass-0001", "Another-Pass-2"):
        monkeypatch.setenv("DESK", password)
        ran = of(shell, "apply", office, "--force")
        assert (ran.code, "password of" in ran.out) == (0, False)

    undone = of(shell, "undo", "--force")

    assert (undone.code, undone.err) == (0, "the former password is known no more: extension 1001\n")
    monkeypatch.delenv("DESK")
    missing = of(shell, "apply", office, "--force")
    assert (missing.code, missing.err) == (2, f"{office}:6: extensions[0].password is not there: env:DESK\n")
    assert of(shell, "undo", "--apply", "1").code == 0


def test_what_there_is_can_be_written_as_a_file_of_which_a_plan_is_empty(shell: Shell, office: Path) -> None:
    of(shell, "apply", office, "--force")

    written = of(shell, "plan", "--export")
    office.write_text(written.out)

    assert (written.code, "password" in written.out, shell.customer in written.out) == (0, False, True)
    assert shell.ringback("plan", str(office), "--prune").out == f"Customer {shell.customer}: no changes\n"
    office.write_text(of(shell, "plan", "--export", "--format", "json").out)
    assert "no changes" in shell.ringback("plan", str(office)).out


def test_a_customer_is_named_by_flag_or_by_the_file_and_they_agree(shell: Shell, office: Path) -> None:
    label = ("domain", "create", "--customer_id", shell.customer, "--domain_label", "acme")
    shell.control(*label)
    found = shell.sql("SELECT domain_label FROM registrar_customer_domains")
    for text in (shell.customer, *(row["domain_label"] for row in found)):
        office.write_text(f"customer: {text}\n{FILE}")
        assert f"Customer {shell.customer}" in shell.ringback("plan", str(office)).out, text

    other = shell.ringback("plan", str(office), "--customer_id", "11111111-2222-4333-8444-555555555555")
    for text in ("nobody", "no.body", "x y", "''", "00000000-0000-0000-0000-000000000000"):
        office.write_text(f"customer: {text}\n{FILE}")
        nobody = shell.ringback("plan", str(office))
        assert nobody.code == 2, text
    office.write_text(FILE)

    assert (other.code, "--customer_id" in other.err) == (2, True)
    assert (nobody.code, nobody.err.startswith(f"{office}:1: customer ")) == (2, True)
    assert shell.ringback("plan", str(office)).code == 2


def test_faults_are_lines_that_an_editor_finds(shell: Shell, office: Path) -> None:
    office.write_text(FILE.replace("true", "perhaps").replace("[ip]", "[basic, ip]"))
    first = of(shell, "plan", office)
    office.write_text(FILE.replace("[ip]", "[basic, ip]"))
    second = of(shell, "plan", office)

    assert (first.code, first.out) == (2, "")
    assert first.err.splitlines() == [f"{office}:5: extensions[0].direct must be true or false"]
    assert second.err.splitlines() == [f"{office}:7: trunks[0].username is required with basic"]


@pytest.mark.parametrize(
    "words",
    [
        ("plan",),
        ("plan", "{home}/none.yaml"),
        ("plan", "{home}"),
        ("plan", "{office}", "--export"),
        ("plan", "{office}", "--out", "{home}/none/plan.json"),
        ("apply",),
        ("apply", "{office}", "--plan", "{office}"),
        ("apply", "{office}", "--plan", "{home}/none.json"),
        ("undo", "--apply", "x"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_a_usage_error_without_a_traceback(
    shell: Shell, office: Path, words: tuple[str, ...]
) -> None:
    ran = shell.ringback(*(word.format(home=shell.home, office=office) for word in words))

    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err


def test_the_commands_of_the_page_work_as_they_are_written(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = PAGE.read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOOR_PASSWORD", "Sample-Pass-0001")
    (tmp_path / "office.yaml").write_text(f"customer: {shell.customer}\n{example}")
    lines = re.findall(r"^ringback (.+)$", page, re.MULTILINE)
    assert len(lines) >= 7
    for line in lines:
        words, _, target = line.partition("#")[0].partition(" > ")
        ran = shell.ringback(*(word.replace("$customer", shell.customer) for word in shlex.split(words)))
        assert ran.code == 0, (line, ran)
        if target:
            (tmp_path / target.strip()).write_text(ran.out)
