"""What is filled into a file is what an extension leaves there, and the floor imports what is others'."""

from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from bench import starting
from ringback.demo.server import Server

pytestmark = pytest.mark.process


async def test_copies_have_all_rows_of_an_extension(tmp_path: Path) -> None:
    async with await Server.start(tmp_path / "home") as server:
        assert (await server.rest("POST", "/v1.0/extensions", {"extension": starting.WORD})).status == 201
        starting.fill(server.database, 50)
        found = await server.rest("GET", "/v1.0/extensions?page_size=100")

    with closing(connect(server.database)) as connection:
        counts = {connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in starting.TABLES}
    assert counts == {51}
    assert {one["extension"] for one in found.body["result"]} == {starting.WORD, *map(str, range(1000001, 1000051))}


def test_what_is_ours_or_of_python_is_no_floor() -> None:
    assert starting.third([b"asyncio", b"ringback.app", b"msgspec", b"sqlalchemy.sql"]) == ["msgspec", "sqlalchemy.sql"]
