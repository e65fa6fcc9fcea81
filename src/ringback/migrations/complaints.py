"""What a database says of a failure, in one line that shows no value of a row and no secret."""

from typing import Final

from sqlalchemy.exc import DBAPIError

TELLABLE: Final = frozenset(
    {
        *(1040, 1044, 1045, 1049, 1129, 1130, 1203, 1226, 1698),  # not let in
        *(1142, 1143, 1227, 1290, 1370, 1410, 1419, 1792, 1836),  # not allowed to
        *(1050, 1054, 1060, 1061, 1071, 1091, 1114, 1118, 1146, 1709, 1901, 1904, 3750),  # the schema
        *(1205, 1206, 1213, 2002, 2003, 2005, 2006, 2013, 2014, 2026),  # others, and the way there
    }
)
"""Errors of MySQL and MariaDB whose text names users, tables, columns and addresses alone."""
TELLABLE_CLASSES: Final = frozenset({"08", "25", "28", "3D", "3F", "42", "53", "54", "55", "57", "58"})
"""The same of PostgreSQL, by the first two characters of SQLSTATE."""
AWAY: Final = frozenset({1040, 1053, 1129, 1203, 2002, 2003, 2005, 2006, 2013})
"""Errors of MySQL and MariaDB that may be gone in a moment: nobody answers, or it has no place for us."""
SAID: Final = "FATAL:"
"""How PostgreSQL begins to say that it lets nobody in; its state is not told then."""
NOT_NOW: Final = ("starting up", "shutting down", "in recovery", "too many", "connection slots", "terminating")
"""Of what it says then: that it may in a moment."""
DUPLICATE: Final = "a row would be there twice: what was written meanwhile, or letters that it takes for the same"


class Unusable(Exception):
    """A database cannot be used; the text says why."""


def is_outage(error: DBAPIError) -> bool:
    """Whether the server does not answer; all else is there until somebody mends it."""
    original = error.orig
    if type(original).__module__.startswith("pymysql"):
        return (getattr(original, "args", ()) or (None,))[0] in AWAY
    if not type(original).__module__.startswith("psycopg") or getattr(original, "sqlstate", None):
        return False
    text = str(original)
    return SAID not in text or any(words in text for words in NOT_NOW)


def told(error: DBAPIError) -> str:
    """Why it failed; of what it might show values in, the number alone."""
    original = error.orig
    if type(original).__module__.startswith("pymysql"):
        number, *said = getattr(original, "args", ()) or ("unknown",)
        return _line(said[0]) if said and number in TELLABLE else _numbered(str(number))
    if (state := getattr(original, "sqlstate", None)) is not None:
        said = getattr(getattr(original, "diag", None), "message_primary", None)
        return _line(said) if said and state[:2] in TELLABLE_CLASSES else _numbered(state)
    return _line(original)


def _numbered(code: str) -> str:
    return DUPLICATE if code in ("1062", "23505") else f"it said error {code}"


def _line(text: object) -> str:
    return " ".join(str(text).split())
