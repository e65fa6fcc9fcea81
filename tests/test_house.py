"""The rules of the house, as tests."""

import re
import subprocess
import tomllib
from itertools import pairwise

import pytest

from ringback.knobs import knobs
from tests.conftest import FIRST
from tests.house import MAP, ROOT, Module, modules, the_map

TESTS = sorted((ROOT / "tests").rglob("*.py"))
FORBIDDEN_NAMES = re.compile(r"(^|_)(manager|handler|helper|util|utils|base)(_|$)", re.IGNORECASE)
GLOSSARY = re.compile(r"extension|trunk|contact|(?<!in)direct(?!ory|ories)|customer|pipeline|endpoint", re.IGNORECASE)


def rooms(but: str = r"^$") -> list[Module]:
    return [module for module in modules() if not re.search(but, module.name)]


def test_a_module_opens_with_one_sentence() -> None:
    assert [module.name for module in rooms() if not re.fullmatch(r"\S.*[.:!?]", module.first_line)] == []


def test_a_module_stays_below_300_lines_and_a_function_below_40() -> None:
    chosen = rooms(but=r"/versions/")
    long = [f"{module.name}: {name}" for module in chosen for name, length in module.functions if length >= 40]

    assert [module.name for module in chosen if module.lines > 300] == []
    assert long == []


def test_no_module_or_class_has_an_empty_name() -> None:
    classes = [name for module in rooms() for name in re.findall(r"^class (\w+)", module.text, re.MULTILINE)]

    assert [module.name for module in rooms() if FORBIDDEN_NAMES.search(module.path.stem)] == []
    assert [name for name in classes if re.search(r"(Manager|Handler|Helper|Util|Base)$", name)] == []


def test_the_floor_knows_no_noun_of_the_glossary() -> None:
    named = {
        (module.name, name) for module in modules() if module.name.startswith("kit/") for name in module.names
        if GLOSSARY.search(name)
    }  # fmt: skip

    assert named == set()


def test_only_the_sip_room_says_ps() -> None:
    elsewhere = rooms(but=r"^(sip|migrations|demo)/|^schema.py$|^settings.py$")
    code = {module.name: re.sub(r'""".*?"""|#.*', "", module.text, flags=re.DOTALL) for module in elsewhere}

    assert [name for name, text in code.items() if re.search(r"\bps_[a-z]+\b", text)] == []


def test_one_place_commits() -> None:
    commits = [module.name for module in modules() if re.search(r"\.commit\(\)", module.text)]

    assert commits == [
        "kit/awaited.py",
        "kit/pair.py",
        "kit/uow.py",
    ]  # the first two pass it on to the databases behind them


def test_sql_text_stands_in_a_store_or_on_the_floor() -> None:
    elsewhere = rooms(but=r"store\.py$|^kit/|^sip/|tables\.py$|(meta|strays)\.py$|^demo/|^migrations/")
    imported = {
        module.name: re.findall(r"^from sqlalchemy import (.*)$", module.text, re.MULTILINE) for module in elsewhere
    }
    words = {name: set(re.findall(r"\w+", " ".join(lines))) for name, lines in imported.items()}

    assert [name for name, found in words.items() if found & {"select", "insert", "update", "delete", "text"}] == []


def test_the_map_is_current() -> None:
    assert MAP.read_text() == the_map(), "rewrite it: .venv/bin/python -m tests.house > docs/map.md"


def test_tests_patch_nothing_and_sleep_nowhere() -> None:
    word = re.compile(r"unittest\.mock|mocker|monkeypatch\.setattr|time\.sleep\(|asyncio\.sleep\((?!0\))")
    found = [
        str(path.relative_to(ROOT)) for path in TESTS if word.search(path.read_text()) and path.name != "test_house.py"
    ]

    assert found == []


@pytest.mark.parametrize("contract", ["registrar", "router"])
def test_each_requirement_has_a_test_and_each_test_names_known_ones(contract: str) -> None:
    text = (ROOT / f"docs/contracts/{contract}.md").read_text()
    rows = re.findall(r"^\| ([A-Z]-\d+[a-z]?) \|", text, re.MULTILINE)
    known = set(rows)
    marked = [text for path in TESTS for text in re.findall(r"contract\(\s*((?:\"[^\"]*\",?\s*)+)\)", path.read_text())]
    lists = [found for text in marked for found in re.findall(rf"\b{contract} ([^\"]+)", text)]
    named = {number for found in lists for number in re.findall(r"\b[A-Z]-\d+[a-z]?\b", found)}

    assert len(rows) == len(known), "requirements that stand there twice"
    assert named - known == set()
    assert known - named == set(), "requirements that no test names"


def test_the_files_of_tests_that_come_first_are_there() -> None:
    assert [name for name in FIRST if not (ROOT / name).exists()] == []


def test_the_project_stands_alone() -> None:
    word = re.compile(r"\.\./shared|/work/|pypi\.org|deb\.debian\.org|files\.pythonhosted", re.IGNORECASE)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    kinds = {".py", ".md", ".toml", ".lock", ".json", ".html", ".ini", ".mako", ""}
    files = [file for name in listed.stdout.decode().split() for file in [ROOT / name] if file.suffix in kinds]
    found = [
        str(file.relative_to(ROOT))
        for file in files
        if file.is_file() and file.name != "test_house.py" and word.search(file.read_text())
    ]

    assert found == []


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(file.name[:4]) for file in (ROOT / "docs/decisions").glob("*.md"))

    assert all(after == before + 1 for before, after in pairwise([0, *numbers]))


def test_every_setting_is_in_the_contract() -> None:
    text = (ROOT / "docs/contracts/registrar.md").read_text()
    assert [knob.name for knob in knobs() if knob.name not in text] == []


@pytest.mark.contract("router X-30")
def test_the_tests_of_the_router_fail_where_they_leave_much_of_it_out() -> None:
    asked = subprocess.run(["make", "--dry-run", "test"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    limits = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]

    assert "coverage run -m pytest" in asked
    assert "coverage report" in asked
    assert limits["run"]["source"] == ["ringback.router"]
    assert limits["report"]["fail_under"] > 80
