"""The commands `ringback …`, `registrar-control …` and `router-control …`."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
import uvloop

from ringback import __version__, answers, server, terminal
from ringback.answers import AsForm, Form
from ringback.app import assemble
from ringback.asterisk_config import asterisk_config
from ringback.banner import banner
from ringback.calls.records import cli as calls
from ringback.customers import cli as customers
from ringback.customers.audit import cli as changes
from ringback.customers.keys import cli as keys
from ringback.customers.model import PUBLISHER as CUSTOMERS
from ringback.customers.people import cli as people
from ringback.daemons import DaemonSettings, RouterDaemonSettings
from ringback.databases import opened
from ringback.demo.show import show
from ringback.doctor.cli import doctor
from ringback.kamailio_config import kamailio_config
from ringback.kit import inbox, outbox
from ringback.kit.db import Row
from ringback.kit.events import Message
from ringback.migrations import cli as schema
from ringback.registrar import cli as upkeep
from ringback.registrar.diagnosis import cli as diagnosis
from ringback.registrar.directs import cli as directs
from ringback.registrar.extensions import cli as extensions
from ringback.registrar.heard import HEARD
from ringback.registrar.imports import cli as imports
from ringback.registrar.meta import require_recorded, require_same
from ringback.registrar.plans import cli as plans
from ringback.registrar.realms import cli as realms
from ringback.registrar.trunks import cli as trunks
from ringback.router.audit import cli as router_audit
from ringback.router.bench import cli as router_bench
from ringback.router.control import Commands
from ringback.router.extensions import cli as router_extensions
from ringback.router.extensions.doing_cli import breaker, health
from ringback.router.extensions.purging_cli import purge_registry
from ringback.router.nodes import cli as registry
from ringback.router.pipelines import cli as router_pipelines
from ringback.router.policies import cli as router_policies
from ringback.router.workers import cli as router_workers
from ringback.settings import Settings
from ringback.terminal import new_app, with_settings
from ringback.transports import local

POLL = 0.1
"""Seconds between two looks for news of other processes."""

registrar = new_app("Extensions, direct addresses, trunks, domains and customers, on the databases themselves.")
extensions.app.command()(diagnosis.diagnose)
imports.commands(extensions.app, "extension")
imports.commands(trunks.app, "trunk")
registrar.add_typer(extensions.app, name="extension")
registrar.add_typer(directs.app, name="direct")
registrar.add_typer(trunks.app, name="trunk")
registrar.add_typer(realms.domain, name="domain")
registrar.add_typer(realms.customer, name="customer")
registrar.add_typer(upkeep.secret, name="secrets")
registrar.command()(upkeep.reconcile)

router = new_app(
    "The registry of router extensions: of a running Ringback, or with --local on the database.", cls=Commands
)
registry.app.command("purge")(purge_registry)
for command in (health, breaker):
    router_extensions.app.command()(command)
router.add_typer(router_extensions.app, name="extensions")
router.add_typer(router_policies.app, name="policies")
router.add_typer(registry.app, name="registry")
router.add_typer(router_audit.app, name="audit")
router.add_typer(router_pipelines.app, name="pipelines")
router.command()(schema.migrate)
router.add_typer(router_bench.app, name="bench")
router.add_typer(router_workers.app, name="workers")

app = new_app("Ringback: the control plane behind SIP registrars.")
sip = new_app("What SIP servers need.")
manager = new_app("The service registrar-manager alone, on a carrier's servers.", asks=False)
routing = new_app("The service router-manager alone, on a carrier's servers.", asks=False)
app.add_typer(registrar, name="registrar-control")
app.add_typer(router, name="router-control")
app.add_typer(schema.app, name="db")
app.add_typer(customers.app, name="customer")
app.add_typer(keys.app, name="key")
app.add_typer(people.app, name="person")
app.add_typer(changes.app, name="audit")
app.add_typer(calls.app, name="call")
app.add_typer(sip, name="sip")
for _command in (plans.plan, plans.apply, plans.undo):
    app.command()(_command)
app.command()(doctor)
sip.command()(asterisk_config)
sip.command()(kamailio_config)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    terminal.run(app, "ringback", sys.argv[1:] if arguments is None else arguments)


def registrar_manager(arguments: Sequence[str] | None = None) -> NoReturn:
    terminal.run(manager, "registrar-manager", sys.argv[1:] if arguments is None else arguments)


def router_manager(arguments: Sequence[str] | None = None) -> NoReturn:
    terminal.run(routing, "router-manager", sys.argv[1:] if arguments is None else arguments)


def registrar_control(arguments: Sequence[str] | None = None) -> NoReturn:
    terminal.run(registrar, "registrar-control", sys.argv[1:] if arguments is None else arguments)


def router_control(arguments: Sequence[str] | None = None) -> NoReturn:
    terminal.run(router, "router-control", sys.argv[1:] if arguments is None else arguments)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    """The control plane behind SIP registrars."""
    if version:
        terminal.say(f"ringback {__version__}")


@app.command()
@with_settings
def up(settings: Settings) -> None:
    """Run everything in one process, until SIGTERM or Ctrl-C."""
    uvloop.run(server.up(settings, lambda started: terminal.say(banner(started, settings))))


@manager.command()
@partial(with_settings, kind=DaemonSettings)
def registrar_daemon(settings: DaemonSettings) -> None:
    """Serve requests and events over RabbitMQ, until SIGTERM or Ctrl-C."""
    uvloop.run(server.alone(settings))


@routing.command()
@partial(with_settings, kind=RouterDaemonSettings)
def router_daemon(settings: RouterDaemonSettings) -> None:
    """Keep the registry of router extensions and serve its REST, until SIGTERM or Ctrl-C."""
    uvloop.run(server.alone(settings))


@app.command()
def demo(
    stay: Annotated[bool, typer.Option("--stay", help="keep both servers running for a softphone of your own")] = False,
    folder: Annotated[
        Path, typer.Option("--folder", help="where it works and leaves its recordings", metavar="DIR")
    ] = Path("var/demo"),
) -> None:
    """Ring real phones through a real Asterisk, on loopback, and check what they hear."""
    if not show(folder, stay=stay):
        raise typer.Exit(terminal.FAILED)


@app.command()
@with_settings
def rpc(
    settings: Settings,
    method: Annotated[str, typer.Argument(help="GET, POST, PUT or DELETE")],
    uri: Annotated[str, typer.Argument(help="for example /v1/extensions")],
    data: Annotated[str | None, typer.Option("--data", help="a JSON document", metavar="JSON")] = None,
) -> None:
    """Send one RPC envelope, to the running server or in process, and print the reply envelope."""
    request: dict[str, Any] = {"uri": uri, "method": method.upper(), "publisher": "ringback"}
    if data is not None:
        request |= {"data_type": "application/json", "data": msgspec.Raw(_json(data))}
    writes = request["method"] != "GET"
    answer = asyncio.run(_ask(settings, msgspec.json.encode(request), writes=writes))
    reply = msgspec.json.decode(answer)
    answers.show(reply)
    if reply["status_code"] >= 300:
        status = (reply.get("data") or {}).get("status", "INVALID_ARGUMENT")
        raise typer.Exit(terminal.EXIT_CODES.get(status, terminal.FAILED))


async def _ask(settings: Settings, envelope: bytes, socket: str = server.SOCKET, *, writes: bool = True) -> bytes:
    """The answer of the running server, or of the same code in this process where none runs."""
    if answer := await local.ask(settings.ringback_home / socket, envelope):
        return answer
    async with opened(settings, writes=writes) as found, aclosing(assemble(settings, found)) as ringback:
        await (ringback.work.write(require_recorded) if writes else ringback.work.read(require_same))
        return await (ringback.local if socket == server.SOCKET else ringback.inbox).serve(envelope)


@app.command()
@with_settings
def tell(
    settings: Settings,
    type: Annotated[str, typer.Argument(help=f"{', '.join(type for _, type in HEARD)}")],
    data: Annotated[str, typer.Option("--data", help="the event's data, with the customer's id", metavar="JSON")],
    publisher: Annotated[str, typer.Option("--publisher", help="who says so")] = CUSTOMERS,
) -> None:
    """Tell the registrar what a customer manager would, and wait until it is done."""
    if (publisher, type) not in HEARD:
        terminal.stop(f"nothing is done about {type} of {publisher}; see --help", terminal.USAGE)
    about = {"type": type, "publisher": publisher, "data_type": "application/json"}
    event = {**about, "data": msgspec.Raw(_json(data))}
    answer = asyncio.run(_ask(settings, msgspec.json.encode(event), server.EVENTS))
    answers.show(msgspec.json.decode(answer))
    if not msgspec.json.decode(answer)["done"]:
        terminal.hint("it could not be done: see 'ringback events --dead' and the log")
        raise typer.Exit(terminal.FAILED)


def _json(text: str) -> bytes:
    """The text of `--data`, once it is known to be JSON."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        terminal.stop(f"--data is not JSON: {error}", terminal.USAGE)
    return text.encode()


@app.command()
@with_settings
def events(
    settings: Settings,
    follow: Annotated[bool, typer.Option("--follow", help="print what happens from now on, as it happens")] = False,
    dead: Annotated[bool, typer.Option("--dead", help="print events of others that could not be followed")] = False,
    format: AsForm = Form.TABLE,
) -> None:
    """Print the events of the last 24 hours, or with --follow those to come.

    What --dead prints can be told once more with `ringback tell`.
    """
    if dead and follow:
        terminal.stop("--dead and --follow do not go together", terminal.USAGE)
    if dead:
        _show_dead(terminal.do(settings, lambda uow: inbox.dead(uow.session)), format)
        return
    try:
        asyncio.run(_events(settings, follow=follow, format=format))
    except KeyboardInterrupt:
        return


async def _events(settings: Settings, *, follow: bool, format: Form) -> None:
    async with opened(settings, writes=False) as found, aclosing(assemble(settings, found)) as ringback:
        last = await ringback.work.read(lambda uow: outbox.last_id(uow.session)) if follow else 0
        reading = outbox.Reading(last)
        if follow:
            terminal.hint("following; Ctrl-C ends it")
        while True:
            messages = await ringback.work.read(reading.more)
            for message in messages:
                terminal.say(_line(message, format))
            if not messages and not follow:
                return
            if not messages:
                await asyncio.sleep(POLL)


def _show_dead(rows: Sequence[Row], format: Form) -> None:
    columns = ("tm_create", "publisher", "event_type", "payload", "error")
    if format is not Form.TABLE:
        answers.show([{name: row[name] for name in columns} for row in rows], format)
    else:
        answers.show_rows(rows, columns, "Events that were given up")


def _line(message: Message, format: Form) -> str:
    whole = {"message_id": message.id, **message.envelope()}
    if format is Form.JSON:
        return msgspec.json.encode(whole).decode()
    if format is Form.YAML:
        return f"---\n{answers.yaml_of(whole).rstrip()}"
    when = message.tm_create.strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{when}  {message.type:<26} {msgspec.json.encode(message.data).decode()}"
