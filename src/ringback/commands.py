"""Which commands a line asks for: those alone are made ready, since each of them has many flags."""

from collections.abc import Callable, Collection, Sequence
from copy import copy
from functools import cache
from typing import Any

import typer
from typer.models import CommandInfo


def ready(app: typer.Typer, words: Sequence[str]) -> Callable[..., Any]:
    """What runs the line. Where it names no command, as for help, all of that group are ready; the groups within are
    shown, and without commands unless a later word names them."""
    path, last = _path(app, words)
    named = {info.name or "" for info in last.registered_groups}.intersection(words)
    return _made(app, path, frozenset(named))


@cache
def _made(app: typer.Typer, path: tuple[str, ...], named: frozenset[str]) -> Callable[..., Any]:
    return typer.main.get_group(_only(app, path, named)) if _has_names(app) else typer.main.get_command(app)


def _has_names(app: typer.Typer) -> bool:
    """Whether words name its commands: it is not one command itself."""
    return bool(app.registered_groups) or len(app.registered_commands) > 1


def _path(app: typer.Typer, words: Sequence[str]) -> tuple[tuple[str, ...], typer.Typer]:
    """The names of groups, and of a command, that the line begins with, and the last of those groups."""
    found: list[str] = []
    if _has_names(app):
        for word in words:
            groups = {info.name: info.typer_instance for info in app.registered_groups}
            group = groups.get(word)
            if group or word in map(_name, app.registered_commands):
                found.append(word)
            if not group:
                break
            app = group
    return tuple(found), app


def _name(command: CommandInfo) -> str:
    return command.name or typer.main.get_command_name(getattr(command.callback, "__name__", ""))


def _only(app: typer.Typer, path: Sequence[str], named: Collection[str]) -> typer.Typer:
    """The same app without what is beside the path, and at its end without what is in groups that are not `named`."""
    only = copy(app)
    only.registered_groups = [copy(one) for one in app.registered_groups if not path or one.name == path[0]]
    if path:
        only.registered_commands = [one for one in app.registered_commands if _name(one) == path[0]]
    for group in only.registered_groups:
        if path and group.typer_instance:
            group.typer_instance = _only(group.typer_instance, path[1:], named)
        elif group.typer_instance and group.name not in named:
            group.typer_instance = copy(group.typer_instance)
            group.typer_instance.registered_commands, group.typer_instance.registered_groups = [], []
    return only
