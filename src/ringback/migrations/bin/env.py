"""Alembic's environment of the database `bin`."""

from ringback.migrations.environment import run

run("bin")
