"""The README's commands, run as they are written, and those of the page about pipelines."""

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house import ROOT
from tests.patience import ENOUGH

README = (ROOT / "README.md").read_text()
PIPELINES = (ROOT / "docs" / "pipelines.md").read_text()


def blocks_of(page: str, kind: str = "sh") -> list[str]:
    """What is to be typed, or what is shown."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


BLOCKS = blocks_of(README)
MAKE = "make --no-print-directory -o .venv/ready "
"""The environment of the tests is the one that make would have made."""


def commands_with(word: str) -> str:
    """The one block that has it."""
    (block,) = [block for block in BLOCKS if word in block]
    return str(block)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """`make run` in a home of its own, one for all tests; what it said and where it listens."""
    free = {"REST_LISTEN_ADDRESS": "127.0.0.1:0", "PROMETHEUS_LISTEN_ADDRESS": "127.0.0.1:0"}
    environment = {**os.environ, **free, "RINGBACK_HOME": str(tmp_path_factory.mktemp("readme") / "var")}
    assert "make run\n" in commands_with("git clone")
    words = shlex.split(f"{MAKE}run")
    with subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C stops it." not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        found = re.search(r"running at http://(\S+)", said)
        assert found
        yield {"said": said, "address": found[1], "home": environment["RINGBACK_HOME"]}
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=ENOUGH)


@pytest.mark.process
def test_the_readme_shows_what_a_first_start_prints(server: dict[str, str]) -> None:
    shown = re.search(r"^```text\n(Ringback is running.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert shown

    def plain(text: str) -> str:
        text = re.sub(r"rb_[\w…-]+", "rb_", text.replace(server["address"], "127.0.0.1:8080"))
        text = text.replace(server["home"], "var").replace(" --ringback_home var", "")
        return re.sub(r"127.0.0.1:\d+", "127.0.0.1:", text).strip()

    assert plain(server["said"]) == plain(shown[1])


def meant(block: str, server: dict[str, str]) -> str:
    """The commands of a block, for this server."""
    return block.replace("127.0.0.1:8080", server["address"]).replace("var/", f"{server['home']}/")


def ran(block: str, server: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", meant(block, server)],
        cwd=ROOT,
        env={**os.environ, "RINGBACK_HOME": server["home"]},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.process
def test_the_commands_of_the_readme_work_as_they_are_written(server: dict[str, str]) -> None:
    done = ran(commands_with("registrar-control"), server)

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"extension":"1002"' in done.stdout
    assert "Back office" in done.stdout
    assert '"status_code": 200' in done.stdout
    assert "extension_direct_created" in done.stdout
    assert (Path(server["home"]) / "asterisk" / "pjsip.conf").exists()


@pytest.mark.process
def test_a_text_runs_through_a_pipeline_as_the_readme_says(server: dict[str, str]) -> None:
    done = ran(commands_with("pipelines:run"), server)

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"output":"please write to [EMAIL_MASKED]"' in done.stdout
    assert done.stdout.count('"status":"ok"') == 4


@pytest.mark.process
def test_the_page_about_pipelines_shows_what_its_commands_answer(server: dict[str, str]) -> None:
    over_rest, by_command = (block.replace("support", "page") for block in blocks_of(PIPELINES))
    shown = [json.loads(re.sub(r"…|, …", "", block)) for block in blocks_of(PIPELINES, "json")[:2]]

    done = ran(over_rest, server)

    assert done.returncode == 0, done.stdout + done.stderr
    made, *answers, tried = map(json.loads, done.stdout.splitlines())
    assert made["policy_id"] == "page"
    assert all(is_like(*pair) for pair in zip(shown, answers, strict=True)), done.stdout
    assert "4111" not in str(answers)
    steps = [(step["id"], step["would_block"]) for step in tried["steps"]]
    assert steps == [(one["id"], False) for one in answers[0]["executed_extensions"]]

    done = ran(by_command, server)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("write to [EMAIL_MASKED]") == 2


def is_like(shown: Any, found: Any) -> bool:
    """Whether an answer is as it is shown: what is left out there may be anything, and so may names, ids and times."""
    if isinstance(shown, dict):
        names = shown.keys() == found.keys() and all(is_like(shown[name], found[name]) for name in shown)
        return names or not shown
    if isinstance(shown, list):
        return all(map(is_like, shown, found))
    return shown in ("support", "req_", "") or isinstance(shown, float) or shown == found


@pytest.mark.process
def test_others_are_let_in_as_the_readme_says(server: dict[str, str]) -> None:
    done = ran(commands_with("accesskeys"), server)

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"name":"wallboard","roles":["viewer"]' in done.stdout
    assert '"kind":"person"' in done.stdout
    assert "key: rb_" in done.stdout
    for seen in ("wallboard", "acme", "created"):
        assert seen in done.stdout.partition("key: rb_")[2]


@pytest.mark.process
def test_events_are_heard_as_the_readme_says(server: dict[str, str]) -> None:
    whose, _, _ = commands_with("accesskeys").partition("\n")
    listen = meant(f"{whose}\nexec {commands_with('/v1.0/events')}", server).replace("-sN", "-sN -m 60")
    a_phone, _, _ = commands_with("registrar-control").partition("# the same")
    assert ran(a_phone, server).returncode == 0
    with subprocess.Popen(["bash", "-euc", listen], cwd=ROOT, stdout=subprocess.PIPE, text=True) as listening:
        assert listening.stdout
        heard = next((line for line in listening.stdout if line == "event: extension_created\n"), None)
        listening.terminate()

    assert heard


@pytest.mark.process
def test_the_lines_that_a_first_start_prints_paste_as_they_are(server: dict[str, str]) -> None:
    lines = [line.strip() for line in server["said"].splitlines() if line.strip().startswith(("curl", ".venv/"))]
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=ENOUGH, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "1001" in done.stdout

    assert len(lines) == 2


def test_every_command_of_the_readme_is_run_by_some_test() -> None:
    known = {"git clone", "make run", "make demo", "make test", "curl"}

    assert len(BLOCKS) == 7
    assert all(any(word in block for word in known) for block in BLOCKS)
