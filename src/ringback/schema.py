"""Every table of the product, by database."""

from typing import Final

from sqlalchemy import MetaData

from ringback.calls.records import store as calls
from ringback.customers import store as customers
from ringback.customers.audit import store as changes
from ringback.customers.keys import store as keys
from ringback.customers.people import store as people
from ringback.customers.sessions import store as sessions
from ringback.kit import audit, inbox, outbox, replays, stale
from ringback.registrar import tables as registrar
from ringback.registrar.imports import tables as imports
from ringback.router import tables as router
from ringback.sip import cel, edge
from ringback.sip import tables as asterisk

OWN_TABLES: Final[tuple[MetaData, ...]] = (
    registrar.metadata,
    edge.metadata,
    outbox.metadata,
    inbox.metadata,
    stale.metadata,
    replays.metadata,
    keys.metadata,
    audit.metadata,
    changes.metadata,
    customers.metadata,
    people.metadata,
    sessions.metadata,
    imports.metadata,
    cel.metadata,
    calls.metadata,
)
ASTERISK_TABLES: Final[tuple[MetaData, ...]] = (asterisk.metadata,)
ROUTER_TABLES: Final[tuple[MetaData, ...]] = (router.metadata,)
