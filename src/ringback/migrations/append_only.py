"""What guards the audit log: triggers that let an entry be added, and little else."""

from typing import Final

KEPT: Final = (
    "id", "customer_id", "tm", "actor", "identity", "source", "request_id", "action", "kind", "object_id", "changed",
)  # fmt: skip
BLANK: Final = ("address", "old_values", "new_values")
SAYS: Final = "ringback_audit is append-only"
NEVER: Final = "1 = 0"
OF_GONE_CUSTOMER: Final = (
    "EXISTS (SELECT 1 FROM {schema}registrar_customers AS customer "
    "WHERE customer.customer_id = {old}.customer_id AND customer.status = 'deleted')"
)
OF_GONE_PERSON: Final = (
    "({old}.kind = 'person' AND NOT EXISTS "
    "(SELECT 1 FROM {schema}customer_people AS person WHERE person.id = {old}.object_id))"
)
TOLD_AS_REMOVED: Final = (
    "EXISTS (SELECT 1 FROM {schema}ringback_audit_removals AS removal "
    "JOIN {schema}ringback_audit AS told ON told.object_id = removal.id "
    "AND told.kind = 'audit' AND told.action = 'removed' "
    "WHERE {old}.tm < removal.tm_until AND {old}.id < told.id)"
)
"""A later entry says that this one goes."""


def guards(dialect: str, *, may_be_blank: str, may_go: str = NEVER) -> list[str]:
    """Statements that put the guards up, in place of those that are there.

    An entry of which `may_be_blank` is true may lose what it tells besides who did what and when, one of which `may_go`
    is true may be deleted; nothing else is let through. Both are conditions on `{old}`, of tables in `{schema}`.
    """
    return {"sqlite": _sqlite, "mysql": _mysql, "postgresql": _postgresql}[dialect](may_be_blank, may_go)


def _blanks(same: str) -> str:
    """Whether an UPDATE takes out what an entry tells, and does nothing else."""
    return " AND ".join(
        [*(f"NEW.{name} {same} OLD.{name}" for name in KEPT), *(f"NEW.{name} IS NULL" for name in BLANK)]
    )


def _here(condition: str) -> str:
    return condition.format(schema="", old="OLD")


def _sqlite(may_be_blank: str, may_go: str) -> list[str]:
    return [
        statement
        for name, action, when in (
            ("update", "UPDATE", f"NOT ({_blanks('IS')} AND ({_here(may_be_blank)}))"),
            ("delete", "DELETE", f"NOT ({_here(may_go)})"),
            ("insert", "INSERT", "EXISTS (SELECT 1 FROM ringback_audit WHERE id = NEW.id)"),
        )
        for statement in (
            f"DROP TRIGGER IF EXISTS ringback_audit_{name}",
            f"CREATE TRIGGER ringback_audit_{name} BEFORE {action} ON ringback_audit "
            f"WHEN {when} BEGIN SELECT RAISE(ABORT, '{SAYS}'); END",
        )
    ]


def _mysql(may_be_blank: str, may_go: str) -> list[str]:
    return [
        statement
        for action, when in (
            ("UPDATE", f"NOT ({_blanks('<=>')} AND ({_here(may_be_blank)}))"),
            ("DELETE", f"NOT ({_here(may_go)})"),
        )
        for statement in (
            f"DROP TRIGGER IF EXISTS ringback_audit_{action.lower()}",
            f"CREATE TRIGGER ringback_audit_{action.lower()} BEFORE {action} ON ringback_audit FOR EACH ROW "
            f"IF {when} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{SAYS}'; END IF",
        )
    ]


def _postgresql(may_be_blank: str, may_go: str) -> list[str]:
    """The function finds the other tables in the schema of its own, whatever the search path is.

    It stands in one line: where statements are printed, each ends with the line that a semicolon ends.
    """
    function = f"""
        CREATE OR REPLACE FUNCTION ringback_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ DECLARE may boolean; BEGIN
            IF TG_OP = 'UPDATE' THEN
                EXECUTE {_there(may_be_blank)} INTO may USING OLD;
                IF may AND {_blanks("IS NOT DISTINCT FROM")} THEN RETURN NEW; END IF;
            ELSIF TG_OP = 'DELETE' THEN
                EXECUTE {_there(may_go)} INTO may USING OLD;
                IF may THEN RETURN OLD; END IF;
            END IF;
            RAISE EXCEPTION '{SAYS}';
        END $$
        """
    return [
        " ".join(function.split()),
        """
        CREATE OR REPLACE TRIGGER ringback_audit_row BEFORE UPDATE OR DELETE ON ringback_audit
        FOR EACH ROW EXECUTE FUNCTION ringback_audit_refuse()
        """,
        """
        CREATE OR REPLACE TRIGGER ringback_audit_truncate BEFORE TRUNCATE ON ringback_audit
        FOR EACH STATEMENT EXECUTE FUNCTION ringback_audit_refuse()
        """,
    ]


def _there(condition: str) -> str:
    """An expression of plpgsql: the text of a query of the condition."""
    said = condition.replace("'", "''").format(schema="' || quote_ident(TG_TABLE_SCHEMA) || '.", old="($1)")
    return f"'SELECT {said}'"
