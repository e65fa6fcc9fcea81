"""The registrar's own tables (registrar 13.1)."""

from typing import Final

from sqlalchemy import CHAR, BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text, func, text

from ringback.kit.columns import Id, Json, Time
from ringback.kit.db import OWN

metadata = MetaData(schema=OWN)
IF_LIVE: Final = text("tm_delete IS NULL")

extensions = Table(
    "registrar_extensions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id),
    Column("name", String(255)),
    Column("detail", String(255)),
    Column("endpoint_id", String(255)),
    Column("aor_id", String(255)),
    Column("auth_id", String(255)),
    Column("extension", String(255)),
    Column("domain_name", String(255)),
    Column("realm", String(255)),
    Column("username", String(255)),
    Column("password", String(255)),
    Column("ha1", CHAR(32)),
    Column("ha1_sha256", CHAR(64)),
    Column("tm_create", Time),
    Column("tm_update", Time),
    Column("tm_delete", Time),
    Column("contacts_version", CHAR(32)),
    Index("idx_registrar_extensions_page", "customer_id", "tm_create", "id"),
    Index("idx_registrar_extensions_endpoint", "endpoint_id"),
    Index("idx_registrar_extensions_realm", "realm"),
)
for _rule, _column in (("number", extensions.c.extension), ("username", extensions.c.username)):
    Index(
        f"ux_registrar_extensions_{_rule}",
        extensions.c.customer_id,
        func.lower(_column),
        unique=True,
        sqlite_where=IF_LIVE,
        postgresql_where=IF_LIVE,
    )

trunks = Table(
    "registrar_trunks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id),
    Column("name", String(255)),
    Column("detail", String(255)),
    Column("domain_name", String(255)),
    Column("auth_types", Json),
    Column("realm", String(255)),
    Column("username", String(255)),
    Column("password", String(255)),
    Column("allowed_ips", Json),
    Column("ha1", CHAR(32)),
    Column("ha1_sha256", CHAR(64)),
    Column("tm_create", Time),
    Column("tm_update", Time),
    Column("tm_delete", Time),
    Column("outbound", Boolean(create_constraint=False)),
    Index("idx_registrar_trunks_outbound", "customer_id", "outbound"),
    Index("idx_registrar_trunks_page", "customer_id", "tm_create", "id"),
    Index("idx_registrar_trunks_realm", "realm"),
)
Index(
    "ux_registrar_trunks_domain",
    func.lower(trunks.c.domain_name),
    unique=True,
    sqlite_where=IF_LIVE,
    postgresql_where=IF_LIVE,
)

directs = Table(
    "registrar_directs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id),
    Column("extension_id", Id),
    Column("hash", String(255)),
    Column("tm_create", Time),
    Column("tm_update", Time),
    Column("tm_delete", Time),
    Index("idx_registrar_directs_hash", "hash", unique=True),
    Index("idx_registrar_directs_customer_id", "customer_id"),
)
Index(
    "ux_registrar_directs_extension",
    directs.c.extension_id,
    unique=True,
    sqlite_where=IF_LIVE,
    postgresql_where=IF_LIVE,
)

direct_hashes = Table(
    "registrar_direct_hashes",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("direct_id", Id),
    Column("tm_create", Time),
    Column("tm_revoke", Time),
)

addresses_view = Table(
    "ringback_addresses",
    MetaData(schema=OWN),  # migrations make a view of it, and no table
    Column("hash", String(64), primary_key=True),
    Column("endpoint", String(255)),
    Column("status", String(16)),
)

customer_domains = Table(
    "registrar_customer_domains",
    metadata,
    Column("customer_id", Id, primary_key=True),
    Column("domain_label", String(64), nullable=False),
    Column("realm", String(255), nullable=False),
    Column("tm_create", Time),
    Column("tm_update", Time),
    Index("ux_registrar_customer_domains_domain_label", "domain_label", unique=True),
    Index("ux_registrar_customer_domains_realm", "realm", unique=True),
)

customers = Table(
    "registrar_customers",
    metadata,
    Column("customer_id", Id, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("limit_extension", Integer),
    Column("limit_trunk", Integer),
    Column("tm_create", Time),
    Column("tm_update", Time),
    Column("tm_status", Time),
    Column("tm_erase", Time),
)

contact_states = Table(
    "registrar_contact_states",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("extension_id", Id, nullable=False),
    Column("uri", String(511)),
    Column("user_agent", String(255)),
    Column("via_addr", String(40)),
    Column("via_port", Integer),
    Column("reg_server", String(255)),
    Column("call_id", String(255)),
    Column("expiration_time", BigInteger, nullable=False),
    Column("path", Text),
    Index("idx_registrar_contact_states_extension", "extension_id"),
    Index("idx_registrar_contact_states_expiration", "expiration_time"),
)

contact_history = Table(
    "registrar_contact_history",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id, nullable=False),
    Column("extension_id", Id, nullable=False),
    Column("event", String(16), nullable=False),
    Column("cause", String(32), nullable=False),
    Column("contact", CHAR(32), nullable=False),
    Column("uri", String(511), nullable=False),
    Column("transport", String(32), nullable=False),
    Column("user_agent", String(255), nullable=False),
    Column("via_addr", String(40), nullable=False),
    Column("via_port", Integer, nullable=False),
    Column("path", Text, nullable=False),
    Column("reg_server", String(255), nullable=False),
    Column("tm_create", Time, nullable=False),
    Index("idx_registrar_contact_history_page", "extension_id", "tm_create", "id"),
    Index("idx_registrar_contact_history_customer", "customer_id", "id"),
    Index("idx_registrar_contact_history_age", "tm_create"),
)

refusals = Table(
    "registrar_refusals",
    metadata,
    Column("endpoint_id", String(255), primary_key=True),
    Column("told", Text, nullable=False),
    Column("tm_update", Time, nullable=False),
    Index("idx_registrar_refusals_age", "tm_update"),
)

strays = Table(
    "registrar_strays",
    metadata,
    Column("row_table", String(64), primary_key=True),
    Column("row_id", String(255), primary_key=True),
    Column("tm_create", Time, nullable=False),
)

applies = Table(
    "registrar_applies",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id, nullable=False),
    Column("number", Integer, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("changes", Json, nullable=False),
    Column("tm_create", Time, nullable=False),
    Column("tm_undo", Time),
    Index("ux_registrar_applies_number", "customer_id", "number", unique=True),
)

setup_links = Table(
    "registrar_setup_links",
    metadata,
    Column("extension_id", Id, primary_key=True),
    Column("token_hash", CHAR(64), nullable=False),
    Column("tm_create", Time, nullable=False),
    Column("tm_expire", Time, nullable=False),
    Index("ux_registrar_setup_links_token", "token_hash", unique=True),
    Index("idx_registrar_setup_links_end", "tm_expire"),
)

meta = Table(
    "registrar_meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", String(255), nullable=False),
)
