"""`ringback person …`: people are made, listed, given passwords and deleted on the database itself."""

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.customers.people import service, wire
from ringback.customers.people.model import Person, PersonNotFound
from ringback.customers.sessions import service as sessions
from ringback.customers.sessions import tokens
from ringback.customers.sessions import wire as session_wire
from ringback.customers.sessions.wire import OfSession
from ringback.kit.errors import ValidationFailed
from ringback.kit.pages import LARGEST, every
from ringback.kit.reading import Faults
from ringback.registrar.asked import OfCustomer
from ringback.registrar.work import Uow
from ringback.settings import RouterSettings, Settings
from ringback.terminal import asked, do, with_settings

T = TypeVar("T")

app = terminal.new_app("People: who may sign in, for whom, and what they may do.")

Email = Annotated[str | None, typer.Argument(help="the address that they sign in with", metavar="EMAIL")]
Name = Annotated[str | None, typer.Option("--name", help="what they are called; else as their address")]
Role = Annotated[
    list[str] | None,
    typer.Option(
        "--role", help="of the platform: operator, auditor, viewer; of a customer: admin, manager, viewer, auditor"
    ),
]
Whose = Annotated[
    str | None, typer.Option("--customer_id", "--customer", help="whose they are; else the platform's", metavar="UUID")
]
Stdin = Annotated[bool, typer.Option("--password_stdin", help="read the password from the first line of stdin")]
SessionId = Annotated[str | None, typer.Option("--session_id", help="only that one", metavar="UUID")]
SESSION_COLUMNS = ("id", "tm_create", "tm_refresh", "address", "user_agent")
COLUMNS = ("email", "name", "roles", "customer_id", "status", "tm_create")


@app.command()
@partial(with_settings, kind=RouterSettings)
def create(
    settings: Settings,
    email: Email = None,
    name: Name = None,
    role: Role = None,
    customer_id: Whose = None,
    password_stdin: Stdin = False,
    format: AsForm = Form.TABLE,
) -> None:
    """Let somebody sign in. The password is asked for, or made and shown this once."""
    faults = Faults()
    fields = {"email": email, "name": name or email, "roles": role or None, "password": _password(password_stdin)}
    new = faults.of(lambda: asked(wire.NewPerson, **fields))
    whose = _whose(customer_id, faults)
    if new is None or faults.found:
        raise ValidationFailed(*faults.found)

    async def make(uow: Uow) -> wire.CustomerManagerPerson:
        return wire.shown(*await service.create(uow, whose, new))

    _show(do(settings, make, writes=True, compares=False), format)


@app.command("list")
@partial(with_settings, kind=RouterSettings)
def find(settings: Settings, customer_id: Whose = None, format: AsForm = Form.TABLE) -> None:
    """List the people of a customer, or of the platform, newest first."""
    faults = Faults()
    whose = _whose(customer_id, faults)
    if faults.found:
        raise ValidationFailed(*faults.found)

    async def look(uow: Uow) -> list[dict[str, Any]]:
        found = await every(lambda cursor: service.page(uow, whose, {}, cursor, LARGEST))
        return [_fields(wire.shown(person)) for person in found]

    answers.show_list(do(settings, look, compares=False), format, COLUMNS, "People")


@app.command()
@partial(with_settings, kind=RouterSettings)
def password(
    settings: Settings, email: Email = None, password_stdin: Stdin = False, format: AsForm = Form.TABLE
) -> None:
    """Give somebody a new password, which is asked for; all their sessions end."""
    given = _password(password_stdin) or ""
    change = asked(wire.ChangePerson, password=given)

    async def set_it(uow: Uow, person: Person) -> wire.CustomerManagerPerson:
        return wire.shown(await service.change(uow, person.id, change, of=person.customer_id))

    _show(_with(settings, email, set_it, writes=True), format)


@app.command()
@partial(with_settings, kind=RouterSettings)
def delete(settings: Settings, email: Email = None, format: AsForm = Form.TABLE) -> None:
    """Delete somebody: they are signed out at once."""

    async def end(uow: Uow, person: Person) -> wire.CustomerManagerPerson:
        return wire.shown(await service.delete(uow, person.id, of=person.customer_id))

    _show(_with(settings, email, end, writes=True), format)


@app.command("sessions")
@partial(with_settings, kind=RouterSettings)
def find_sessions(settings: Settings, email: Email = None, format: AsForm = Form.TABLE) -> None:
    """List the sessions of somebody, newest first: since when and from where they are signed in."""

    async def look(uow: Uow, person: Person) -> list[dict[str, Any]]:
        found = await every(lambda cursor: sessions.page(uow, person.id, cursor, LARGEST))
        shown = [msgspec.to_builtins(session_wire.shown(session)) for session in found]
        return [{name: value for name, value in one.items() if name != "is_current"} for one in shown]

    answers.show_list(_with(settings, email, look), format, SESSION_COLUMNS, "Sessions")


@app.command("sign-out")
@partial(with_settings, kind=RouterSettings)
def sign_out(settings: Settings, email: Email = None, session_id: SessionId = None) -> None:
    """End the sessions of somebody, or one of them; they may sign in again."""
    one = asked(OfSession, session_id=session_id).session_id if session_id else None

    async def end(uow: Uow, person: Person) -> int:
        if one is None:
            return await service.end_sessions(uow, person.id, of=person.customer_id)
        await service.end_session(uow, person.id, one, of=person.customer_id)
        return 1

    terminal.say(f"Sessions ended: {_with(settings, email, end, writes=True)}.")


@app.command()
@partial(with_settings, kind=RouterSettings)
def rotate(settings: Settings) -> None:
    """Sign access tokens with a new key: those of the one before end, sessions go on."""
    do(settings, tokens.rotate, writes=True, compares=False)
    terminal.say("Access tokens are signed with a new key.")


def _with(
    settings: Settings, email: str | None, verb: Callable[[Uow, Person], Awaitable[T]], *, writes: bool = False
) -> T:
    """Run a verb with the person of that address."""

    async def found(uow: Uow) -> T:
        person = await service.by_email(uow, email or "")
        if person is None:
            raise PersonNotFound
        return await verb(uow, person)

    return do(settings, found, writes=writes, compares=False)


def _whose(customer_id: str | None, faults: Faults) -> UUID | None:
    found = faults.of(lambda: asked(OfCustomer, customer_id=customer_id)) if customer_id else None
    return found.customer_id if found else None


def _password(from_stdin: bool) -> str | None:
    """Never from a flag, which would stand in lists of processes."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return terminal.new_password("Password, or nothing for one that is made") if terminal.is_terminal() else None


def _fields(person: wire.CustomerManagerPerson) -> dict[str, Any]:
    """A person for eyes, without a password that is empty anyway."""
    fields: dict[str, Any] = msgspec.to_builtins(person)
    return {name: value for name, value in fields.items() if name != "password" or value}


def _show(person: wire.CustomerManagerPerson, format: Form) -> None:
    answers.show_object(_fields(person), format, "Person")
