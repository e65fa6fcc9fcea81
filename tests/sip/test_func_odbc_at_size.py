"""How many rows the dialplan's queries touch: as few among twenty thousand phones as among a thousand."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final
from uuid import uuid4

import pytest

from tests.sip.test_func_odbc import queries
from tests.stacks import File, Servers
from tests.world import START, World

AT_ONCE: Final = 500
EXTENSION: Final = "id,customer_id,endpoint_id,aor_id,auth_id,extension,domain_name,realm,username,ha1,tm_create"
DIRECT: Final = "id,customer_id,extension_id,hash,tm_create"
TRUNK: Final = "id,customer_id,domain_name,realm,tm_create"
CUSTOMER: Final = "customer_id,status,tm_create"
POLICY: Final = "customer_id,policy_id,document,purpose,enabled"
REALM: Final = "r.registrar.localhost"

Sql = Callable[..., list[dict[str, Any]]]


def fill(world: World, first: int, last: int) -> None:
    """Extensions of one customer, each with an address, as many trunks of theirs, and as many frozen customers.

    Each of those has a policy for calls to their addresses."""
    at, whose = START.strftime("%Y-%m-%d %H:%M:%S.%f"), world.customer.bytes
    rows: dict[tuple[str, str], list[tuple[Any, ...]]] = {
        ("registrar_extensions", EXTENSION): [],
        ("registrar_directs", DIRECT): [],
        ("registrar_trunks", TRUNK): [],
        ("registrar_customers", CUSTOMER): [],
        ("router_policies", POLICY): [],
    }
    phones, addresses, lines, customers, policies = rows.values()
    for number in range(first, last):
        id, name = uuid4().bytes, f"n{number}@{REALM}"
        phones.append((id, whose, name, name, name, f"n{number}", "r", REALM, f"n{number}", "0" * 32, at))
        addresses.append((uuid4().bytes, whose, id, f"{number:012x}", at))
        lines.append((uuid4().bytes, whose, f"t{number}", f"t{number}.trunk.localhost", at))
        customers.append((uuid4().bytes, "frozen", at))
        policies.append((str(uuid4()), "calls", "{}", "direct_call", True))
    with world.bulk():
        for (table, columns), values in rows.items():
            for begin in range(0, len(values), AT_ONCE):
                some = values[begin : begin + AT_ONCE]
                one = f"({','.join('?' * len(some[0]))})"
                world.sql(f"INSERT INTO {table} ({columns}) VALUES {','.join([one] * len(some))}", *sum(some, ()))
    for table, _ in rows:
        mysql = isinstance(world.ground, Servers) and world.ground.is_mariadb
        world.sql(f"ANALYZE {'TABLE ' if mysql else ''}{table}")


def touched(world: World, asked: str) -> int:
    """Steps of SQLite's machine, or rows that a server has read for it."""
    if isinstance(world.ground, File):
        return steps(str(world.ground.path), asked)
    assert isinstance(world.ground, Servers)
    with world.bulk():
        return handled(world.sql, asked) if world.ground.is_mariadb else scanned(world.sql, asked)


def steps(path: str, asked: str) -> int:
    seen: list[None] = []
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # reads the schema
        connection.set_progress_handler(lambda: seen.append(None), 1)
        connection.execute(asked).fetchall()
    return len(seen)


def handled(sql: Sql, asked: str) -> int:
    sql("FLUSH STATUS")
    sql(asked)
    return sum(int(row["Value"]) for row in sql("SHOW SESSION STATUS LIKE 'Handler_read%'"))


def scanned(sql: Sql, asked: str) -> int:
    (row,) = sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked}")
    (plan,) = row.values()
    return sum(map(rows_of, flat(json.loads(plan)[0]["Plan"])))


def flat(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(below for one in node.get("Plans", ()) for below in flat(one))]


def rows_of(node: dict[str, Any]) -> int:
    removed = ("Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck")
    return int(sum(node.get(name, 0) for name in ("Actual Rows", *removed)) * node["Actual Loops"])


@pytest.mark.long
def test_a_call_touches_as_few_rows_among_many_phones_as_among_few(world: World) -> None:
    few, many = 1_000, 20_000
    asked = {
        "NUMBER": (f"n7@{REALM}", ""),
        "DIRECT": (f"{7:012x}", ""),
        "PHONE_DIRECT": (f"{7:012x}", f"n9@{REALM}"),
        "TRUNK_DIRECT": (f"{7:012x}", "t7.trunk.localhost"),
        "TRUNK_NUMBER": ("n7", "t7.trunk.localhost"),
        "WAY_OUT": (f"n7@{REALM}", ""),
    }
    hits = {name: queries(*arguments)[name] for name, arguments in asked.items()}
    misses = {name: queries(f"{first}x", second)[name] for name, (first, second) in asked.items()}
    fill(world, 0, few)
    world.sql("UPDATE registrar_trunks SET outbound = TRUE WHERE domain_name = 't7'")
    assert [len(world.sql(sql)) for sql in hits.values()] == [1] * len(hits)
    before = [touched(world, sql) for sql in (*hits.values(), *misses.values())]

    fill(world, few, many)
    after = [touched(world, sql) for sql in (*hits.values(), *misses.values())]

    assert max(after) < 300
    assert [a for a, b in zip(after, before, strict=True) if a > b + 20] == []
