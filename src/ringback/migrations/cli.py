"""`ringback db …`: the schema of the databases."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer

from ringback import terminal
from ringback.databases import make_file, places
from ringback.kit.errors import CannotStart
from ringback.migrations import commands
from ringback.migrations.script import script
from ringback.server import make_home
from ringback.settings import RouterSettings, Settings
from ringback.terminal import new_app, with_settings

app = new_app("The schema of the databases.")

Name = Annotated[
    str | None,
    typer.Option("--database", help="bin (our own), asterisk or router; all that the services need when not named"),
]
Sql = Annotated[bool, typer.Option("--sql", help="print the statements instead of running them")]
Force = Annotated[bool, typer.Option("--force", help="do not ask where a database has tables of others alone")]


@app.command()
@with_settings
def upgrade(
    settings: Settings,
    revision: Annotated[str, typer.Argument(help="up to which revision")] = "head",
    database: Name = None,
    sql: Sql = False,
    force: Force = False,
) -> None:
    """Bring the schema up to date, and make missing views again; nothing else happens where it is."""
    if not sql:
        _upgrade(settings, _databases(settings, database), revision, force=force)
        return
    for name in _databases(settings, database):
        commands.upgrade(name, places(settings)[name], revision, sql=True)


@partial(with_settings, kind=RouterSettings)
def migrate(
    settings: RouterSettings,
    sql: Annotated[
        bool, typer.Option("--sql", help="print it as SQL for PostgreSQL that may be applied again, and change nothing")
    ] = False,
    force: Force = False,
) -> None:
    """Bring the tables of a router up to date, with keys and outbox beside them; nothing happens where they are."""
    if sql:
        terminal.say(script().rstrip("\n"))
    else:
        _upgrade(settings, ("bin", "router"), force=force)


def _upgrade(settings: Settings, names: Sequence[commands.Name], revision: str = "head", *, force: bool) -> None:
    """All questions and refusals come before the first change."""
    if settings.is_embedded:
        make_home(settings.database_file.parent)
        make_file(settings.database_file)
    for name in names:
        commands.look_first(name, places(settings)[name])
        is_asked = name == "router" and "bin" in names  # they are one place
        if not (force or is_asked) and (question := commands.strange(name, places(settings))):
            _confirm(question)
    for name in names:
        commands.upgrade(name, places(settings)[name], revision)
        terminal.say(f"{name}: {commands.current(name, places(settings)[name])}")


@app.command(context_settings={"ignore_unknown_options": True})
@with_settings
def downgrade(
    settings: Settings,
    revision: Annotated[str, typer.Argument(help="down to which revision; base is nothing at all, -1 one step")],
    database: Name = None,
    sql: Sql = False,
    force: Annotated[bool, typer.Option("--force", help="do not ask")] = False,
) -> None:
    """Take schema changes back, and the data in them; on a terminal it asks first."""
    if not sql and terminal.is_terminal():
        terminal.confirm(f"Take {_where(settings)} back to {revision}, with the data in it?", force=force)
    for name in _databases(settings, database):
        commands.downgrade(name, places(settings)[name], revision, sql=sql)
        if not sql:
            terminal.say(f"{name}: {commands.current(name, places(settings)[name]) or 'empty'}")


@app.command()
@with_settings
def current(settings: Settings, database: Name = None) -> None:
    """Show which revision the schema is at."""
    for name in _databases(settings, database):
        state = "up to date" if commands.is_current(name, places(settings)[name]) else "run 'ringback db upgrade'"
        terminal.say(f"{name}: {commands.current(name, places(settings)[name]) or 'empty'} ({state})")


@app.command()
@with_settings
def history(settings: Settings, database: Name = None) -> None:
    """List the revisions, oldest first."""
    for name in _databases(settings, database):
        for revision, doc in commands.history(name, places(settings)[name]):
            terminal.say(f"{name}: {revision}: {doc}")


def _confirm(question: str) -> None:
    if not terminal.is_terminal():
        raise CannotStart(f"{question} If it is, --force makes ours beside them")
    terminal.confirm(f"{question} Make ours beside them?", force=False)


def _databases(settings: Settings, name: str | None) -> tuple[commands.Name, ...]:
    """The one that is named, or all that the services of the settings need."""
    needed = [known for known in commands.DATABASES if known in places(settings)]
    found = [known for known in needed if name in (None, known)]
    if not found:
        raise CannotStart(f"--database: there is no {name}; it must be {', '.join(needed)}")
    return tuple(found)


def _where(settings: Settings) -> str:
    """What is asked about: the file, or the databases by their names."""
    return ", ".join(dict.fromkeys(commands.named(url) for url in places(settings).values()))
