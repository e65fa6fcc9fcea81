"""`router-control extensions …` and `router-control registry …`, on the database itself."""

from collections.abc import Awaitable, Callable, Sequence
from getpass import getuser
from typing import Annotated, Any, Final, TypeVar

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.app import Ringback
from ringback.kit.errors import Fault, Unavailable, ValidationFailed
from ringback.kit.reading import object_of, read
from ringback.router.audit.model import Actor
from ringback.router.extensions import service, wire
from ringback.router.extensions.health import healths
from ringback.router.extensions.model import RouterExtension
from ringback.router.work import Uow
from ringback.settings import Settings
from ringback.terminal import with_settings

T = TypeVar("T")

app = terminal.new_app("Router extensions: processors that requests go through.")
registry = terminal.new_app("The registry as a whole.")

Id = Annotated[str, typer.Argument(help="its id", metavar="ID", show_default=False)]
Type = Annotated[str | None, typer.Option("--type", help="pre, validator, post or provider")]
Subject = Annotated[str | None, typer.Option("--subject", help="the NATS subject that it is reached on")]
Timeout = Annotated[str | None, typer.Option("--timeout_ms", help="milliseconds that it may take")]
Retry = Annotated[str | None, typer.Option("--retry", help="how often it is asked again")]
Config = Annotated[str | None, typer.Option("--config_json", help="its config, a JSON object")]
Metadata = Annotated[str | None, typer.Option("--metadata_json", help="its metadata, a JSON object")]
Shared = Annotated[bool | None, typer.Option("--share_subject/--own_subject", help="whether others may share it")]
Comment = Annotated[str | None, typer.Option("--comment", help="kept with the revision")]
Revision = Annotated[str | None, typer.Option("--if_revision", help="only if it is at this revision")]
LISTED: Final = ("id", "type", "subject", "timeout_ms", "retry", "enabled", "revision", "health")
NARROW: Final = ("id", "type", "enabled", "revision")


class NotLoaded(Unavailable):
    """The registry could not be loaded."""

    reason = "NOT_READY"


def run(settings: Settings, verb: Callable[[Uow], Awaitable[T]], *, writes: bool = False) -> T:
    """Run one verb on the registry, loaded anew, as the operator."""

    async def job(ringback: Ringback) -> T:
        done = await ringback.router.loader.reload()
        if not done.ok:
            raise NotLoaded.of(NotLoaded.reason, done.error or "")

        async def as_operator(uow: Uow) -> T:
            uow.by = Actor(f"cli:{getuser()}", "cli")
            return await verb(uow)

        work = ringback.router.work
        return await (work.write if writes else work.read)(as_operator)

    return terminal.work(settings, job)


def sent(**flags: Any) -> dict[str, Any]:
    """What the flags say, as a request would: numbers and JSON read, what is not given left out."""
    given = {name: value for name, value in flags.items() if value is not None}
    for name in ("timeout_ms", "retry"):
        if name in given and given[name].lstrip("-").isdecimal():
            given[name] = int(given[name])
    for name in ("config", "metadata"):
        if name in given:
            given[name] = object_of(given.pop(name).encode())
    return given


@app.command()
@with_settings
def create(
    settings: Settings,
    id: Id,
    type: Type = None,
    subject: Subject = None,
    timeout_ms: Timeout = None,
    retry: Retry = None,
    config_json: Config = None,
    metadata_json: Metadata = None,
    share_subject: Shared = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="not yet to be asked")] = False,
    comment: Comment = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Create a router extension."""
    fields = sent(
        id=id, type=type, subject=subject, timeout_ms=timeout_ms, retry=retry, config=config_json,
        metadata=metadata_json, share_subject=share_subject, comment=comment, enabled=False if disabled else None,
    )  # fmt: skip
    asked = read(wire.NewRouterExtension, fields)
    show(run(settings, lambda uow: service.create(uow, asked), writes=True), format, "Created")


@app.command()
@with_settings
def update(
    settings: Settings,
    id: Id,
    subject: Subject = None,
    timeout_ms: Timeout = None,
    retry: Retry = None,
    config_json: Config = None,
    metadata_json: Metadata = None,
    share_subject: Shared = None,
    merge: Annotated[bool, typer.Option("--merge", help="merge config and metadata into what is there")] = False,
    comment: Comment = None,
    if_revision: Revision = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Change a router extension; what is not named stays as it is."""
    fields = sent(
        subject=subject, timeout_ms=timeout_ms, retry=retry, config=config_json, metadata=metadata_json,
        share_subject=share_subject, comment=comment,
    )  # fmt: skip
    asked = read(wire.ChangeRouterExtension, fields)
    expected = _revision(if_revision)
    done = run(settings, lambda uow: service.update(uow, id, asked, merge=merge, expected=expected), writes=True)
    show(done, format, "Changed")


@app.command()
@with_settings
def get(settings: Settings, id: Id, format: AsForm = Form.TABLE) -> None:
    """Show a router extension."""

    async def look(uow: Uow) -> RouterExtension:
        return service.get(uow, id)

    show(run(settings, look), format, "Router extension")


@app.command("list")
@with_settings
def find(settings: Settings, type: Type = None, format: AsForm = Form.TABLE) -> None:
    """List router extensions, by type and id."""

    async def look(uow: Uow) -> list[dict[str, Any]]:
        known = await healths(uow)
        found = service.list_by_type(uow, type) if type else service.list_all(uow)
        return [{**one.document(), "health": known[one.id].status} for one in found]

    rows = run(settings, look)
    if format is not Form.TABLE:
        answers.show(rows, format)
    else:
        answers.show_rows(rows, LISTED if answers.is_wide() else NARROW, "Router extensions")


@app.command()
@with_settings
def delete(settings: Settings, id: Id, if_revision: Revision = None, format: AsForm = Form.TABLE) -> None:
    """Delete a router extension; it can be restored."""
    expected = _revision(if_revision)
    show(run(settings, lambda uow: service.delete(uow, id, expected=expected), writes=True), format, "Deleted")


@app.command()
@with_settings
def restore(settings: Settings, id: Id, format: AsForm = Form.TABLE) -> None:
    """Bring back a deleted router extension as it was."""
    show(run(settings, lambda uow: service.restore(uow, id), writes=True), format, "Restored")


@app.command()
@with_settings
def enable(settings: Settings, id: Id, format: AsForm = Form.TABLE) -> None:
    """Enable a router extension."""
    show(run(settings, lambda uow: service.enable(uow, id), writes=True), format, "Enabled")


@app.command()
@with_settings
def disable(settings: Settings, id: Id, format: AsForm = Form.TABLE) -> None:
    """Disable a router extension: no request goes to it."""
    show(run(settings, lambda uow: service.disable(uow, id), writes=True), format, "Disabled")


@app.command()
@with_settings
def rollback(
    settings: Settings,
    id: Id,
    to_revision: Annotated[int, typer.Argument(help="which revision", metavar="REVISION", show_default=False)],
    comment: Comment = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Make a new revision that says what an old one said."""
    show(
        run(settings, lambda uow: service.rollback(uow, id, to_revision, comment=comment), writes=True),
        format,
        "Rolled back",
    )


@registry.command()
@with_settings
def reload(settings: Settings) -> None:
    """Adopt what was changed by SQL, and say which rows are broken; a running server does so by itself."""

    async def job(ringback: Ringback) -> Any:
        return await ringback.router.loader.reload()

    done = terminal.work(settings, job)
    if not done.ok:
        raise NotLoaded.of(NotLoaded.reason, done.error or "")
    terminal.say(f"registry revision {done.revision}, {len(done.rejected)} rows broken")
    for one in done.rejected:
        terminal.say(f"{one.id}: {one.description}")


def show(record: RouterExtension, format: Form, title: str) -> None:
    """A record as JSON or as a table."""
    document = {**record.document(), "version": record.version}
    if format is not Form.TABLE:
        answers.show(document, format)
        return
    rows: Sequence[dict[str, object]] = [
        {"field": name, "value": _text(value)} for name, value in document.items() if value is not None
    ]
    answers.show_rows(rows, ("field", "value"), title)


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _revision(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise ValidationFailed(Fault("if_revision", "must be a number"))
    return int(text)
