"""Tables of imports: what has to be finished, and its rows, many together, until they are what they say."""

from typing import Final

from sqlalchemy import Column, Index, Integer, MetaData, String, Table

from ringback.kit.columns import Id, Json, Time
from ringback.kit.db import OWN

metadata: Final = MetaData(schema=OWN)

imports = Table(
    "registrar_imports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("done", Integer, nullable=False),
    Column("tm_create", Time, nullable=False),
    Column("tm_update", Time, nullable=False),
    Index("ux_registrar_imports_customer", "customer_id", "kind", unique=True),
)

parts = Table(
    "registrar_import_parts",
    metadata,
    Column("import_id", Id, primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("action", String(16), nullable=False),
    Column("data", Json, nullable=False),
)
