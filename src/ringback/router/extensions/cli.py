"""`router-control extensions …`."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.api.client import Asked
from ringback.documents import read_object
from ringback.kit.errors import Fault, InvalidJsonBody, ValidationFailed
from ringback.kit.reading import object_of
from ringback.router.control import ROOT, Way, every, one, with_way
from ringback.router.flags import File, Force, Revision, Wait, expected_tag, waiting

app = terminal.new_app("Router extensions: processors that requests go through.")

Id = Annotated[str, typer.Argument(help="its id", metavar="ID", show_default=False)]
Number = Annotated[int, typer.Argument(help="number of a revision", metavar="REVISION", show_default=False, min=1)]
Type = Annotated[str | None, typer.Option("--type", help="pre, validator, post or provider")]
Subject = Annotated[str | None, typer.Option("--subject", help="the NATS subject that it is reached on")]
Timeout = Annotated[str | None, typer.Option("--timeout_ms", help="milliseconds that it may take")]
Retry = Annotated[str | None, typer.Option("--retry", help="how often it is asked again")]
Config = Annotated[str | None, typer.Option("--config_json", help="its config, a JSON object")]
Metadata = Annotated[str | None, typer.Option("--metadata_json", help="its metadata, a JSON object")]
Shared = Annotated[bool | None, typer.Option("--share_subject/--own_subject", help="whether others may share it")]
Comment = Annotated[str | None, typer.Option("--comment", help="kept with the revision")]

WHOLE: Final = f"{ROOT}/extensions"
LISTED: Final = ("id", "type", "subject", "timeout_ms", "retry", "enabled", "revision", "health")
NARROW: Final = ("id", "type", "enabled", "revision")
KEPT: Final = ("revision", "registry_revision", "action", "created_at", "created_by", "comment")
NUMBER: Final = re.compile(r"-?[0-9]{1,18}")


def fields(file: str | None, **flags: Any) -> dict[str, Any]:
    """What the file and the flags say, as a request has it. What is no number, or no JSON, is sent to be refused."""
    given = {name: value for name, value in flags.items() if value is not None}
    for name in ("timeout_ms", "retry"):
        if NUMBER.fullmatch(given.get(name, "")):
            given[name] = int(given[name])
    for name in ("config", "metadata"):
        if name in given:
            given[name] = _object(given[name])
    return {**(read_object(file) if file else {}), **given}


@app.command()
@with_way
def create(
    way: Way,
    id: Annotated[str | None, typer.Argument(help="its id", metavar="ID", show_default=False)] = None,
    type: Type = None,
    subject: Subject = None,
    timeout_ms: Timeout = None,
    retry: Retry = None,
    config_json: Config = None,
    metadata_json: Metadata = None,
    share_subject: Shared = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="not yet to be asked")] = False,
    file: File = None,
    comment: Comment = None,
    wait: Wait = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Create a router extension."""
    body = fields(
        file, id=id, type=type, subject=subject, timeout_ms=timeout_ms, retry=retry, config=config_json,
        metadata=metadata_json, share_subject=share_subject, comment=comment, enabled=False if disabled else None,
    )  # fmt: skip
    answers.show_object(one(way, Asked("POST", WHOLE, waiting(wait), msgspec.json.encode(body))), format, "Created")


@app.command()
@with_way
def update(
    way: Way,
    id: Id,
    subject: Subject = None,
    timeout_ms: Timeout = None,
    retry: Retry = None,
    config_json: Config = None,
    metadata_json: Metadata = None,
    share_subject: Shared = None,
    merge: Annotated[bool, typer.Option("--merge", help="merge config and metadata into what is there")] = False,
    file: File = None,
    comment: Comment = None,
    force: Force = False,
    if_revision: Revision = None,
    wait: Wait = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Change a router extension; what is not named stays as it is.

    What `get` gave can be changed and sent back with --file.
    """
    body = fields(
        file, subject=subject, timeout_ms=timeout_ms, retry=retry, config=config_json, metadata=metadata_json,
        share_subject=share_subject, comment=comment,
    )  # fmt: skip
    method = "PATCH" if merge else "PUT"
    change(way, id, "", "Changed", format, method=method, body=body, if_revision=if_revision, wait=wait, force=force)


@app.command()
@with_way
def get(way: Way, id: Id, format: AsForm = Form.TABLE) -> None:
    """Show a router extension."""
    answers.show_object(one(way, Asked("GET", path_of(id))), format, "Router extension")


@app.command("list")
@with_way
def find(
    way: Way,
    type: Type = None,
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled", help="only those that are, or not")] = None,
    status: Annotated[str | None, typer.Option("--status", help="healthy, degraded, unhealthy or unknown")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="only those with this tag in their metadata")] = None,
    q: Annotated[str | None, typer.Option("--q", help="only those with this in id, subject or description")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="those that are no more")] = False,
    format: AsForm = Form.TABLE,
) -> None:
    """List router extensions, by type and id."""
    flags = {"enabled": enabled, "deleted": deleted or None}
    switches = {name: None if value is None else str(value).lower() for name, value in flags.items()}
    found = every(way, WHOLE, {"type": type, "status": status, "tag": tag, "q": q, **switches})
    if format is Form.TABLE:
        found = [{**record, "health": _status(record)} for record in found]
    answers.show_list(found, format, LISTED if answers.is_wide() else NARROW, "Router extensions")


@app.command()
@with_way
def delete(
    way: Way,
    id: Id,
    force: Force = False,
    if_revision: Revision = None,
    wait: Wait = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Delete a router extension; it can be restored."""
    change(way, id, "", "Deleted", format, method="DELETE", if_revision=if_revision, wait=wait, force=force)


@app.command()
@with_way
def restore(way: Way, id: Id, wait: Wait = None, format: AsForm = Form.TABLE) -> None:
    """Bring back a deleted router extension as it was."""
    change(way, id, "/restore", "Restored", format, wait=wait)


@app.command()
@with_way
def enable(way: Way, id: Id, if_revision: Revision = None, wait: Wait = None, format: AsForm = Form.TABLE) -> None:
    """Enable a router extension."""
    change(way, id, "/enable", "Enabled", format, if_revision=if_revision, wait=wait)


@app.command()
@with_way
def disable(
    way: Way,
    id: Id,
    force: Force = False,
    if_revision: Revision = None,
    wait: Wait = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Disable a router extension: no request goes to it."""
    change(way, id, "/disable", "Disabled", format, if_revision=if_revision, wait=wait, force=force)


@app.command()
@with_way
def rollback(
    way: Way,
    id: Id,
    to_revision: Number,
    comment: Comment = None,
    if_revision: Revision = None,
    wait: Wait = None,
    force: Force = False,
    format: AsForm = Form.TABLE,
) -> None:
    """Make a new revision that says what an old one said."""
    body = fields(None, to_revision=to_revision, comment=comment)
    change(way, id, "/rollback", "Rolled back", format, body=body, if_revision=if_revision, wait=wait, force=force)


@app.command()
@with_way
def revisions(
    way: Way,
    id: Id,
    revision: Annotated[
        int | None, typer.Argument(help="this one alone, whole", metavar="REVISION", show_default=False, min=1)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="how many, newest first")] = 20,
    format: AsForm = Form.TABLE,
) -> None:
    """List the revisions of a router extension, also of a deleted one; or show one of them."""
    if revision is None:
        answers.show_list(every(way, path_of(id, "/revisions"), {}, limit), format, KEPT, f"Revisions of {id}")
        return
    answers.show_object(one(way, Asked("GET", path_of(id, f"/revisions/{revision}"))), format, "Revision")


@app.command()
@with_way
def diff(
    way: Way,
    id: Id,
    old: Annotated[int, typer.Argument(help="number of a revision", metavar="FROM", show_default=False, min=1)],
    new: Annotated[int, typer.Argument(help="number of another", metavar="TO", show_default=False, min=1)],
    format: AsForm = Form.TABLE,
) -> None:
    """Show what makes one revision of another (RFC 6902)."""
    found = one(way, Asked("GET", path_of(id, "/diff"), {"from": str(old), "to": str(new)}))
    if format is Form.TABLE:
        answers.show_list(found.get("patch", []), format, ("op", "path", "value"), f"From {old} to {new}")
    else:
        answers.show(found, format)


def change(
    way: Way,
    id: str,
    verb: str,
    title: str,
    format: Form,
    *,
    method: str = "POST",
    body: Mapping[str, Any] | None = None,
    if_revision: str | None = None,
    wait: int | None = None,
    force: bool = False,
) -> None:
    """Change a record and show it."""
    sent = None if body is None else msgspec.json.encode(body)
    query = {**waiting(wait), **({"force": "true"} if force else {})}
    asked = Asked(method, path_of(id, verb), query, sent, expected_tag(if_revision))
    answers.show_object(one(way, asked), format, title)


def path_of(id: str, more: str = "") -> str:
    """Where a record is; one without a name is none."""
    if not id:
        raise ValidationFailed(Fault("id", "is required"))
    return f"{WHOLE}/{quote(id, safe='')}{more}"


def _object(text: str) -> object:
    try:
        return object_of(text.encode())
    except InvalidJsonBody:
        return text


def _status(record: Mapping[str, Any]) -> object:
    of = record.get("health")
    return of.get("status") if isinstance(of, Mapping) else None
