"""The page of the schema: current, and of all tables."""

import pytest

from tests import schema


@pytest.mark.contract("router X-29")
def test_every_table_is_told_of() -> None:
    assert schema.missing() == [], "tell of it in tests/schema.py"


@pytest.mark.contract("router X-29")
def test_the_page_is_current() -> None:
    assert schema.PAGE.read_text() == schema.page(), f"rewrite it: {schema.REWRITE}"
