"""Direct addresses: on, off, a new hash."""

import asyncio
import re
from typing import Any

import pytest

from ringback.registrar.directs import store
from tests.world import MakeWorld, World

HASH = re.compile(r"[0-9a-f]{12}")
NOTHING: list[str] = []


async def hash_of(world: World, id: str) -> str:
    return str((await world.rpc("GET", f"/v1/extensions/{id}")).data["direct_hash"])


async def rings(world: World, hash: str) -> bool:
    """Whether that address leads to somebody, by both lookups alike."""
    replies = [
        await world.rpc("GET", f"/v1/extensions/by-direct-hash/{hash}"),
        await world.rpc("GET", f"/v1/extension-directs?hash={hash}"),
    ]
    assert len({reply.status_code for reply in replies}) == 1
    return replies[0].status_code == 200


@pytest.mark.contract("registrar R-32")
@pytest.mark.parametrize("enabled", [False, True], ids=["disabled", "enabled"])
@pytest.mark.parametrize(
    ("flags", "if_disabled", "if_enabled"),
    [
        ({}, "same", "same"),
        ({"direct": None, "direct_regenerate": None}, "same", "same"),
        ({"direct_regenerate": False}, "same", "same"),
        ({"direct": True}, "created", "same"),
        ({"direct": True, "direct_regenerate": False}, "created", "same"),
        ({"direct": True, "direct_regenerate": True}, "created", "updated"),
        ({"direct_regenerate": True}, "DIRECT_NOT_ENABLED", "updated"),
        ({"direct": None, "direct_regenerate": True}, "DIRECT_NOT_ENABLED", "updated"),
        ({"direct": False}, "same", "deleted"),
        ({"direct": False, "direct_regenerate": False}, "same", "deleted"),
        ({"direct": False, "direct_regenerate": True}, "DIRECT_FLAGS_CONFLICT", "DIRECT_FLAGS_CONFLICT"),
    ],
    ids=str,
)
async def test_each_cell_of_the_table(
    world: World, enabled: bool, flags: dict[str, Any], if_disabled: str, if_enabled: str
) -> None:
    made = await world.create(direct=enabled)
    before = world.everything()
    old, expected = made["direct_hash"], if_enabled if enabled else if_disabled

    reply = await world.rpc("PUT", f"/v1/extensions/{made['id']}", flags)

    if expected in ("DIRECT_NOT_ENABLED", "DIRECT_FLAGS_CONFLICT"):
        assert reply.refusal == (409 if expected == "DIRECT_NOT_ENABLED" else 400, expected)
        assert world.everything() == before
        return
    new, events = reply.data["direct_hash"], world.events()[2 if enabled else 1 :]
    if expected == "same":
        assert (reply.data, events) == ({**made, "password": ""}, [])
        assert world.everything() == before
        return
    assert [type for type, _ in events] == [f"extension_direct_{expected}", "extension_updated"]
    assert events[1][1]["direct_hash"] == new
    directs, hashes = (world.everything()[table] for table in ("registrar_directs", "registrar_direct_hashes"))
    assert len(directs) == 1
    if expected == "created":
        assert HASH.fullmatch(new)
        assert directs[0]["tm_delete"] is None
        assert [(row["hash"], row["tm_revoke"]) for row in hashes] == [(new, None)]
    if expected == "updated":
        assert HASH.fullmatch(new)
        assert new != old
        assert reply.data["direct_id"] == made["direct_id"]
        assert (directs[0]["hash"], directs[0]["tm_delete"]) == (new, None)
        assert directs[0]["tm_update"]
        assert {row["hash"]: bool(row["tm_revoke"]) for row in hashes} == {old: True, new: False}
    if expected == "deleted":
        assert (new, reply.data["direct_id"]) == ("", "00000000-0000-0000-0000-000000000000")
        assert directs[0]["tm_delete"]
        assert {row["hash"]: bool(row["tm_revoke"]) for row in hashes} == {old: True}
    payload = events[0][1]
    assert payload["extension_id"] == made["id"]
    assert payload["direct_uri"] == (f"sip:direct.{new}@sip.localhost" if new else "")
    assert [await rings(world, hash) for hash in (old, new) if hash] == [hash == new for hash in (old, new) if hash]


@pytest.mark.contract("registrar R-33")
async def test_an_address_can_be_had_again_and_is_another_one(world: World) -> None:
    made = await world.create()
    hashes = [
        (await world.rpc("PUT", f"/v1/extensions/{made['id']}", {"direct": on})).data["direct_hash"]
        for on in (True, False, True)
    ]

    assert hashes[1] == ""
    assert hashes[0] != hashes[2]
    assert [await rings(world, hashes[index]) for index in (0, 2)] == [False, True]
    rows = world.sql("SELECT hash, tm_delete FROM registrar_directs")
    assert sorted((row["hash"], row["tm_delete"] is None) for row in rows) == sorted(
        [(hashes[0], False), (hashes[2], True)]
    )


@pytest.mark.contract("registrar R-33, R-85")
async def test_directs_are_listed_by_their_ids_and_by_whether_they_ended(world: World) -> None:
    made, other = await world.create("1001", direct=True), await world.create("1002", direct=True)
    await world.rpc("PUT", f"/v1/extensions/{made['id']}", {"direct": False})
    again = (await world.rpc("PUT", f"/v1/extensions/{made['id']}", {"direct": True})).data

    async def found(**filters: Any) -> list[str]:
        return [row["hash"] for row in (await world.rpc("GET", "/v1/extension-directs", filters)).data]

    old, new, others = made["direct_hash"], again["direct_hash"], other["direct_hash"]
    assert await found(customer_id=made["customer_id"]) == [new, others]
    assert await found(customer_id=made["customer_id"], deleted=True) == [old]
    assert await found(extension_id=made["id"], deleted=False) == [new]
    assert await found(id=made["direct_id"]) == []
    assert await found(id=made["direct_id"], deleted=True, unknown=1) == [old]
    assert await found(extension_id=made["id"], customer_id="3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713") == []


@pytest.mark.contract("registrar R-34")
async def test_a_refused_flag_refuses_the_whole_put(world: World) -> None:
    made = await world.create()
    before = world.everything()

    asked = {"name": "new", "password": "Another-Pass-0002", "direct_regenerate": True}
    reply = await world.rpc("PUT", f"/v1/extensions/{made['id']}", asked)

    assert reply.refusal == (409, "DIRECT_NOT_ENABLED")
    assert world.everything() == before


@pytest.mark.contract("registrar R-42")
async def test_rpc_4_is_a_put_of_regenerate(world: World) -> None:
    off, on = await world.create("1001"), await world.create("1002", direct=True)
    before = world.everything()
    refused = await world.rpc("POST", f"/v1/extensions/{off['id']}/direct-hash-regenerate")
    assert refused.refusal == (409, "DIRECT_NOT_ENABLED")
    assert world.everything() == before

    reply = await world.rpc("POST", f"/v1/extensions/{on['id'].upper()}/direct-hash-regenerate", {"x": 1})

    assert reply.data["direct_id"] == on["direct_id"]
    assert [await rings(world, hash) for hash in (on["direct_hash"], reply.data["direct_hash"])] == [False, True]
    assert [type for type, _ in world.events()][-2:] == ["extension_direct_updated", "extension_updated"]


@pytest.mark.contract("registrar R-35")
async def test_a_longer_hash_is_for_new_addresses_and_older_ones_still_resolve(make_world: MakeWorld) -> None:
    world = make_world()
    old = (await world.create("1001", direct=True))["direct_hash"]
    longer = make_world(direct_hash_bytes=8, beside=world)

    new = (await longer.create("1002", direct=True))["direct_hash"]

    assert HASH.fullmatch(old)
    assert re.fullmatch(r"[0-9a-f]{16}", new)
    assert await rings(longer, old)
    assert await rings(world, new)


@pytest.mark.contract("registrar R-37")
async def test_a_revoked_hash_is_dead_at_once_everywhere_and_never_issued_again(world: World) -> None:
    made = await world.create(direct=True)
    old, other = made["direct_hash"], world.start()
    by_hash = world.envelope("GET", f"/v1/extensions/by-direct-hash/{old}")
    assert b'"status_code":200' in await other.rpc.serve(by_hash)
    world.hashes = [old, old, "0123456789ab"]

    reply = await world.rpc("POST", f"/v1/extensions/{made['id']}/direct-hash-regenerate")

    assert b"DIRECT_NOT_FOUND" in await other.rpc.serve(by_hash)
    assert reply.data["direct_hash"] == "0123456789ab"
    assert world.hashes == []
    world.hashes = [old, "ba9876543210"]
    await world.rpc("DELETE", f"/v1/extensions/{made['id']}")
    assert (await world.create(direct=True))["direct_hash"] == "ba9876543210"
    other.database.close()


@pytest.mark.contract("registrar R-38")
@pytest.mark.parametrize("way", ["create", "enable", "regenerate"])
async def test_three_duplicates_are_a_503_and_nothing_is_written(world: World, way: str) -> None:
    taken = (await world.create("1001", direct=True))["direct_hash"]
    made = await world.create("1002", direct=way == "regenerate")
    before = world.everything()
    world.hashes = [taken, taken, taken, "0123456789ab"]

    if way == "create":
        reply = await world.rpc("POST", "/v1/extensions", world.asked("1003", direct=True))
    else:
        flag = "direct" if way == "enable" else "direct_regenerate"
        reply = await world.rpc("PUT", f"/v1/extensions/{made['id']}", {"name": "n", flag: True})

    assert reply.refusal == (503, "DIRECT_HASH_UNAVAILABLE")
    assert world.hashes == ["0123456789ab"]
    assert world.everything() == before


@pytest.mark.contract("registrar R-38")
async def test_another_failure_of_the_database_draws_no_second_hash(world: World) -> None:
    world.hashes = ["0123456789ab", "ba9876543210"]

    def before(statement: object) -> None:
        if statement is store.ISSUE:
            raise RuntimeError("disk on fire")

    world.before_statement = before
    reply = await world.rpc("POST", "/v1/extensions", world.asked(direct=True))

    assert reply.refusal == (500, "INTERNAL")
    assert world.hashes == ["ba9876543210"]


@pytest.mark.contract("registrar R-41")
async def test_twenty_regenerates_at_once_leave_one_address(world: World) -> None:
    made, other = await world.create(direct=True), world.start()
    envelope = world.envelope("POST", f"/v1/extensions/{made['id']}/direct-hash-regenerate")

    replies = await asyncio.gather(
        *(process.rpc.serve(envelope) for _ in range(10) for process in (world.ringback, other))
    )
    other.database.close()

    assert all(b'"status_code":200' in reply for reply in replies)
    hashes = [row["hash"] for row in world.everything()["registrar_direct_hashes"]]
    assert len(hashes) == 21
    assert [hash for hash in hashes if await rings(world, hash)] == [await hash_of(world, made["id"])]
