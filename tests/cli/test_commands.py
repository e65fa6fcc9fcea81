"""Which commands of an app are made ready for a line."""

from typing import Any

import pytest

from ringback import cli
from ringback.commands import ready


def names(command: Any) -> set[str]:
    """The names of all commands below one, or its own."""
    below = getattr(command, "commands", None)
    return {command.name} if below is None else set[str]().union(*map(names, below.values()))


@pytest.mark.parametrize("line", ["registrar-control trunk import", "registrar-control trunk import list --limit 1"])
def test_only_the_command_that_a_line_names_is_made_ready(line: str) -> None:
    assert names(ready(cli.app, line.split())) == {"import"}


@pytest.mark.parametrize("rest", ["", "--help", "nothing", "--config import"])
def test_where_it_names_none_all_of_its_group_are(rest: str) -> None:
    found = names(ready(cli.app, ["registrar-control", "trunk", *rest.split()]))

    assert found >= {"create", "import", "list"}
    assert not found & {"reconcile", "up"}


def test_of_groups_within_a_group_the_names_are_enough_unless_a_later_word_is_one() -> None:
    helped, asked = (ready(cli.app, line.split()) for line in ("--help", "--version trunk registrar-control"))

    assert names(helped) >= {"up", "doctor"}
    assert not names(helped) & {"import", "reconcile"}
    assert names(asked) >= {"import", "reconcile", "up"}


def test_help_of_a_group_tells_of_each_group_within(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])

    told = capsys.readouterr().out
    assert all(f" {info.name} " in told for info in cli.app.registered_groups)
