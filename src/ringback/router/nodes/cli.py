"""`router-control registry …`: the registry as a whole, and the nodes that serve it."""

from typing import Final

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.api.client import Asked
from ringback.router.control import RELOAD, ROOT, Way, one, results, with_way

app = terminal.new_app("The registry as a whole.")
NODES: Final = ("node_id", "applied_revision", "source", "last_seen", "stale", "nack")
SERVED: Final = ("id", "type", "subject", "timeout_ms", "retry", "enabled", "revision")


@app.command()
@with_way
def reload(way: Way, format: AsForm = Form.TABLE) -> None:
    """Adopt what was changed by SQL, and say which rows are broken; a running server does so by itself."""
    done = one(way, Asked("POST", RELOAD))
    if format is not Form.TABLE:
        answers.show(done, format)
    else:
        broken = done.get("rejected") or []
        terminal.say(f"registry revision {done.get('revision')}, {len(broken)} rows broken")
        for row in broken:
            terminal.say(f"{row.get('id')}: {row.get('description')}")
    if not done.get("ok"):
        terminal.stop(f"the registry could not be loaded: {done.get('error')}", terminal.FAILED, "router-control")


@app.command()
@with_way
def stats(way: Way, format: AsForm = Form.TABLE) -> None:
    """Show what the registry of a node holds, and how often it was loaded."""
    answers.show_object(one(way, Asked("GET", f"{ROOT}/stats")), format, "Registry")


@app.command()
@with_way
def nodes(way: Way, format: AsForm = Form.TABLE) -> None:
    """List the nodes of the router and what each of them serves."""
    answers.show_list(results(one(way, Asked("GET", f"{ROOT}/nodes"))), format, NODES, "Nodes")


@app.command()
@with_way
def effective(way: Way, format: AsForm = Form.TABLE) -> None:
    """Show all that a node serves, without secrets."""
    found = one(way, Asked("GET", f"{ROOT}/effective"))
    if format is not Form.TABLE:
        answers.show(found, format)
        return
    title = f"{found.get('node_id')} serves registry revision {found.get('revision')}"
    answers.show_list(found.get("extensions") or [], format, SERVED, title)
