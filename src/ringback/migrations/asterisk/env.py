"""Alembic's environment of the database `asterisk`."""

from ringback.migrations.environment import run

run("asterisk")
