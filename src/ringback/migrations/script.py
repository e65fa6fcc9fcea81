"""The router's schema as one file of plain SQL for PostgreSQL, made of its migrations, that may be applied again."""

from inspect import cleandoc
from typing import Final

from sqlalchemy import make_url

from ringback.migrations import commands
from ringback.migrations.commands import Name, Step
from ringback.migrations.engine import LOCKS
from ringback.migrations.version_table import WIDTH, name_of

DATABASE: Final[Name] = "router"
VERSIONS: Final = name_of(DATABASE)
POSTGRESQL: Final = make_url("postgresql://")
HEADER: Final = """\
-- The registry of router extensions for PostgreSQL 14 or newer: tables, indexes, guards, comments, six initial rows.
--
--     psql -v ON_ERROR_STOP=1 -f sql/011_extensions_registry.sql 'postgresql://owner@host/database'
--
-- Written by `router-control migrate --sql` from the migrations that `ringback db upgrade` runs; edit those instead.
-- Apply it as often as you like: each step asks alembic_version_router whether it is its turn, so a second time does
-- nothing, and rows that were edited or deleted since stay so. It is all or nothing, waits for an upgrade that is
-- running, and ends with an error where other tables have these names.
--
-- It needs none of Ringback's other tables, and makes none: the registrar's, access keys and the outbox of events come
-- by `ringback db upgrade`, before it or after it, which takes what stands here for its own.
-- Tables are made in the first schema of search_path and belong to whoever applies it. The user that Ringback runs as
-- should be another one: docs/servers.md has its GRANTs.

BEGIN;
SET LOCAL client_min_messages = warning;
"""
STEP: Final = """\
-- {title}
DO $step$ BEGIN
IF (SELECT max(version_num) FROM {versions}) {before} THEN

{statements}

{moved}

END IF;
END $step$;
"""
FOOTER: Final = """\
DO $known$ BEGIN
IF (SELECT max(version_num) FROM {versions}) <> '{head}' THEN
    RAISE EXCEPTION 'the schema of the router is at %, which this file does not know',
        (SELECT max(version_num) FROM {versions});
END IF;
END $known$;

COMMIT;
"""


def script() -> str:
    """The file, whole. Each step of it is one revision, and done where the version table names the one before."""
    steps = commands.steps(DATABASE, POSTGRESQL)
    lock = LOCKS["postgresql"].replace("SELECT", "PERFORM", 1)
    parts = [
        HEADER,
        f"DO $turn$ BEGIN {lock}; END $turn$;\n",
        f"CREATE TABLE IF NOT EXISTS {VERSIONS} (version_num varchar({WIDTH}) CONSTRAINT {VERSIONS}_pkc "
        "PRIMARY KEY);\n",
        *map(_guarded, steps),
        FOOTER.format(versions=VERSIONS, head=steps[-1].revision),
    ]
    return "\n".join(parts)


def _guarded(step: Step) -> str:
    statements = "\n\n".join(f"{cleandoc(one)};" for one in step.statements)
    if step.before:
        moved = f"UPDATE {VERSIONS} SET version_num = '{step.revision}';"  # noqa: S608
    else:
        moved = f"INSERT INTO {VERSIONS} VALUES ('{step.revision}');"  # noqa: S608
    return STEP.format(
        title=step.title,
        versions=VERSIONS,
        before=f"= '{step.before}'" if step.before else "IS NULL",
        statements="\n".join(line.rstrip() for line in statements.splitlines()),
        moved=moved,
    )
