"""Asterisk's realtime tables, as far as we read, write or create them."""

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table, Text

from ringback.kit.db import ASTERISK

metadata = MetaData(schema=ASTERISK)

ps_endpoints = Table(
    "ps_endpoints",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("aors", String(2048)),
    Column("auth", String(255)),
    Column("allow", String(200), nullable=False, server_default="ulaw,alaw,g722"),
    Column("direct_media", String(5), nullable=False, server_default="no"),
)
ps_aors = Table(
    "ps_aors",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("max_contacts", Integer, nullable=False, server_default="0"),
    Column("remove_existing", String(5), nullable=False, server_default="no"),
)
ps_auths = Table(
    "ps_auths",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("auth_type", String(20)),
    Column("username", String(40)),
    Column("realm", String(255)),
    Column("password", String(80)),
    Column("md5_cred", String(40)),
    Column("password_digest", String(1024)),
    Column("supported_algorithms_uas", String(1024)),
    Column("supported_algorithms_uac", String(1024)),
)
ps_contacts = Table(
    "ps_contacts",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("uri", String(511)),
    Column("expiration_time", BigInteger),
    Column("qualify_frequency", Integer),
    Column("outbound_proxy", String(255)),
    Column("path", Text),
    Column("user_agent", String(255)),
    Column("qualify_timeout", Float),
    Column("reg_server", String(255)),
    Column("authenticate_qualify", String(5)),
    Column("via_addr", String(40)),
    Column("via_port", Integer),
    Column("call_id", String(255)),
    Column("endpoint", String(255)),
    Column("prune_on_boot", String(5)),
    Index("idx_ps_contacts_endpoint", "endpoint"),
)

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
