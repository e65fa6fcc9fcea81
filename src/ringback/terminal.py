"""How commands talk to people: settings as flags, prompts, lines, exit codes."""

import asyncio
import inspect
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cache, wraps
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar

import typer
from typer.core import TyperGroup

from ringback import first_start
from ringback.app import Ringback, assemble
from ringback.commands import ready
from ringback.databases import opened
from ringback.kit import log
from ringback.kit.audit import Actor
from ringback.kit.db import Refused
from ringback.kit.errors import CannotStart, Failure, Fault, ValidationFailed
from ringback.kit.reading import Asked, read
from ringback.kit.typist import user
from ringback.knobs import knobs, load, settings_last
from ringback.registrar.directs.model import IN_LOGS
from ringback.registrar.meta import require_recorded, require_same
from ringback.registrar.work import Uow
from ringback.router.pii import masked
from ringback.settings import Settings

T = TypeVar("T")
A = TypeVar("A", bound=Asked)

NULL: Final = object()
"""What a flag says that takes a value away, where that is something else than saying nothing."""
DONE, FAILED, USAGE, NOT_FOUND, CONFLICT = range(5)
EXIT_CODES: Final = {
    "INVALID_ARGUMENT": USAGE,
    "NOT_FOUND": NOT_FOUND,
    "ALREADY_EXISTS": CONFLICT,
    "FAILED_PRECONDITION": CONFLICT,
}
CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
SURROGATES: Final = re.compile(r"[\ud800-\udfff]")


def new_app(help: str, *, asks: bool = True, cls: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """A group of commands; flags have underscores, and their hyphenated spelling is the same flag.

    Without arguments it prints its help, unless it `asks` for none.
    """
    return typer.Typer(
        help=help,
        cls=cls,
        no_args_is_help=asks,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"token_normalize_func": lambda token: token.replace("-", "_"), "max_content_width": 110},
    )


def with_settings(command: Callable[..., T], kind: type[Settings] = Settings) -> Callable[..., T]:
    """Give a command every setting of a kind as a flag; it gets them read, as its first argument."""

    def read(flags: Mapping[str, Any], config: Path | None) -> Settings:
        settings = load(flags, config, kind)
        log.set_up(
            settings.service, settings.log_level, settings.log_format, IN_LOGS, scans={"ringback.router": masked}
        )
        return settings

    return with_flags(command, read, kind)


def with_flags(
    command: Callable[..., T], read: Callable[[Mapping[str, Any], Path | None], Any], kind: type[Settings] = Settings
) -> Callable[..., T]:
    """The same for a command whose first argument is what `read` makes of the flags and the file."""
    names = [knob.name for knob in knobs(kind)]

    @wraps(command)
    def wrapped(**given: Any) -> T:
        flags = {name: given.pop(name) for name in names}
        return command(read(flags, given.pop("config")), **given)

    parameters = [*list(inspect.signature(command).parameters.values())[1:], *_setting_parameters(kind)]
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {item.name: item.annotation for item in parameters}
    return wrapped


@cache
def _setting_parameters(kind: type[Settings]) -> tuple[inspect.Parameter, ...]:
    panel = "Settings: flag, then environment variable, then file, then default"
    config = typer.Option("--config", help="TOML file of settings", rich_help_panel=panel)
    found = [_parameter("config", Annotated[Path | None, config])]
    for knob in knobs(kind):
        text = f"{knob.meaning} ({knob.variable}; default: {knob.default or 'none'})"
        option = typer.Option(knob.flag, help=text, rich_help_panel=panel, metavar="TEXT")
        found.append(_parameter(knob.name, Annotated[str | None, option]))
    return tuple(found)


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def run(app: typer.Typer, name: str, arguments: Sequence[str]) -> NoReturn:
    """Run the command line; every failure is one line on stderr and an exit code."""
    try:
        if any(SURROGATES.search(word) for word in arguments):
            raise CannotStart("the command line must be UTF-8")
        words = settings_last(arguments)
        ready(app, words)(args=words, prog_name=name)
    except (CannotStart, Refused) as error:
        stop(str(error), USAGE if isinstance(error, CannotStart) else FAILED, name)
    except Failure as failure:
        stop(told(failure), EXIT_CODES.get(failure.status, FAILED), name)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(DONE)


def stop(line: str, code: int, name: str = "ringback") -> NoReturn:
    print(f"{name}: {line}", file=sys.stderr)  # noqa: T201
    sys.exit(code)


FLAGS: Final = {
    "config": "config_json",
    "domain_label": "label",
    "domain_name": "domain",
    "extension": "extension_number",
    "limit_extension": "extension",
    "limit_trunk": "trunk",
    "metadata": "metadata_json",
    "page_size": "limit",
    "password_regenerate": "generate_password",
    "roles": "role",
    "scopes": "scope",
    "source_cidrs": "source_cidr",
}
"""Fields whose flag has another name."""


def told(failure: Failure) -> str:
    """The sentence and the faulty flags, in one line, whoever's words they are."""
    faults = [f"{_flag(fault.field)} {fault.description}".strip() for fault in failure.faults]
    return CONTROLS.sub("\ufffd", " ".join([failure.sentence, "; ".join(faults)]).strip())


def _flag(field: str) -> str:
    """The flag of a field, or of one inside it."""
    name = re.split(r"[.\[]", field, maxsplit=1)[0]
    return f"--{FLAGS.get(name, name)}{field.removeprefix(name)}" if field else ""


def do(
    settings: Settings,
    verb: Callable[[Uow], Awaitable[T]],
    *,
    writes: bool = False,
    patience: float | None = None,
    compares: bool = True,
) -> T:
    """Run one verb on the databases, with the same code as the server's; no server needs to run.

    It `compares` the settings with those that the installation was made with, unless the verb does not depend on them.
    """

    async def checked(uow: Uow) -> T:
        if not compares:
            return await verb(uow)
        await (require_recorded(uow) if writes else require_same(uow))
        return await verb(uow)

    async def run(ringback: Ringback) -> T:
        return await (ringback.work.write if writes else ringback.work.read)(checked, patience=patience)

    return work(settings, run, writes)


def work(settings: Settings, job: Callable[[Ringback], Awaitable[T]], writes: bool = True) -> T:
    """Run a job of several transactions on the databases."""

    async def once() -> T:
        by = Actor(f"cli:{user()}", "cli")
        async with opened(settings, writes=writes) as found, aclosing(assemble(settings, found)) as ringback:
            router = replace(ringback.router, work=ringback.router.work.acting(by))
            done = await job(replace(ringback, work=ringback.work.acting(by), router=router))
            if late := await ringback.asterisks.tell():
                hint(f"{', '.join(late)} may remember phones as they were: sorcery memory cache expire")
            return done

    return asyncio.run(once())


def progress(what: str) -> Callable[[int], None]:
    """Tells on stderr after each hundred how far a long job is, for people only."""

    def tell(done: int) -> None:
        if sys.stderr.isatty() and done % 100 == 0:
            hint(f"{done} {what}")

    return tell


def status() -> Callable[[str], None]:
    """A line on stderr that takes the place of the one before, for people only; an empty one takes it away.

    What else is printed begins where it began, and covers it.
    """
    is_seen = sys.stderr.isatty()

    def show(text: str) -> None:
        if is_seen:
            print(f"\x1b[K{text}\r", end="", file=sys.stderr, flush=True)  # noqa: T201

    return show


def asked(shape: type[A], **flags: object) -> A:
    """A request from flags, by the rules that RPC and REST follow; all faulty flags at once. `NULL` is one of null."""
    given = {name: value for name, value in flags.items() if value is not None}
    return read(shape, {name: None if value is NULL else value for name, value in given.items()})


def customer_id(settings: Settings, given: str | None) -> str | None:
    """The customer that a flag names; without one, the one that the embedded default made."""
    if given is None and (kept := first_start.read(settings.ringback_home)):
        return str(kept.customer_id)
    return given


def is_terminal() -> bool:
    return sys.stdin.isatty()


def asked_for(value: str | None, question: str) -> str | None:
    """A required flag: asked for on a terminal, else left to the reader, who names all that is missing."""
    return str(typer.prompt(question, err=True)) if value is None and is_terminal() else value


def need(value: str | None, flag: str, question: str) -> str:
    """A required flag: asked for on a terminal, else a usage error."""
    if (given := asked_for(value, question)) is None:
        raise ValidationFailed(Fault(flag, "is required"))
    return given


def new_password(question: str) -> str | None:
    """A password typed twice, unseen; nothing typed is none."""
    if not is_terminal():
        raise ValidationFailed(Fault("password", "can only be asked for on a terminal"))
    while typed := _unseen(question):
        if typed == _unseen("Repeat for confirmation"):
            return typed
        hint("The two are not the same.")
    return None


def _unseen(question: str) -> str:
    return str(typer.prompt(question, default="", hide_input=True, show_default=False, err=True))


def confirm(question: str, *, force: bool) -> None:
    """Go on only with a yes, or with `--force`."""
    if force:
        return
    if not is_terminal():
        raise ValidationFailed(Fault("force", "is required without a terminal"))
    typer.confirm(question, err=True, abort=True)


def say(line: str) -> None:
    """A line of the answer."""
    print(line, flush=True)  # noqa: T201


def hint(line: str) -> None:
    """Something beside the answer, on stderr."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201
