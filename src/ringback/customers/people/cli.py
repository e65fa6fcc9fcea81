"""`ringback person …`: people are made, listed, given passwords and deleted on the database itself."""

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any
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
from ringback.kit.reading import Faults
from ringback.registrar.asked import OfCustomer
from ringback.registrar.work import Uow
from ringback.settings import RouterSettings, Settings
from ringback.terminal import asked, with_settings

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

    _show(_run(settings, make), format)


@app.command("list")
@partial(with_settings, kind=RouterSettings)
def find(settings: Settings, customer_id: Whose = None, format: AsForm = Form.TABLE) -> None:
    """List the people of a customer, or of the platform, newest first."""
    faults = Faults()
    whose = _whose(customer_id, faults)
    if faults.found:
        raise ValidationFailed(*faults.found)

    async def look(uow: Uow) -> list[dict[str, Any]]:
        found, cursor = [], None
        while page := await service.page(uow.session, whose, {}, cursor, 100):
            found += [_fields(wire.shown(person)) for person in page.items]
            if (cursor := page.next) is None:
                break
        return found

    people = _run(settings, look)
    if format is not Form.TABLE:
        answers.show(people, format)
        return
    answers.show_rows([{**one, "roles": ", ".join(one["roles"])} for one in people], COLUMNS, "People")


@app.command()
@partial(with_settings, kind=RouterSettings)
def password(
    settings: Settings, email: Email = None, password_stdin: Stdin = False, format: AsForm = Form.TABLE
) -> None:
    """Give somebody a new password, which is asked for; all their sessions end."""
    given = _password(password_stdin) or ""
    change = asked(wire.ChangePerson, password=given)

    async def do(uow: Uow, person: Person) -> wire.CustomerManagerPerson:
        return wire.shown(await service.change(uow, person.id, change, of=person.customer_id))

    _show(_run(settings, partial(_found, email, do)), format)


@app.command()
@partial(with_settings, kind=RouterSettings)
def delete(settings: Settings, email: Email = None, format: AsForm = Form.TABLE) -> None:
    """Delete somebody: they are signed out at once."""

    async def do(uow: Uow, person: Person) -> wire.CustomerManagerPerson:
        return wire.shown(await service.delete(uow, person.id, of=person.customer_id))

    _show(_run(settings, partial(_found, email, do)), format)


@app.command("sessions")
@partial(with_settings, kind=RouterSettings)
def find_sessions(settings: Settings, email: Email = None, format: AsForm = Form.TABLE) -> None:
    """List the sessions of somebody, newest first: since when and from where they are signed in."""

    async def do(uow: Uow, person: Person) -> list[dict[str, Any]]:
        found, cursor = [], None
        while page := await sessions.page(uow, person.id, cursor, 100):
            found += [msgspec.to_builtins(session_wire.shown(session)) for session in page.items]
            if (cursor := page.next) is None:
                break
        return [{name: value for name, value in one.items() if name != "is_current"} for one in found]

    answers.show_list(_run(settings, partial(_found, email, do)), format, SESSION_COLUMNS, "Sessions")


@app.command("sign-out")
@partial(with_settings, kind=RouterSettings)
def sign_out(settings: Settings, email: Email = None, session_id: SessionId = None) -> None:
    """End the sessions of somebody, or one of them; they may sign in again."""
    one = asked(OfSession, session_id=session_id).session_id if session_id else None

    async def do(uow: Uow, person: Person) -> int:
        if one is None:
            return await service.end_sessions(uow, person.id, of=person.customer_id)
        await service.end_session(uow, person.id, one, of=person.customer_id)
        return 1

    terminal.say(f"Sessions ended: {_run(settings, partial(_found, email, do))}.")


@app.command()
@partial(with_settings, kind=RouterSettings)
def rotate(settings: Settings) -> None:
    """Sign access tokens with a new key: those of the one before end, sessions go on."""
    _run(settings, tokens.rotate)
    terminal.say("Access tokens are signed with a new key.")


async def _found(email: str | None, do: Callable[[Uow, Person], Awaitable[Any]], uow: Uow) -> Any:
    person = await service.by_email(uow, email or "")
    if person is None:
        raise PersonNotFound
    return await do(uow, person)


def _run(settings: Settings, verb: Any) -> Any:
    """People have nothing to do with how an installation was made, so its settings are not asked about."""
    return terminal.work(settings, lambda ringback: ringback.work.write(verb))


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
    fields = _fields(person)
    if format is not Form.TABLE:
        answers.show(fields, format)
        return
    shown = {name: ", ".join(value) if isinstance(value, list) else value for name, value in fields.items()}
    answers.show_fields({name: value for name, value in shown.items() if value is not None}, "Person")
