"""Alembic's environment of the database `router`."""

from ringback.migrations.environment import run

run("router")
