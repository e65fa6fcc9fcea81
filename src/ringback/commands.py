"""Which commands a line asks for: those alone are made ready, since each of them has many flags."""

from collections.abc import Callable, Sequence
from copy import copy
from functools import cache
from typing import Any

import typer
from typer.models import CommandInfo


def ready(app: typer.Typer, words: Sequence[str]) -> Callable[..., Any]:
    """What runs the line; where it names no command, as for help, all of that group are ready."""
    return _made(app, _path(app, words))


@cache
def _made(app: typer.Typer, path: tuple[str, ...]) -> Callable[..., Any]:
    return typer.main.get_group(_only(app, path)) if path else typer.main.get_command(app)


def _path(app: typer.Typer, words: Sequence[str]) -> tuple[str, ...]:
    """The names of groups, and of a command, that the line begins with; none for an app that is one command."""
    if not app.registered_groups and len(app.registered_commands) < 2:
        return ()
    found: list[str] = []
    for word in words:
        groups = {info.name: info.typer_instance for info in app.registered_groups}
        if group := groups.get(word):
            found.append(word)
            app = group
            continue
        return (*found, word) if word in map(_name, app.registered_commands) else tuple(found)
    return tuple(found)


def _name(command: CommandInfo) -> str:
    return command.name or typer.main.get_command_name(getattr(command.callback, "__name__", ""))


def _only(app: typer.Typer, path: tuple[str, ...]) -> typer.Typer:
    """The same app without what is beside the path."""
    if not path:
        return app
    name, *rest = path
    only = copy(app)
    only.registered_commands = [one for one in app.registered_commands if _name(one) == name]
    only.registered_groups = [copy(one) for one in app.registered_groups if one.name == name]
    for group in only.registered_groups:
        if group.typer_instance:
            group.typer_instance = _only(group.typer_instance, tuple(rest))
    return only
