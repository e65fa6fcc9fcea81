"""How `router-control` reaches a registry: over REST by default, or by the same routes on the database itself."""

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, Protocol, TypeVar

import msgspec
import typer
from typer.core import TyperGroup

from ringback import first_start, terminal
from ringback.api import request as asking
from ringback.api.call import Answer, Call, Caller, Route
from ringback.api.caller import customer_of
from ringback.api.client import Address, Asked, Client, NobodyAnswers, NotUnderstood
from ringback.app import Ringback
from ringback.customers.keys.model import OPERATOR
from ringback.kit.columns import NIL
from ringback.kit.errors import CannotStart, Failure, ValidationFailed
from ringback.kit.pages import LARGEST
from ringback.kit.reading import Faults
from ringback.kit.routing import Found
from ringback.kit.secret import Secret
from ringback.router.extensions.model import NotReady
from ringback.router.reaching import reached
from ringback.router_node import node_id
from ringback.routes import ROUTER_REST
from ringback.settings import RouterSettings, Settings

T = TypeVar("T")

ROOT: Final = "/v1.0/router"
RELOAD: Final = f"{ROOT}/registry:reload"
EXIT_CODES: Final = {"UNAUTHENTICATED": 5, "PERMISSION_DENIED": 5, "UNAVAILABLE": 6, "DEADLINE_EXCEEDED": 6}
"""Those of `router-control` beside the ones that every command has (router 6.1)."""
MORE: Final = 30.0
"""Seconds that an answer may take longer than the work behind it may."""
PANEL: Final = "Which registry"

Local = Annotated[
    bool, typer.Option("--local", help="on the database itself, no server needs to run", rich_help_panel=PANEL)
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="where a Ringback is, http://host:port (RINGBACK_URL; default: keys.json in ringback_home)",
        metavar="URL",
        rich_help_panel=PANEL,
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key_file",
        help="file of the access key, or a keys.json (or the key itself in RINGBACK_KEY; default: as for --url)",
        metavar="FILE",
        rich_help_panel=PANEL,
    ),
]

Send = Callable[[Asked], Awaitable[dict[str, Any]]]
"""One request to its answer."""


class Commands(TyperGroup):
    """Commands on a registry: they say what to do where nobody answers, and have exit codes of their own."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Failure as failure:
            line = terminal.told(failure)
            if isinstance(failure, NobodyAnswers):
                line += ": start it ('ringback up'), name another one (--url), or use --local"
            if failure.tag:
                line += " It is at revision " + failure.tag.strip('"') + "."
            code = EXIT_CODES.get(failure.status) or terminal.EXIT_CODES.get(failure.status, terminal.FAILED)
            terminal.stop(line, code, ctx.find_root().info_name or "router-control")


class Way(Protocol):
    """A way to a registry."""

    def run(self, job: Callable[[Send], Coroutine[Any, Any, T]]) -> T:
        """Run a job of some requests."""
        ...


@dataclass(frozen=True, slots=True)
class OverRest:
    """To a running Ringback."""

    client: Client

    def run(self, job: Callable[[Send], Coroutine[Any, Any, T]]) -> T:
        async def send(asked: Asked) -> dict[str, Any]:
            patience = _route(asked).route.about.get("patience", 0.0) + MORE
            return self.client.ask(replace(asked, patience=patience))

        return asyncio.run(job(send))


@dataclass(frozen=True, slots=True)
class OnDatabase:
    """To the database, as the operator, by the routes that a server would take."""

    settings: Settings

    def run(self, job: Callable[[Send], Coroutine[Any, Any, T]]) -> T:
        async def whole(ringback: Ringback) -> T:
            is_loaded = False

            async def send(asked: Asked) -> dict[str, Any]:
                nonlocal is_loaded
                if not is_loaded and asked.path != RELOAD:
                    await load(ringback)
                is_loaded = True
                if not _route(asked).route.about.get("attended"):
                    return await _answer(ringback, asked)
                async with reached(ringback, self.settings):
                    return await _answer(ringback, asked)

            return await job(send)

        node = f"router-control@{node_id(self.settings)}"  # no node that is at work, so it waits for that as well
        return terminal.work(self.settings.model_copy(update={"node_id": node}), whole)


async def load(ringback: Ringback) -> None:
    """Read the whole registry, and adopt what was changed by SQL; `NotReady` where that cannot be.

    What a node on the same home has kept of the audit log is remembered, as the node does.
    """
    if keeper := ringback.router.node.keeper:
        await keeper.recall()
    done = await ringback.router.loader.reload()
    if not done.ok:
        raise NotReady.of(NotReady.reason, f"The registry could not be loaded: {done.error}")


async def _answer(ringback: Ringback, asked: Asked) -> dict[str, Any]:
    """What REST would answer the operator."""
    found = _route(asked)
    about, faults = found.route.about, Faults()
    who = Caller(None, roles=frozenset({OPERATOR}))
    named = dict(asked.query)
    whose = about.get("whose", "one")
    customer_id = NIL if whose == "all" else faults.of(lambda: customer_of(who, named.pop("customer_id", None), whose))
    query = faults.of(lambda: asking.read_query(about.get("query"), named))
    body = faults.of(lambda: asking.read_body(about.get("body"), asked.body or b""))
    if customer_id is None or faults.found:
        raise ValidationFailed(*faults.found)
    work = ringback.router.work
    do = work.read if asked.method == "GET" or about.get("reads") else work.write

    async def verb(uow: Any) -> Answer:
        return await found.route.answer(Call(uow, customer_id, found.path, query, body, asked.if_match, who))

    run = about["around"](verb, query) if "around" in about else verb
    answer = await do(run, patience=about.get("patience"))
    return msgspec.json.decode(answer.body, type=dict[str, Any])


def _route(asked: Asked) -> Found[Route]:
    found = ROUTER_REST.find(asked.method, asked.path)
    assert isinstance(found, Found), asked
    return found


def with_way(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the way to the registry as its first argument, and the flags that name it."""

    @wraps(command)
    def wrapped(settings: Settings, local: bool, url: str | None, key_file: Path | None, **given: Any) -> None:
        command(way_of(settings, url, key_file, local=local), **given)

    kind, none = inspect.Parameter.KEYWORD_ONLY, {"default": None}
    own = [
        inspect.Parameter("local", kind, default=False, annotation=Local),
        inspect.Parameter("url", kind, annotation=Url, **none),
        inspect.Parameter("key_file", kind, annotation=KeyFile, **none),
    ]
    way, *others = inspect.signature(command).parameters.values()
    wrapped.__signature__ = inspect.Signature([way, *others, *own])  # type: ignore[attr-defined]
    return terminal.with_settings(wrapped, RouterSettings)


def way_of(settings: Settings, url: str | None, key_file: Path | None, *, local: bool) -> Way:
    """The way that flags and environment name; `CannotStart` where they name none, or two."""
    if local:
        if url or key_file:
            raise CannotStart("--local: goes to the database itself, so --url and --key_file do not go with it")
        return OnDatabase(settings)
    kept = first_start.read(settings.ringback_home)
    named = [(url, "--url"), (os.environ.get("RINGBACK_URL"), "RINGBACK_URL"), (kept and kept.url, first_start.FILE)]
    text, name = next(((text, name) for text, name in named if text), (None, ""))
    if text is None:
        raise CannotStart(
            f"no Ringback has been started in {settings.ringback_home}: start one ('ringback up'), say where one is "
            "(--url or RINGBACK_URL), or use --local"
        )
    at = Address.parse(text, name)
    return OverRest(Client(at, *_key(key_file, at, kept)))


def _key(file: Path | None, at: Address, kept: first_start.Keys | None) -> tuple[Secret, str]:
    """The key for that server, and where it is from. The one in `keys.json` is for the server that wrote it alone."""
    if file:
        return _read_key(file), f"--key_file {file}"
    if given := os.environ.get("RINGBACK_KEY"):
        return Secret(given.strip()), "RINGBACK_KEY"
    if kept and kept.url and at.is_same(Address.parse(kept.url, first_start.FILE)):
        return Secret(kept.operator_key), f"the operator's of {first_start.FILE}"
    raise CannotStart(f"{at.url} wants an access key: RINGBACK_KEY, or a file of it (--key_file)")


def _read_key(file: Path) -> Secret:
    """The key in a file that holds nothing else, or the operator's of a `keys.json`."""
    try:
        text = file.read_bytes().decode("ascii", "replace").strip()
    except OSError as error:
        raise CannotStart(f"--key_file: {file} cannot be read: {error.strerror}") from None
    if not text.startswith("{"):
        return Secret(text)
    try:
        return Secret(msgspec.json.decode(text, type=first_start.Keys).operator_key)
    except msgspec.DecodeError:
        raise CannotStart(f"--key_file: {file} is neither a key nor a {first_start.FILE}") from None


def one(way: Way, asked: Asked) -> dict[str, Any]:
    """The answer to one request."""

    async def job(send: Send) -> dict[str, Any]:
        return await send(asked)

    return way.run(job)


def every(way: Way, path: str, query: Mapping[str, str | None], most: int | None = None) -> list[dict[str, Any]]:
    """All that a list holds, or the first so many, page by page; of the query what is given."""
    given = {name: value for name, value in query.items() if value is not None}

    async def job(send: Send) -> list[dict[str, Any]]:
        asked = Asked("GET", path, given)
        found: list[dict[str, Any]] = []
        while True:
            size = LARGEST if most is None else min(LARGEST, most - len(found))
            page = await send(replace(asked, query={**asked.query, "page_size": str(size)}))
            found += results(page)
            token = page.get("next_page_token")
            if not token or len(found) == most:
                return found
            if token == asked.query.get("page_token"):
                raise NotUnderstood.of(NotUnderstood.reason, "what answers is no Ringback: its pages have no end")
            asked = replace(asked, query={**given, "page_token": token})

    return way.run(job)


def results(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is on a page."""
    try:
        return msgspec.convert(page.get("result"), list[dict[str, Any]])
    except msgspec.ValidationError:
        raise NotUnderstood.of(NotUnderstood.reason, "what answers is no Ringback: it sent no list") from None
