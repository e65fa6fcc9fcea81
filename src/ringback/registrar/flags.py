"""What commands about extensions and about trunks have in common: flags, questions, and how an object is shown."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import Form
from ringback.kit.pages import Page
from ringback.kit.reading import Asked, Identity
from ringback.kit.secret import Secret
from ringback.registrar.asked import OfCustomer
from ringback.registrar.work import Uow
from ringback.settings import Settings
from ringback.terminal import asked, do, need

T = TypeVar("T")

Id = Annotated[str | None, typer.Option("--id", help="its id (required)", metavar="UUID")]
Customer = Annotated[
    str | None,
    typer.Option("--customer_id", help="whose (required; embedded: the customer of keys.json)", metavar="UUID"),
]
Username = Annotated[str | None, typer.Option("--username", help="SIP user name of the digest")]
Password = Annotated[str | None, typer.Option("--password", help="8 to 80 characters; - asks for it, unseen")]
PROMPT: Final = "-"
"""Where a password would be: ask for it, so that it stands in no process list and no history."""
Name = Annotated[str | None, typer.Option("--name", help="what people call it")]
Detail = Annotated[str | None, typer.Option("--detail", help="anything else")]
Limit = Annotated[str, typer.Option("--limit", help="how many, 1 to 100")]
Token = Annotated[str, typer.Option("--token", help="where the page starts, as the page before it said")]
Generate = Annotated[bool, typer.Option("--generate_password", help="make a new password and show it once")]
Most = Annotated[
    str | None, typer.Option(help="how many live ones at most; 0: any number; default: the platform's", metavar="N")
]
Force = Annotated[bool, typer.Option("--force", help="do not ask")]


class One(Asked, frozen=True, kw_only=True):
    """Which of them."""

    id: Identity


def one(id: str | None, question: str) -> Any:
    """The id of the flag, or of a question."""
    return asked(One, id=need(id, "id", question)).id


def customer_of(given: str | None) -> UUID:
    """The customer of the flag, or of a question."""
    found: UUID = asked(OfCustomer, customer_id=need(given, "customer_id", "Customer id")).customer_id
    return found


def number(text: str | None) -> object:
    """What a flag says, as a number where it is one; the reader refuses the rest."""
    return int(text) if text and re.fullmatch("[0-9]{1,10}", text) else text


def limit_of(text: str | None) -> object:
    """What a flag says of a limit: a number, or that it shall be the platform's default."""
    return terminal.NULL if text == "default" else number(text)


def password_of_new(given: str | None, *, wanted: bool = True) -> str | None:
    """The password of a new object; on a terminal it is asked for if one is `wanted` and none was given."""
    if given == PROMPT or (given is None and wanted and terminal.is_terminal()):
        return terminal.new_password("Password (empty: make one)")
    return given


def changed_password(given: str | None) -> str | None:
    """The new password of an object that there is; nothing typed is an empty one, which is refused."""
    return (terminal.new_password("New password") or "") if given == PROMPT else given


def sure(settings: Settings, force: bool, look: Callable[[Uow], Awaitable[T]], show: Callable[[T], None]) -> None:
    """Show what is to be deleted, and go on only with a yes or with `--force`."""
    if force:
        return
    current = do(settings, look)
    if terminal.is_terminal():
        show(current)
    terminal.confirm("Delete it?", force=force)


def show_one(
    shown: msgspec.Struct,
    secret: Secret | None,
    format: Form,
    title: str,
    hidden: Sequence[str] = (),
    *,
    on_stderr: bool = False,
) -> None:
    """An object as the RPC object or as a table; a password that this command set is shown this once."""
    if format is not Form.TABLE:
        answers.show(shown, format)
        return
    answers.show_fields(fields_of(shown, hidden), title, on_stderr=on_stderr)
    answers.show_secret(secret)


def show_page(
    page: Page[T], shown: Sequence[msgspec.Struct], format: Form, title: str, wide: Sequence[str], narrow: Sequence[str]
) -> None:
    """A page as an array of RPC objects or as a table, whose columns depend on the room."""
    if format is not Form.TABLE:
        answers.show(shown, format)
    else:
        answers.show_rows([fields_of(item) for item in shown], wide if answers.is_wide() else narrow, title)
    if page.next:
        terminal.hint(f"more: --token {page.next_token}")


def fields_of(shown: msgspec.Struct, hidden: Sequence[str] = ()) -> dict[str, object]:
    """The fields for people: no password, lists with commas."""
    fields = msgspec.structs.asdict(shown)
    return {
        name: ", ".join(value) if isinstance(value, tuple) else value
        for name, value in fields.items()
        if name not in ("password", *hidden)
    }
