"""The page of all that goes over the wire: every route and every event with an example that Ringback itself has made.

`.venv/bin/python -m tests.wire > docs/wire.md` rewrites the page.
"""

import asyncio
import inspect
import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import structlog

from ringback.api.news import WEBHOOKS
from ringback.calls.records.model import PUBLISHER as CALLS
from ringback.customers.model import PUBLISHER as CUSTOMERS
from ringback.databases import make_schema
from ringback.kit.routing import Routes
from ringback.registrar.events import PUBLISHER
from ringback.registrar.heard import HEARD
from ringback.routes import CUSTOMER_RPC, REST, RPC
from tests.exchanges import Exchange, Exchanges, Key, Part
from tests.house import ROOT
from tests.wire_story import story

PAGE: Final = ROOT / "docs" / "wire.md"
REWRITE: Final = ".venv/bin/python -m tests.wire > docs/wire.md"
WIDTH: Final = 120
METHODS: Final = ("POST", "GET", "PUT", "PATCH", "DELETE")

INTRODUCTION: Final = f"""\
# The wire

Every route and every event with an example. None is made up: a test starts a Ringback, plays one story on it and
writes down what goes in and out (`{REWRITE}`; a test keeps it true). Ids, hashes, ETags
and generated passwords are replaced by others of the same form.

What must hold is in [contracts/registrar.md](contracts/registrar.md) and [contracts/api.md](contracts/api.md); REST
is in [openapi.json](openapi.json) too.
"""
OVER_RPC: Final = """\
A request envelope, then its reply: over the socket `rpc.sock` one a line (`ringback rpc` sends one), in Python by
`RegistrarClient` and `CustomerClient`. Every success is 200. A `request_id` may be sent as well; our logs show it.
"""
OVER_RPC_TOO: Final = """\
The same where customer-manager runs, at a queue of its own; the socket is the same one.
"""
OVER_REST: Final = """\
A request, then its answer. Each request carries `Authorization: Bearer rb_…`, one with a body also
`Content-Type: application/json`; each answer has an `X-Request-Id`. With the operator's key `?customer_id=` says for
whom.
"""
SENT: Final = """\
Written in the transaction of the change and delivered after it: at least once, in order per object.
`ringback events --follow` prints them.
"""
SENT_TOO: Final = """\
The same, to the exchange `bin-manager.customer-manager.event`; without a broker the registrar of the same process
hears them.
"""
SENT_OF_CALLS: Final = """\
The same, to the exchange `bin-manager.call-manager.event` ([calls.md](calls.md)).
"""
LISTENS: Final = """\
Over the socket `events.sock` one a line (`ringback tell` sends one). Of the data `id` alone is read; `done`
acknowledges it. Each may come again.
"""
SENT_WHEN: Final = {
    "extension_created": "There is a new extension.",
    "extension_updated": "An extension is different: its texts, its password, its direct address, its realm.",
    "extension_deleted": "An extension has ended, alone or with its customer.",
    "extension_direct_created": "An extension got a direct address.",
    "extension_direct_updated": "A direct address got a new hash; the one before is refused from now on.",
    "extension_direct_deleted": "A direct address was taken away, alone or with its extension.",
    "contact_registered": "A phone has registered. A refresh is no news.",
    "contact_unregistered": "A contact went before its time, for the reason in `cause`.",
    "contact_expired": "A phone has not come back in time.",
    "trunk_created": "There is a new trunk.",
    "trunk_updated": "A trunk is different: its texts, its credentials, its addresses.",
    "trunk_deleted": "A trunk has ended, alone or with its customer.",
    "call_started": "Somebody calls; it rings, or is about to.",
    "call_answered": "A call was answered.",
    "call_ended": "A call has ended, answered or not; `hangup_reason` says why.",
    "customer_created": "There is a new customer.",
    "customer_updated": "A customer is different: their texts, their realm's label, their limits.",
    "customer_frozen": "A customer gets nothing new for now.",
    "customer_recovered": "A frozen customer is as before.",
    "customer_deleted": "A customer has ended; all of theirs follows.",
}


OF_CALLS: Final = [type for type in WEBHOOKS if type.startswith("call_")]
OF_CUSTOMERS: Final = [type for type in WEBHOOKS if type.startswith("customer_")]
REGISTRARS: Final = [type for type in WEBHOOKS if type not in (*OF_CALLS, *OF_CUSTOMERS)]


def missing(made: Exchanges) -> list[str]:
    """Routes and events without an example, or without a word on when they are sent."""
    return [
        *(
            f"{route.method} {route.pattern}"
            for route in (*RPC, *CUSTOMER_RPC)
            if (route.method, route.pattern) not in made.rpc
        ),
        *(f"{route.method} {route.pattern}" for route in REST if (route.method, route.pattern) not in made.rest),
        *(type for type in WEBHOOKS if type not in made.sent or type not in SENT_WHEN),
        *(type for type in made.sent if type not in WEBHOOKS),
        *(" ".join(key) for key in HEARD if key not in made.heard),
    ]


def page(made: Exchanges) -> str:
    """The page, whole; nothing is `missing`."""
    parts = [
        INTRODUCTION,
        f"## {PUBLISHER} over RPC\n\n{OVER_RPC}",
        *_routes(RPC, made.rpc),
        f"## {CUSTOMERS} over RPC\n\n{OVER_RPC_TOO}",
        *_routes(CUSTOMER_RPC, made.rpc),
        "### What RPC refuses\n",
        *_refusals(made.rpc_refusals),
        f"## {PUBLISHER} over REST\n\n{OVER_REST}",
        *_routes(REST, made.rest),
        "### What REST refuses\n",
        *_refusals(made.rest_refusals),
        f"## Events that {PUBLISHER} sends\n\n{SENT}",
        *_sent(made, REGISTRARS),
        f"## Events that {CUSTOMERS} sends\n\n{SENT_TOO}",
        *_sent(made, OF_CUSTOMERS),
        f"## Events that {CALLS} sends\n\n{SENT_OF_CALLS}",
        *_sent(made, OF_CALLS),
        f"## Events that {PUBLISHER} hears\n\n{LISTENS}",
        *_heard(made),
    ]
    return "\n".join(parts)


def sentence(function: object) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(function) or "").partition("\n")[0]


def contents(sentences: dict[str, str]) -> str:
    """A table of links to the headings below it."""
    rows = (f"| [`{name}`](#{anchor(name)}) | {text} |" for name, text in sentences.items())
    return "\n".join(["| | |", "|---|---|", *rows, ""])


def anchor(heading: str) -> str:
    """What a heading is called in a link."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _routes(routes: Routes[Any], made: dict[Key, list[Exchange]]) -> Iterator[str]:
    chosen = sorted(routes, key=lambda route: (route.pattern, METHODS.index(route.method)))
    yield contents({f"{route.method} {route.pattern}": sentence(route.answer) for route in chosen})
    for route in chosen:
        words = " ".join((inspect.getdoc(route.answer) or "").split())
        yield f"### `{route.method} {route.pattern}`\n\n{words}\n"
        for exchange in made[route.method, route.pattern]:
            yield from _exchange(exchange)


def _exchange(exchange: Exchange) -> Iterator[str]:
    if exchange.about:
        yield f"{exchange.about}\n"
    yield block(exchange.asked)
    yield block(exchange.answered)


def _refusals(made: dict[tuple[int, str], Exchange]) -> Iterator[str]:
    for (code, reason), exchange in sorted(made.items()):
        yield f"{code} {reason}:\n"
        yield from _exchange(exchange)


def _sent(made: Exchanges, types: list[str]) -> Iterator[str]:
    yield contents({type: SENT_WHEN[type] for type in types})
    for type in types:
        shape, told = WEBHOOKS[type], made.sent[type]
        yield f"### `{type}`\n\n{SENT_WHEN[type]}\n\nData: `{shape.__name__}`. This one came of {told.cause}.\n"
        yield block(told.envelope)


def _heard(made: Exchanges) -> Iterator[str]:
    yield contents({f"{type} from {publisher}": sentence(heard) for (publisher, type), heard in HEARD.items()})
    for (publisher, type), heard in HEARD.items():
        yield f"### `{type} from {publisher}`\n\n{sentence(heard)}\n"
        yield from _exchange(made.heard[publisher, type])


def block(part: Part) -> str:
    """A fence with JSON, or with the first lines of HTTP and JSON."""
    body = "" if part.body is None else pretty(part.body)
    whole = "\n\n".join(filter(None, [part.head, body]))
    return f"```{'http' if part.head else 'json'}\n{whole}\n```\n"


def pretty(value: Any, indent: int = 0, used: int = 0) -> str:
    """JSON on one line if it fits, else indented, as many items on a line as fit."""
    text = json.dumps(value, ensure_ascii=False)
    if indent + used + len(text) < WIDTH or not isinstance(value, dict | list) or not value:
        return text
    if isinstance(value, list):
        items = [pretty(item, indent + 2) for item in value]
    else:
        names = [f"{json.dumps(name)}: " for name in value]
        items = [name + pretty(item, indent + 2, len(name)) for name, item in zip(names, value.values(), strict=True)]
    margin = "\n" + " " * (indent + 2)
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return f"{opening}{margin}{f',{margin}'.join(_lines(items, indent + 2))}\n{' ' * indent}{closing}"


def _lines(items: list[str], indent: int) -> Iterator[str]:
    """Items side by side while they fit; one that has lines of its own stands alone."""
    line = ""
    for item in items:
        if line and ("\n" in item + line or indent + len(line) + len(item) + 3 > WIDTH):
            yield line
            line = ""
        line = f"{line}, {item}" if line else item
    yield line


def tell() -> Exchanges:
    """The story, on an empty database in a temporary folder."""
    with TemporaryDirectory() as folder:
        template = Path(folder) / "template.db"
        make_schema(template)
        return asyncio.run(story(template, Path(folder)))


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    told = tell()
    if lacking := missing(told):
        sys.exit(f"no example of {', '.join(lacking)}: tell of it in tests/wire_story.py")
    sys.stdout.write(page(told))
