"""The page of the schema: current, and of all tables."""

import pytest
from sqlalchemy import Select

from ringback.kit.columns import Id
from ringback.kit.lookups import Lookup
from tests import schema
from tests.statements import every_statement


@pytest.mark.contract("router X-29")
def test_every_table_is_told_of() -> None:
    assert schema.missing() == [], "tell of it in tests/schema.py"


@pytest.mark.contract("router X-29")
def test_the_page_is_current() -> None:
    assert schema.PAGE.read_text() == schema.page(), f"rewrite it: {schema.REWRITE}"


def test_what_is_looked_up_by_a_key_has_one_that_no_two_rows_have() -> None:
    for name, statement in every_statement().items():
        if isinstance(statement, Lookup):
            key = statement.key
            alone = [index for index in key.table.indexes if index.unique and list(index.columns) == [key]]
            assert alone or list(key.table.primary_key) == [key], name
            assert isinstance(key.type, Id) or "hash" in key.name, f"{name}: text may have several spellings"
            assert isinstance(statement.core, Select)
            assert key.name in statement.core.selected_columns, name
