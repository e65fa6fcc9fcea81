"""Asterisk's realtime tables. For its SQLite driver no number may be NULL; elsewhere NULL is its default."""

from typing import Any, Final

from alembic import op
from sqlalchemy import BigInteger, Column, Float, Integer, String, Text
from sqlalchemy.types import TypeEngine

from ringback.kit.errors import CannotStart
from ringback.migrations.ddl import columns_of, dialect, ensure_index, ensure_table, is_printed
from ringback.migrations.realtime import require_asterisks

revision = "ps_tables_create_table"
down_revision = None
branch_labels = None
depends_on = None


def settled(name: str, type: TypeEngine[Any], default: str) -> Column[Any]:
    """A column that says what Asterisk would do anyway, where it must say something."""
    return Column(name, type, nullable=False, server_default=default) if dialect() == "sqlite" else Column(name, type)


def yes_no(name: str, default: str = "no") -> Column[Any]:
    return settled(name, String(5), default)


def number(name: str, default: int) -> Column[Any]:
    return settled(name, Integer(), str(default))


def upgrade() -> None:
    if not is_printed():
        require_asterisks(op.get_bind())
    for name, columns in TABLES.items():
        ensure_table(name, *columns())
    ensure_index("idx_ps_contacts_endpoint", "ps_contacts", "endpoint")


def _endpoints() -> list[Column[Any]]:
    return [
        Column("id", String(255), primary_key=True),
        Column("transport", String(40)),
        Column("aors", String(2048)),
        Column("auth", String(255)),
        settled("context", String(40), "default"),
        settled("allow", String(200), "ulaw,alaw,g722"),
        yes_no("direct_media"),
        settled("dtmf_mode", String(10), "rfc4733"),
        yes_no("force_rport", "yes"),
        *(yes_no(name) for name in ("rewrite_contact", "rtp_symmetric", "ice_support", "trust_id_inbound", "send_pai")),
        settled("media_encryption", String(10), "no"),
        settled("timers", String(10), "yes"),
        settled("moh_suggest", String(40), "default"),
        number("device_state_busy_at", 0),
        number("rtp_timeout", 0),
        *(Column(name, String(40)) for name in ("callerid", "mailboxes", "from_user", "from_domain", "language")),
        *(Column(name, String(40)) for name in ("call_group", "pickup_group", "named_call_group")),
        *(Column(name, String(40)) for name in ("named_pickup_group", "message_context", "subscribe_context")),
        *(Column(name, String(40)) for name in ("tone_zone", "acl")),
        Column("accountcode", String(80)),
        *(Column(name, String(255)) for name in ("outbound_proxy", "set_var", "deny", "permit")),
    ]


def _aors() -> list[Column[Any]]:
    return [
        Column("id", String(255), primary_key=True),
        number("max_contacts", 0),
        yes_no("remove_existing"),
        yes_no("remove_unavailable"),
        number("minimum_expiration", 60),
        number("default_expiration", 3600),
        number("maximum_expiration", 7200),
        number("qualify_frequency", 0),
        settled("qualify_timeout", Float(), "3.0"),
        yes_no("authenticate_qualify"),
        yes_no("support_path"),
        *(Column(name, String(255)) for name in ("outbound_proxy", "mailboxes", "voicemail_extension")),
    ]


def _auths() -> list[Column[Any]]:
    return [
        Column("id", String(255), primary_key=True),
        settled("auth_type", String(20), "userpass"),
        Column("username", String(40)),
        Column("realm", String(255)),
        Column("password", String(80)),
        Column("md5_cred", String(40)),
        Column("password_digest", String(1024)),
        Column("supported_algorithms_uas", String(1024)),
        Column("supported_algorithms_uac", String(1024)),
        number("nonce_lifetime", 32),
    ]


def _contacts() -> list[Column[Any]]:
    return [
        Column("id", String(255), primary_key=True),
        Column("uri", String(511)),
        settled("expiration_time", BigInteger(), "0"),
        number("qualify_frequency", 0),
        settled("qualify_timeout", Float(), "3.0"),
        *(yes_no(name) for name in ("authenticate_qualify", "prune_on_boot", "qualify_2xx_only")),
        *(Column(name, String(255)) for name in ("outbound_proxy", "user_agent", "endpoint", "reg_server", "call_id")),
        Column("path", Text),
        Column("via_addr", String(40)),
        number("via_port", 0),
    ]


TABLES: Final = {"ps_endpoints": _endpoints, "ps_aors": _aors, "ps_auths": _auths, "ps_contacts": _contacts}


def downgrade() -> None:
    """Asterisk's own migrations give these tables more columns than we need: such tables are not ours to drop."""
    others = [name for name, columns in TABLES.items() if columns_of(name) - {column.name for column in columns()}]
    if others:
        raise CannotStart(f"{', '.join(others)}: somebody else has made or changed these tables; they stay")
    for name in reversed(TABLES):
        op.drop_table(name, if_exists=True)
