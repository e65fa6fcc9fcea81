"""Schema changes: one Alembic environment a database, and the commands of `ringback db`."""
