"""The page of all tables, made of the definitions that the code reads and writes by.

`.venv/bin/python -m tests.schema > docs/schema.md` rewrites the page.
"""

import sys
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import CheckConstraint, Column, Computed, DefaultClause, Dialect, ForeignKey, Index, MetaData, Table
from sqlalchemy.dialects import mysql, postgresql, sqlite

from ringback.migrations.ddl import RULES
from ringback.schema import ASTERISK_TABLES, OWN_TABLES, ROUTER_TABLES
from tests.house import ROOT
from tests.wire import anchor

PAGE: Final = ROOT / "docs" / "schema.md"
REWRITE: Final = ".venv/bin/python -m tests.schema > docs/schema.md"
DIALECTS: Final[tuple[Dialect, ...]] = (sqlite.dialect(), mysql.dialect(), postgresql.dialect())  # type: ignore[no-untyped-call]
KINDS: Final = {
    ("BLOB", "BINARY(16)", "UUID"): "uuid",
    ("TEXT", "DATETIME(6)", "TIMESTAMP WITHOUT TIME ZONE"): "time",
    ("TEXT", "DATETIME(6)", "TIMESTAMP WITH TIME ZONE"): "moment",
    ("TEXT", "JSON", "JSONB"): "json",
    ("BOOLEAN", "BOOL", "BOOLEAN"): "flag",
    ("DOUBLE", "DOUBLE", "DOUBLE PRECISION"): "real",
    ("TEXT", "LONGTEXT", "TEXT"): "long text",
    ("TEXT", "MEDIUMTEXT", "TEXT"): "medium text",
    ("INTEGER", "BIGINT", "BIGINT"): "serial",
}
"""Types that the engines spell differently, and what this page calls them. `word(n)` is one more."""
BYTEWISE: Final = " COLLATE utf8mb4_bin"
MEANT: Final = {
    "uuid": "big-endian bytes where there is no type for it",
    "time": "UTC with microseconds; on SQLite `2026-01-05 10:00:00.000000`, which sorts",
    "moment": "the same with its zone; on SQLite `2026-01-05T10:00:00.000000Z`",
    "json": "on SQLite text, in the tables of the registry with a check that it is JSON",
    "flag": "0 and 1 where there is no type for it",
    "real": "a number with a fraction",
    "long text": "as long as it needs to be",
    "medium text": "up to 16 MB on MariaDB and MySQL",
    "serial": "the database counts",
    "word(n)": "compared byte by byte everywhere",
}


class About(NamedTuple):
    """What a table is for, in one sentence, and who writes it."""

    sentence: str
    writer: str


class Part(NamedTuple):
    """The tables of one database."""

    title: str
    words: str
    tables: tuple[MetaData, ...]


PARTS: Final = (
    Part(
        "The registrar",
        "In the database of `database_dsn_bin`. Tables that VoIPbin's registrar-manager has made are taken over as\n"
        "they are ([takeover.md](takeover.md)), so most columns may be NULL there; Ringback fills them.",
        OWN_TABLES,
    ),
    Part(
        "What Asterisk reads",
        "In the database of `database_dsn_asterisk`. Where Asterisk's own migrations have made them, with Asterisk's\n"
        "types and further columns; the defaults here are those of SQLite.",
        ASTERISK_TABLES,
    ),
    Part(
        "The registry of router extensions",
        "Beside the registrar's, in the database of `database_dsn_bin`; made by `ringback db upgrade`, by\n"
        "`router-control migrate`, or alone on PostgreSQL by `psql -f sql/011_extensions_registry.sql`. Records\n"
        "are changed by REST or `router-control`; what is changed by SQL in `extensions` is adopted by the next whole\n"
        "load ([operate-the-registry.md](operate-the-registry.md)).",
        ROUTER_TABLES,
    ),
)
SERVICE: Final = "registrar-manager"
ROUTER: Final = "router-manager"
ABOUT: Final = {
    "registrar_extensions": About("SIP extensions: the phones of customers.", SERVICE),
    "registrar_trunks": About("Connections to carriers and PBXes.", SERVICE),
    "registrar_sip_auths": About(
        "What the SIP edge (Kamailio) lets trunks and phones in by.", f"{SERVICE}, with each trunk and extension"
    ),
    "registrar_directs": About("Direct addresses of extensions.", SERVICE),
    "registrar_direct_hashes": About(
        "Every hash that was ever given out, so that none is given out twice.", f"{SERVICE}; never deleted from"
    ),
    "registrar_customers": About(
        "What customers may do: active, frozen or deleted for good, and limits of their own.",
        f"{SERVICE}, by events of the customer manager and by `registrar-control customer`",
    ),
    "registrar_customer_domains": About("The realm that a customer's phones live under.", SERVICE),
    "registrar_contact_states": About(
        "Contacts as they were at the last look, to tell what has come, gone and expired.", f"{SERVICE}, at each look"
    ),
    "registrar_refusals": About(
        "Phones that an Asterisk did not let in within the last hour, and the last 20 times of each (`told`, JSON): any"
        " instance and any command diagnoses by it.",
        f"{SERVICE}, at most 50 phones every two seconds",
    ),
    "registrar_contact_history": About(
        "When each phone came and went, for `contact_history_keep_days`.", f"{SERVICE}, with each event of a contact"
    ),
    "registrar_strays": About("Since when a SIP row has been seen that is nobody's.", f"{SERVICE}'s reconciler"),
    "registrar_meta": About(
        "What an installation remembers of itself: its base domains, how the last proof of the audit log went.",
        "the first start; `ringback db upgrade`; router-manager",
    ),
    "registrar_outbox": About(
        "Events that wait for the bus, and those of the last 24 hours.", "every change, in its own transaction"
    ),
    "registrar_dead_events": About("Events of others that could not be followed.", f"{SERVICE}'s inbox"),
    "registrar_stale_keys": About(
        "Keys in other services' caches that are to be deleted, until they are gone for sure.",
        f"{SERVICE}, where `redis_address` is set",
    ),
    "registrar_accesskeys": About(
        "Access keys of customers and of the platform: their hashes, never themselves.",
        "the first start; `ringback key`",
    ),
    "ringback_audit": About(
        "Who has changed what, when and from where, before and after without secrets; entries come and never change.",
        "every change, in its own transaction",
    ),
    "ringback_audit_erasures": About(
        "People who are gone, and of whom the audit log still tells something.", "whoever deletes a person"
    ),
    "ringback_audit_removals": About(
        "A removal of old entries of the audit log that is not finished.",
        "every service, where `audit_keep_days` is set",
    ),
    "ringback_customers": About(
        "Who customers are; what they may do and have stands in the registrar's tables.",
        "customer-manager",
    ),
    "customer_people": About(
        "People who may sign in: their addresses and hashes of their passwords; who is deleted leaves no row.",
        "`/v1.0/people` and `ringback person`",
    ),
    "customer_sessions": About(
        "Sessions of people who have signed in; one that has ended has no row.", "signing in, refreshing, signing out"
    ),
    "customer_sign_in_failures": About(
        "How often signing in with an address has failed of late, whether or not there is such a person.",
        "each failed try",
    ),
    "ringback_channel_events": About(
        "What Asterisk tells of the channels of calls (CEL), until it is taken.", "Asterisk; call-manager only deletes"
    ),
    "ringback_calls": About(
        "Calls: who called whom, when, and how it ended; kept `call_keep_days`, and no longer than their customer.",
        "call-manager",
    ),
    "registrar_imports": About(
        "Imports that are not finished: one of a kind for each customer, with how far it is.",
        f"{SERVICE}, which goes on with it after a crash",
    ),
    "registrar_import_parts": About(
        "Rows of such an import, with digests in the place of passwords, until all are done or none is.", SERVICE
    ),
    "registrar_idempotency_keys": About(
        "Requests with an `Idempotency-Key` of the last day, and what they were answered, for those that come again.",
        "every such request, in the transaction of its change",
    ),
    "registrar_applies": About(
        "What `ringback apply` has done for customers, without secrets, so that `ringback undo` can take it back.",
        "`ringback apply` and `ringback undo`; removed with the customer",
    ),
    "registrar_setup_links": About(
        "Links by which phones are set up: one for each extension at most, until it is opened.",
        f"{SERVICE}; removed when it is opened, revoked or expired, and with its extension",
    ),
    "ps_endpoints": About("An extension as Asterisk rings it.", SERVICE),
    "ps_aors": About("Where an endpoint may be registered, and how often.", SERVICE),
    "ps_auths": About("How a phone proves its password.", SERVICE),
    "ps_contacts": About("Where phones are right now.", f"Asterisk; {SERVICE} only deletes"),
    "extensions": About(
        "Router extensions as they stand: outside processors of a request.", f"{ROUTER}; or you, by SQL"
    ),
    "extension_audit_log": About(
        "Who has changed what and when, as a chain of hashes without gaps; entries come and never go or change.", ROUTER
    ),
    "extension_health": About(
        "What each node has counted of the calls to an extension.", f"{ROUTER}, each node its own"
    ),
    "extension_revisions": About(
        "Every extension as it stood after each change, complete; never updated, removed by a purge alone.", ROUTER
    ),
    "registry_revision": About(
        "The one row that every change locks: the number of changes, the checksum of all records, the end of the audit "
        "log.",
        ROUTER,
    ),
    "router_policies": About("Customers' declarations of pipelines.", ROUTER),
    "router_nodes": About("What each running node serves, and which rows it cannot.", f"{ROUTER}, each node its own"),
}
MEANINGS: Final = {
    "registrar_extensions.endpoint_id": "`number@realm`: the key of its three rows in Asterisk's tables",
    "registrar_extensions.password": "only with `secret_storage=plaintext`",
    "registrar_extensions.contacts_version": "another one after each change of its contacts",
    "registrar_extensions.tm_delete": "set: deleted",
    "registrar_sip_auths.id": "that of the trunk",
    "registrar_accesskeys.token_hash": "SHA-256 of the key",
    "registrar_accesskeys.customer_id": "NULL: a key of the platform",
    "registrar_applies.number": "the customer's first is 1",
    "registrar_applies.changes": "a list: object, action, fields old and new, when it was changed before and by this",
    "registrar_applies.tm_undo": "set: undone",
    "registrar_setup_links.token_hash": "SHA-256 of the token in the link",
    "customer_people.customer_id": "NULL: of the platform",
    "customer_people.email": "in lower case",
    "customer_people.password_hash": "argon2id",
    "customer_sessions.family_hash": "SHA-256 of what all its refresh tokens share",
    "customer_sessions.refresh_hash": "SHA-256 of the refresh token that works now",
    "customer_sessions.address": "of the client, when it signed in or refreshed last",
    "customer_sessions.user_agent": "what the client calls itself",
    "customer_sign_in_failures.email_hash": "SHA-256 of the address",
    "customer_sign_in_failures.tm_begin": "of the first failure, or of the time in which nobody signs in with it",
    "registrar_outbox.tm_publish": "NULL: it waits",
    "ringback_audit.customer_id": "NULL: the platform's",
    "ringback_audit.actor": "`key:…`, `agent:…`, `person:…`, `cli:…`, `rpc:…`, `event:…`, `setup_link:…` or `system`",
    "ringback_audit.identity": "tells actors of one name apart",
    "ringback_audit.source": "`rest`, `rpc`, `cli`, `event` or `system`",
    "ringback_audit.changed": "names of fields, hidden ones too",
    "ringback_audit.old_values": "without secrets; NULL once its customer or person is gone",
    "ringback_audit.new_values": "without secrets; NULL once its customer or person is gone",
    "ringback_audit_erasures.object_id": "the person's id",
    "ringback_audit_removals.last_number": "the last entry that may go",
    "ringback_audit_removals.tm_until": "only what is older goes",
    "ringback_channel_events.linkedid": "the same in all of one call",
    "ringback_channel_events.eventtime": "UTC",
    "ringback_calls.server": "the system name of its Asterisk",
    "ringback_calls.linkedid": "what Asterisk calls it",
    "ringback_calls.tm_create": "when it began",
    "ringback_calls.cause": "a number of Q.850",
    "extensions.id": "`[a-z0-9_]`",
    "extensions.type": "never another one",
    "extensions.share_subject": "whether another one may have its subject",
    "extensions.subject_key": "makes subjects unique among those that count",
    "extensions.breaker_override": "what the operator has forced",
    "extensions.revision": "the number of its last change",
    "extensions.deleted_at": "set: deleted, and can be restored",
    "extension_audit_log.id": "without gaps",
    "extension_audit_log.entity": "`extension`, `policy` or `registry`",
    "extension_audit_log.extension_id": "of a policy `customer/policy`; no foreign key, entries outlive their record",
    "extension_audit_log.changed_by": "`key:…`, `cli:…`, `external:sql`, `system:…`",
    "extension_audit_log.source": "`rest`, `cli`, `system` or `sql`",
    "extension_audit_log.old_values": "canonical JSON without secrets",
    "extension_audit_log.new_values": "canonical JSON without secrets",
    "extension_audit_log.prev_hash": "of the entry before; the first has 64 zeros",
    "extension_audit_log.hash": "SHA-256 of `prev_hash`, a newline, and the other columns as canonical JSON",
    "extension_revisions.document": "canonical JSON, complete",
    "router_policies.document": "which router extensions, in which order",
    "router_policies.purpose": "`direct_call`: it runs before calls to direct addresses",
    "router_policies.revision": "the number of its last change",
    "router_policies.registry_revision": "the transaction of its last change",
    "router_policies.fails": "for calls: `open` or `closed`, what a failed run means",
    "router_policies.deadline_ms": "for calls: milliseconds that a run may take",
    "extension_revisions.checksum": "SHA-256 of the document",
    "extension_revisions.registry_revision": "the transaction that made it",
    "registry_revision.checksum": "XOR over the live records",
    "registry_revision.audit_id": "the last entry of the audit log, and its hash beside it",
    "router_nodes.nack": "rows that it cannot serve",
    "router_nodes.source": "`database` or `snapshot`",
}
"""Of columns that their names do not say."""
LINKS: Final = (
    ("registrar_extensions", "customer_id", "registrar_customers"),
    ("registrar_trunks", "customer_id", "registrar_customers"),
    ("registrar_customer_domains", "customer_id", "registrar_customers"),
    ("registrar_accesskeys", "customer_id", "registrar_customers"),
    ("ringback_audit", "customer_id", "registrar_customers"),
    ("customer_people", "customer_id", "registrar_customers"),
    ("customer_sessions", "person_id", "customer_people"),
    ("registrar_directs", "extension_id", "registrar_extensions"),
    ("ringback_calls", "caller_extension_id", "registrar_extensions"),
    ("ringback_calls", "called_extension_id", "registrar_extensions"),
    ("registrar_direct_hashes", "direct_id", "registrar_directs"),
    ("registrar_contact_states", "extension_id", "registrar_extensions"),
    ("registrar_contact_history", "extension_id", "registrar_extensions"),
    ("registrar_sip_auths", "id", "registrar_trunks"),
    ("registrar_extensions", "endpoint_id", "ps_endpoints"),
    ("ps_endpoints", "auth", "ps_auths"),
    ("ps_endpoints", "aors", "ps_aors"),
    ("ps_contacts", "endpoint", "ps_endpoints"),
    ("extension_health", "extension_id", "extensions"),
    ("extension_revisions", "extension_id", "extensions"),
    ("extension_audit_log", "extension_id", "extensions"),
    ("registry_revision", "audit_id", "extension_audit_log"),
    ("router_policies", "customer_id", "registrar_customers"),
)
"""Which column names a row of which table."""
GUARDS: Final = {
    "ringback_audit": "Triggers refuse on PostgreSQL TRUNCATE, on SQLite an INSERT that would replace an entry, and\n"
    "everywhere every UPDATE but one that takes `address`, `old_values` and `new_values` out of the entries of a\n"
    "customer whose status is `deleted` or of a person who has no row, and every DELETE but of what is older than a\n"
    "removal's `tm_until` and comes before the entry that tells of that removal.",
    "extension_audit_log": "Triggers refuse UPDATE and DELETE, on PostgreSQL TRUNCATE too, on SQLite an INSERT that\n"
    "would replace an entry.",
    "registrar_directs": "The view `ringback_directs` (`hash`, `endpoint`) shows which endpoint a live hash of an\n"
    "active customer rings. `ringback_addresses` (`hash`, `endpoint`, `status`) has those of frozen customers too,\n"
    "with the `status` of the customer: Asterisk's dialplan reads it, and `ringback_direct_owners` (`hash`,\n"
    "`customer`, `extension`), ids as text.",
    "router_policies": "The view `ringback_screens` (`customer`, `policy`, `fails`, `deadline_ms`) shows Asterisk's\n"
    "dialplan the enabled ones that calls to direct addresses go through.",
    "registrar_extensions": "The view `ringback_extensions` (`endpoint`, `status`) shows Asterisk's dialplan the live\n"
    "ones and the status of their customer.",
    "registrar_trunks": "The view `ringback_trunks` (`trunk`, `status`) shows the realms of the live ones and the\n"
    "status of their customer, `ringback_trunk_numbers` (`trunk`, `number`, `endpoint`, `status`) which numbers each\n"
    "may ring, in small letters but on MariaDB, which compares without their case; `ringback_ways_out` (`endpoint`,\n"
    "`trunk`, `status`) by which trunk a phone calls out.",
}
INTRODUCTION: Final = f"""\
# The schema

Every table of Ringback, made of the definitions that its code reads and writes by
(`{REWRITE}`; a test keeps it true, others compare these
definitions with what the migrations make on SQLite, MariaDB and PostgreSQL).
`ringback db upgrade` makes them all, and notes in `alembic_version_bin`, `alembic_version_asterisk` and
`alembic_version_router` how far it has come.

## How they hang together

An arrow goes from a column to the row that it names; tables without one are left out. Only the one of
`extension_health` is a foreign key: what belongs together is written in one transaction, and the SIP rows are made of
ours by a reconciler.
"""
TYPES: Final = """\
## Types

Where a type has one name here and others on the engines; every other type is the same on all of them.

| here | SQLite | MariaDB, MySQL | PostgreSQL | |
|---|---|---|---|---|
"""


def tables(part: Part) -> list[Table]:
    """Those of a part, in the order in which the page tells of them."""
    order = list(ABOUT)
    return sorted((one for made in part.tables for one in made.tables.values()), key=lambda one: order.index(one.name))


def missing() -> list[str]:
    """Tables without a word on what they are for, and words and links of tables and columns that there are none of."""
    known = {one.name: one for part in PARTS for metadata in part.tables for one in metadata.tables.values()}
    columns = {f"{name}.{column.name}" for name, table in known.items() for column in table.columns}
    linked = {f"{table}.{column}" for table, column, _ in LINKS}
    return sorted(
        [
            *(known.keys() ^ ABOUT.keys()),
            *({*MEANINGS, *linked} - columns),
            *({*GUARDS, *(other for *_, other in LINKS)} - known.keys()),
        ]
    )


def page() -> str:
    """The page, whole; nothing is `missing`."""
    return "\n".join([INTRODUCTION, *_picture(), TYPES + "\n".join(_types()) + "\n", *_parts()])


def _picture() -> Iterator[str]:
    linked = {name for own, _, other in LINKS for name in (own, other)}
    yield "```mermaid\nflowchart LR"
    for number, part in enumerate(PARTS):
        yield f'  subgraph part{number}["{part.title}"]'
        yield from (f"    {table.name}" for table in tables(part) if table.name in linked)
        yield "  end"
    yield from (f"  {table} -->|{column}| {other}" for table, column, other in LINKS)
    yield "```\n"


def _types() -> Iterator[str]:
    names = [f"word(n)|VARCHAR(n)|VARCHAR(n){BYTEWISE}|VARCHAR(n)"]
    names += ["|".join([kind, *spelt]).replace("|BOOL|", "|TINYINT(1)|") for spelt, kind in KINDS.items()]
    for name in names:
        kind, *spelt = name.split("|")
        yield f"| {kind} | {' | '.join(f'`{one}`' for one in spelt)} | {MEANT[kind]} |"


def _parts() -> Iterator[str]:
    for part in PARTS:
        yield f"## {part.title}\n\n{part.words}\n"
        yield "| | |\n|---|---|"
        yield from (f"| [`{one.name}`](#{anchor(one.name)}) | {ABOUT[one.name].sentence} |" for one in tables(part))
        yield ""
        for table in tables(part):
            yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    about = ABOUT[table.name]
    yield f"### `{table.name}`\n\n{about.sentence} Written by {about.writer}.\n"
    yield "| column | type | given | must be, means |\n|---|---|---|---|"
    for column in table.columns:
        yield f"| `{column.name}` | {_type(column)} | {_standing(column)} | {'; '.join(_notes(table, column))} |"
    yield ""
    for index in sorted(table.indexes, key=lambda one: (not one.unique, str(one.name))):
        yield f"- {_index(index)}"
    if table.indexes:
        yield ""
    if table.name in GUARDS:
        yield f"{GUARDS[table.name]}\n"


def _type(column: Column[Any]) -> str:
    spelt = [column.type.compile(dialect) for dialect in DIALECTS]
    if spelt[1].endswith(BYTEWISE):
        return spelt[0].replace("VARCHAR", "word")
    return spelt[0] if len(set(spelt)) == 1 else KINDS[spelt[0], spelt[1], spelt[2]]


def _standing(column: Column[Any]) -> str:
    """Whether it must be given."""
    words = ["key"] if column.primary_key else ["may be NULL"] if column.nullable else []
    default = column.server_default
    if isinstance(default, DefaultClause):
        value = default.arg if isinstance(default.arg, str) else str(default.arg)
        words.append(f"default `{value or chr(39) * 2}`")
    return ", ".join(words)


def _notes(table: Table, column: Column[Any]) -> Iterator[str]:
    if isinstance(column.computed, Computed):
        yield f"generated: `{column.computed.sqltext}`"
    for link in column.foreign_keys:
        yield _link(link)
    for rule in sorted(table.constraints, key=lambda one: str(one.name)):
        if isinstance(rule, CheckConstraint) and rule.name == f"ck_{table.name}_{column.name}" and not _is_type(rule):
            yield f"check `{rule.sqltext}`"
    if words := MEANINGS.get(f"{table.name}.{column.name}") or column.comment:
        yield words


def _is_type(rule: CheckConstraint) -> bool:
    return "json_valid" in str(rule.sqltext)


def _link(link: ForeignKey) -> str:
    return f"of `{link.column.table.name}.{link.column.name}`, with which it is deleted"


def _index(index: Index) -> str:
    columns = ", ".join(
        str(one).rpartition(".")[2] if "(" not in str(one) else _lower(str(one)) for one in index.expressions
    )
    where = index.dialect_options["sqlite"]["where"]
    live = next((rule.live for rule in RULES if rule.name == index.name), False)
    words = [f"{'unique' if index.unique else 'index'} `{index.name}` ({columns})"]
    if where is not None:
        words.append(f"where {where}")
    if where is not None and live:
        words.append(
            "(on MariaDB and MySQL by a generated column `live`, 1 or NULL, and a collation without letter case)"
        )
    return " ".join(words)


def _lower(expression: str) -> str:
    """`lower(own.registrar_trunks.domain_name)` as `lower(domain_name)`"""
    function, _, column = expression.partition("(")
    return f"{function}({column.rpartition('.')[2]}"


if __name__ == "__main__":
    if lacks := missing():
        raise SystemExit(f"tell of {', '.join(lacks)} in tests/schema.py")
    sys.stdout.write(page())
