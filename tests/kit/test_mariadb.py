"""Many rows at once are said so that the bulk protocol takes them."""

from ringback.kit.mariadb import typed

SQL = "INSERT INTO a.b (x, y, z) VALUES (%s, %s, %s)"


def test_what_is_null_in_every_row_stands_in_the_text() -> None:
    rows = [(1, None, None), (2, None, b"z")]

    assert typed(SQL, rows) == ("INSERT INTO a.b (x, y, z) VALUES (%s, NULL, %s)", [(1, None), (2, b"z")])


def test_rows_that_say_something_of_each_column_stay_as_they_are() -> None:
    rows = [(1, None, b"a"), (2, "y", None)]

    assert typed(SQL, rows) == (SQL, rows)


def test_a_statement_without_rows_to_insert_stays_as_it_is() -> None:
    rows = [(None,), (None,)]

    assert typed("DELETE FROM a.b WHERE x = %s", rows) == ("DELETE FROM a.b WHERE x = %s", rows)
