"""`ringback doctor` as a shell sees it."""

import json

import pytest

from tests.cli.conftest import Shell


@pytest.mark.contract("registrar R-89")
@pytest.mark.long
def test_the_command_exits_with_1_where_there_is_a_problem_and_answers_programs(shell: Shell) -> None:
    free = [f"--{name}=127.0.0.1:0" for name in ("rest_listen_address", "prometheus_listen_address")]
    (shell.home / "ringback.db").chmod(0o600)

    fine = shell.ringback("doctor", "--format", "json", *free)
    assert (fine.code, fine.json["ok"]) == (0, True), fine
    assert {"name", "state", "seen", "do"} == fine.json["checks"][0].keys()
    assert shell.ringback("doctor", *free).out.splitlines()[-1] == "0 problems, 1 warning"

    (shell.home / "ringback.db").chmod(0o644)
    ill = shell.ringback("doctor", *free)
    assert (ill.code, ill.out.splitlines()[-1]) == (1, "1 problem, 1 warning")
    assert not json.loads(shell.ringback("doctor", "--format", "json", *free).out)["ok"]
    assert shell.ringback("doctor", "--log_level", "loud").code == 1
