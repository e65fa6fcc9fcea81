"""Asterisk's realtime tables in the form that SQLite gets: no number may be NULL, and operators' columns are there."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table, Text

from ringback.kit.db import ASTERISK

metadata = MetaData(schema=ASTERISK)


def yes_no(name: str, default: str = "no") -> Column[str]:
    return Column(name, String(5), nullable=False, server_default=default)


def number(name: str, default: int) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=str(default))


ps_endpoints = Table(
    "ps_endpoints",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("transport", String(40)),
    Column("aors", String(2048)),
    Column("auth", String(255)),
    Column("context", String(40), nullable=False, server_default="default"),
    Column("allow", String(200), nullable=False, server_default="ulaw,alaw,g722"),
    yes_no("direct_media"),
    Column("dtmf_mode", String(10), nullable=False, server_default="rfc4733"),
    yes_no("force_rport", "yes"),
    *(yes_no(name) for name in ("rewrite_contact", "rtp_symmetric", "ice_support", "trust_id_inbound", "send_pai")),
    Column("media_encryption", String(10), nullable=False, server_default="no"),
    Column("timers", String(10), nullable=False, server_default="yes"),
    Column("moh_suggest", String(40), nullable=False, server_default="default"),
    number("device_state_busy_at", 0),
    number("rtp_timeout", 0),
    *(Column(name, String(40)) for name in ("callerid", "mailboxes", "from_user", "from_domain", "language")),
    *(Column(name, String(40)) for name in ("call_group", "pickup_group", "named_call_group", "named_pickup_group")),
    *(Column(name, String(40)) for name in ("message_context", "subscribe_context", "tone_zone", "acl")),
    Column("accountcode", String(80)),
    *(Column(name, String(255)) for name in ("outbound_proxy", "set_var", "deny", "permit")),
    yes_no("webrtc"),
)
ps_aors = Table(
    "ps_aors",
    metadata,
    Column("id", String(255), primary_key=True),
    number("max_contacts", 0),
    yes_no("remove_existing"),
    yes_no("remove_unavailable"),
    number("minimum_expiration", 60),
    number("default_expiration", 3600),
    number("maximum_expiration", 7200),
    number("qualify_frequency", 0),
    Column("qualify_timeout", Float, nullable=False, server_default="3.0"),
    yes_no("authenticate_qualify"),
    yes_no("support_path"),
    *(Column(name, String(255)) for name in ("outbound_proxy", "mailboxes", "voicemail_extension")),
)
ps_auths = Table(
    "ps_auths",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("auth_type", String(20), nullable=False, server_default="userpass"),
    Column("username", String(40)),
    Column("realm", String(255)),
    Column("password", String(80)),
    Column("md5_cred", String(40)),
    Column("password_digest", String(1024)),
    Column("supported_algorithms_uas", String(1024)),
    Column("supported_algorithms_uac", String(1024)),
    number("nonce_lifetime", 32),
)
ps_contacts = Table(
    "ps_contacts",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("uri", String(511)),
    Column("expiration_time", BigInteger, nullable=False, server_default="0"),
    number("qualify_frequency", 0),
    Column("qualify_timeout", Float, nullable=False, server_default="3.0"),
    *(yes_no(name) for name in ("authenticate_qualify", "prune_on_boot", "qualify_2xx_only")),
    *(Column(name, String(255)) for name in ("outbound_proxy", "user_agent", "endpoint", "reg_server", "call_id")),
    Column("path", Text),
    Column("via_addr", String(40)),
    number("via_port", 0),
    Index("idx_ps_contacts_endpoint", "endpoint"),
)

AORS, AUTHS, ENDPOINTS, CONTACTS = "ps_aors", "ps_auths", "ps_endpoints", "ps_contacts"
MANAGED: Final = {
    "ps_aors": ("max_contacts", "remove_existing"),
    "ps_auths": (
        "username",
        "realm",
        "auth_type",
        "password",
        "md5_cred",
        "password_digest",
        "supported_algorithms_uas",
        "supported_algorithms_uac",
    ),
    "ps_endpoints": ("aors", "auth"),
}
"""The columns that are ours, beside `id`, in the order in which the tables are written."""

OPERATORS: Final = frozenset(ps_endpoints.columns.keys()) - {"id", *MANAGED["ps_endpoints"]}
"""Columns of an endpoint that are not ours to keep."""


def endpoint_columns(text: str) -> Mapping[str, str]:
    """`allow=ulaw|alaw,direct_media=no` → columns; `|` in a value stands for a comma. Else `ValueError`."""
    columns: dict[str, str] = {}
    for item in filter(None, text.split(",")):
        name, equals, value = item.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise ValueError("must be column=value,column=value")
        if name.strip() not in OPERATORS:
            raise ValueError(f"{name.strip()} is not a column of ps_endpoints that may be set")
        columns[name.strip()] = value.strip().replace("|", ",")
    return columns
