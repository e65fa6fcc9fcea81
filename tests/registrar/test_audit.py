"""Every change leaves its entry in the audit log, in its own transaction, and nothing takes one out again."""

from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
import pytest

from ringback.customers.keys.model import token_hash
from ringback.registrar.realms.model import Status
from tests.world import Broken, MakeWorld, World

OTHER_PASSWORD = "Planted-Pass-0002"
APPEND_ONLY = "ringback_audit is append-only"


def log(world: World, kind: str | None = None) -> list[dict[str, Any]]:
    """The entries in order, or those of one kind."""
    rows = world.sql("SELECT * FROM ringback_audit ORDER BY id")
    documents = ("changed", "old_values", "new_values")
    read = [{**row, **{name: row[name] and msgspec.json.decode(row[name]) for name in documents}} for row in rows]
    return [row for row in read if kind in (None, row["kind"])]


async def test_an_extension_from_its_first_day_to_its_last(world: World) -> None:
    made = await world.create("1001", name="Front desk", direct=True, request_id="req_1")
    path = f"/v1/extensions/{made['id']}"
    for asked in ({"name": "Reception"}, {"password": OTHER_PASSWORD}, {"direct_regenerate": True}, {"direct": False}):
        assert (await world.rpc("PUT", path, asked)).status_code == 200
    await world.rpc("DELETE", path)

    entries = log(world, "extension")
    assert [(entry["action"], entry["changed"]) for entry in entries] == [
        ("created", []),
        ("updated", ["name"]),
        ("updated", ["password"]),
        ("updated", ["direct_hash"]),
        ("updated", ["direct_hash"]),
        ("deleted", []),
    ]
    first, renamed = entries[:2]
    assert first["new_values"] == {
        "name": "Front desk",
        "detail": "",
        "extension": "1001",
        "domain_name": str(world.customer),
        "realm": made["realm"],
        "username": "1001",
        "password": "[REDACTED]",
        "direct_hash": "[REDACTED]",
        "tm_create": made["tm_create"],
        "tm_update": None,
        "tm_delete": None,
    }
    assert (renamed["old_values"]["name"], renamed["new_values"]["name"]) == ("Front desk", "Reception")
    assert {(entry["object_id"], entry["customer_id"]) for entry in entries} == {
        (UUID(made["id"]).bytes, world.customer.bytes)
    }
    assert {(entry["actor"], entry["source"], entry["address"]) for entry in entries} == {("rpc:test", "rpc", None)}
    assert first["tm"] == "2026-02-11 09:30:01.123456"
    assert entries[-1]["new_values"] is None


async def test_a_trunk_and_what_a_customer_may_do(world: World) -> None:
    made = await world.create_trunk()
    await world.rpc("PUT", f"/v1/trunks/{made['id']}", {"allowed_ips": ["203.0.113.8"]})
    await world.rpc("DELETE", f"/v1/trunks/{made['id']}")
    await world.set_status(Status.FROZEN)
    await world.label("acme")

    found = [(entry["kind"], entry["action"], entry["changed"]) for entry in log(world)]
    assert found == [
        ("trunk", "created", []),
        ("trunk", "updated", ["allowed_ips"]),
        ("trunk", "deleted", []),
        ("customer_state", "updated", ["status", "tm_status"]),
        ("customer_domain", "created", []),
    ]


async def test_no_secret_is_in_it(make_world: MakeWorld) -> None:
    for mode in ("digest", "plaintext"):
        world = make_world(secret_storage=mode)
        phone, line = await world.create(direct=True), await world.create_trunk()
        token = await world.key(world.customer)
        for path in (f"/v1/extensions/{phone['id']}", f"/v1/trunks/{line['id']}"):
            await world.rpc("PUT", path, {"password": OTHER_PASSWORD})
            await world.rpc("DELETE", path)
        text = repr(world.sql("SELECT * FROM ringback_audit"))
        digests = world.sql("SELECT ha1, ha1_sha256 FROM registrar_extensions")[0].values()
        kept = [
            token,
            token_hash(token),
            phone["direct_hash"],
            OTHER_PASSWORD,
            world.asked()["password"],
            *digests,
        ]
        assert not [secret for secret in kept if secret and secret in text]
        assert len(log(world)) == 8


async def test_what_is_refused_or_changes_nothing_leaves_no_entry(world: World) -> None:
    made = await world.create("1001", name="Front desk")
    before = log(world)

    assert (await world.rpc("POST", "/v1/extensions", world.asked("1001"))).status_code == 409
    assert (await world.rpc("PUT", f"/v1/extensions/{made['id']}", {"name": "Front desk"})).status_code == 200
    assert (await world.rpc("GET", f"/v1/extensions/{made['id']}")).status_code == 200
    assert (await world.rpc("DELETE", f"/v1/extensions/{world.customer}")).status_code == 404

    assert log(world) == before


async def test_the_entry_goes_with_the_change_or_not_at_all(world: World) -> None:
    await world.create("1001")
    before, number = world.everything(), 0
    while True:
        world.fail_at(number)
        with suppress(Broken):
            answer = await world.rpc("POST", "/v1/extensions", world.asked("1002"))
            if answer.status_code == 200:
                break
        assert world.everything() == before
        number += 1
    world.heal()

    assert [entry["new_values"]["extension"] for entry in log(world, "extension")] == ["1001", "1002"]


async def test_an_audited_create_is_one_statement_more(world: World) -> None:
    await world.create("1001")
    world.statements.clear()

    await world.create("1002")

    assert ["ringback_audit" in repr(statement) for statement in world.statements].count(True) == 1


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM ringback_audit",
        "UPDATE ringback_audit SET actor = 'x'",
        "UPDATE ringback_audit SET address = NULL, old_values = NULL, new_values = NULL",
        "UPDATE ringback_audit SET customer_id = NULL",
    ],
)
async def test_nobody_takes_an_entry_out_or_alters_one(world: World, text: str) -> None:
    await world.create("1001")
    before = log(world)

    with pytest.raises(Exception, match=APPEND_ONLY):
        world.sql(text)

    assert log(world) == before


@pytest.mark.sqlite
async def test_nobody_replaces_an_entry(world: World) -> None:
    await world.create("1001")

    with pytest.raises(Exception, match=APPEND_ONLY):
        world.sql("INSERT OR REPLACE INTO ringback_audit SELECT * FROM ringback_audit WHERE id = 1")


async def test_of_a_customer_who_is_gone_stays_who_did_what_and_when(world: World) -> None:
    other = world.customer
    await world.create("1001", name="Mrs. Private")
    world.customer = UUID(int=7)
    for number in range(60):
        made = await world.create(f"2{number:03}", name="Mr. Private")
        await world.rpc("PUT", f"/v1/extensions/{made['id']}", {"detail": "at home"})

    assert await world.tell("customer_deleted")

    gone = [entry for entry in log(world) if entry["customer_id"] == world.customer.bytes]
    assert len(gone) == 60 * 3 + 3
    assert {entry[name] for entry in gone for name in ("address", "old_values", "new_values")} == {None}
    assert {entry["actor"] for entry in gone} == {"rpc:test", "event:customer-manager"}
    with pytest.raises(Exception, match=APPEND_ONLY):
        world.sql("DELETE FROM ringback_audit WHERE customer_id = ?", world.customer.bytes)
    kept = [entry for entry in log(world, "extension") if entry["customer_id"] == other.bytes]
    assert [entry["new_values"]["name"] for entry in kept] == ["Mrs. Private"]
