"""Lists of extensions, by the wire."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringback.kit.columns import Id
from ringback.registrar.realms.model import Status
from ringback.schema import OWN_TABLES
from tests.world import START, World

NAMES = (
    "id,customer_id,name,detail,endpoint_id,aor_id,auth_id,extension,domain_name,realm,username,ha1,ha1_sha256"
    ",tm_create,tm_delete"
)


def insert(world: World, number: int, microseconds: int, *, deleted: bool = False) -> str:
    """An extension as another writer might leave it, made that long after the start; its id."""
    id = uuid4()
    at = (START + timedelta(microseconds=microseconds)).strftime("%Y-%m-%d %H:%M:%S.%f")
    name = f"{number}@r.registrar.localhost"
    values = (id.bytes, world.customer.bytes, "n", None, name, name, name, str(number), "r", "r.registrar.localhost")
    world.sql(
        f"INSERT INTO registrar_extensions ({NAMES}) VALUES ({','.join('?' * 15)})",
        *(*values, str(number), "0" * 32, "0" * 64, at, at if deleted else None),
    )
    return str(id)


async def walk(world: World, size: int, **more: Any) -> list[str]:
    """All ids, by pages of that size, going on from the last `tm_create` as Go callers do."""
    token = ""
    ids: list[str] = []
    for _ in range(100):
        uri = f"/v1/extensions?page_size={size}&page_token={token}"
        page = (await world.rpc("GET", uri, {"customer_id": str(world.customer), **more})).data
        if not page:
            return ids
        ids += [row["id"] for row in page]
        token = page[-1]["tm_create"]
    raise AssertionError("the walk does not end")


@pytest.mark.contract("registrar R-29")
@pytest.mark.parametrize("size", ["0", "-1", "x", "101", "", "1.0", "+1", "01", "1e1", "%31%30%30%30", "١", "1%0a"])
async def test_a_page_size_that_is_not_1_to_100_is_a_400(world: World, size: str) -> None:
    reply = await world.rpc("GET", f"/v1/extensions?page_size={size}", {"customer_id": str(world.customer)})

    assert (reply.refusal, reply.faulty) == ((400, "VALIDATION_FAILED"), ["page_size"])


@pytest.mark.contract("registrar R-29")
@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"deleted": False},
        {"customer_id": None},
        {"customer_id": "x"},
        {"customer_id": UUID(int=0).hex},
        {"id": str(UUID(int=0))},
        *(
            {"id": "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713", name: value}
            for name, value in [
                ("deleted", "true"),
                ("deleted", None),
                ("deleted", 1),
                ("customer_id", None),
                ("name", None),
                ("realm", 7),
                ("extension", 1001),
                ("username", ["x"]),
            ]
        ),
    ],
    ids=str,
)
async def test_a_filter_of_a_wrong_type_or_null_or_no_tenant_is_a_400(world: World, filters: Any) -> None:
    assert (await world.rpc("GET", "/v1/extensions", filters)).refusal == (400, "VALIDATION_FAILED")


@pytest.mark.contract("registrar R-29")
@pytest.mark.parametrize(
    "token",
    ["x", "2026-02-11", "2026-02-11T09:30:00", "2026-13-11T09:30:00Z", "2026-02-11T09:30:00%2B01:00", "%00", "A" * 31],
)
async def test_a_page_token_that_is_neither_ours_nor_a_timestamp_is_a_400(world: World, token: str) -> None:
    reply = await world.rpc("GET", f"/v1/extensions?page_token={token}", {"customer_id": str(world.customer)})

    assert reply.refusal == (400, "INVALID_PAGE_TOKEN")


@pytest.mark.contract("registrar R-29")
async def test_filters_are_equal_and_anded_and_a_page_has_100_rows_at_most(world: World) -> None:
    with world.bulk():
        ids = [insert(world, number, number) for number in range(101)]
        gone = insert(world, 999, 500, deleted=True)
    of = {"customer_id": str(world.customer)}

    async def found(uri: str = "/v1/extensions", **more: Any) -> list[str]:
        return [row["id"] for row in (await world.rpc("GET", uri, {**of, **more})).data]

    newest_first = ids[::-1]
    assert await found() == await found(unknown="x", page_size=3) == newest_first[:100]
    assert await found("/v1/extensions?page_size=2&page_token=") == newest_first[:2]
    assert await found("/v1/extensions?page_size=100", deleted=False) == newest_first[:100]
    assert await found(deleted=True) == [gone]
    assert await found(id=ids[7].upper()) == [ids[7]]
    assert await found(extension="7", username="7", realm="r.registrar.localhost", domain_name="r") == [ids[7]]
    for name in ("endpoint_id", "aor_id", "auth_id"):
        assert await found(**{name: "7@r.registrar.localhost"}) == [ids[7]]
        assert await found(**{name: "7@R.registrar.localhost"}) == []
    assert await found(name="n", extension="8", username="7") == []
    assert await found(name="N") == await found(name="n%") == await found(id=str(uuid4())) == []
    assert (await world.rpc("GET", "/v1/extensions", {"id": ids[3]})).data[0]["id"] == ids[3]
    assert await found(customer_id=str(uuid4())) == []


@pytest.mark.contract("registrar R-30")
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(moments=st.lists(st.integers(0, 5), max_size=14), size=st.integers(1, 6), gone=st.booleans())
async def test_a_walk_by_timestamps_sees_each_row_once_whatever_shares_a_moment(
    world: World, moments: list[int], size: int, gone: bool
) -> None:
    world.customer = uuid4()
    with world.bulk():
        ids = [insert(world, number, moment, deleted=gone) for number, moment in enumerate(moments)]
        insert(world, 99, 3, deleted=not gone)

    seen = await walk(world, size, deleted=gone)

    assert sorted(seen) == sorted(ids)


@pytest.mark.contract("registrar R-30")
async def test_a_page_by_timestamp_ends_on_a_whole_moment_and_starts_behind_the_token(world: World) -> None:
    ids = [insert(world, number, number // 3) for number in range(9)]
    at = "2026-02-11T09:30:00.{}Z"
    uri = "/v1/extensions?page_size=2&page_token="

    async def found(uri: str) -> set[str]:
        return {row["id"] for row in (await world.rpc("GET", uri, {"customer_id": str(world.customer)})).data}

    assert await found(uri) == set(ids[6:])
    assert await found(uri + at.format("123458")) == set(ids[3:6])
    assert await found(uri + at.format("1234579")) == set(ids[3:6])
    assert await found(uri + at.format("123457")) == set(ids[:3])
    assert await found(uri + at.format("1234560")) == await found(uri + at.format("1")) == set()
    for nothing_before in ("2026-02-11T09:30:00Z", "0500-01-01T00:00:00Z", "0001-01-01T00:00:00Z"):
        assert await found(uri + nothing_before) == set(), nothing_before
    assert await found(uri + "9999-12-31T23:59:59.999999Z") == set(ids[6:])


@pytest.mark.contract("registrar R-30")
async def test_extensions_made_at_one_moment_still_have_moments_of_their_own(world: World) -> None:
    world.frozen = True

    made = [(await world.create(str(number)))["tm_create"] for number in range(3)]

    assert made == [f"2026-02-11T09:30:00.12345{number}Z" for number in (6, 7, 8)]


@pytest.mark.contract("registrar R-84")
async def test_a_list_of_one_and_of_a_hundred_run_the_same_number_of_statements(world: World) -> None:
    async def statements() -> int:
        world.statements.clear()
        page = (await world.rpc("GET", "/v1/extensions", {"customer_id": str(world.customer)})).data
        assert all(row["direct_hash"] for row in page)
        assert (await world.rpc("GET", "/v1/extension-directs", {"customer_id": str(world.customer)})).data
        return len(world.statements)

    await world.create("1000", direct=True)
    of_one = await statements()
    with world.bulk():
        for number in range(1, 100):
            id = UUID(insert(world, number, number)).bytes
            world.sql(
                "INSERT INTO registrar_directs (id, customer_id, extension_id, hash, tm_create) VALUES (?, ?, ?, ?, ?)",
                *(uuid4().bytes, world.customer.bytes, id, f"{number:012x}", "2026-02-11 09:30:00.000000"),
            )

    assert await statements() == of_one == 2
    world.statements.clear()
    assert len((await world.rpc("GET", "/v1/extensions?page_size=50", {"customer_id": str(world.customer)})).data) == 50
    assert len(world.statements) == 1  # nothing else was made at the moment of its last one


async def test_a_list_reads_no_digest_of_a_password(world: World) -> None:
    insert(world, 1001, 1)
    world.statements.clear()

    listed = await world.rpc("GET", "/v1/extensions?page_size=1", {"customer_id": str(world.customer)})
    (one,) = listed.data
    of_list = [repr(statement) for statement in world.statements]
    await world.rpc("GET", f"/v1/extensions/{one['id']}")

    assert [name for name in ("ha1", "contacts_version") if name in str(of_list)] == []
    assert "ha1" in repr(world.statements[-1])


@pytest.mark.contract("registrar R-85")
async def test_every_uuid_column_has_the_one_type_and_finds_its_row(world: World) -> None:
    names = {"endpoint_id", "aor_id", "auth_id"}
    columns = [column for metadata in OWN_TABLES for table in metadata.tables.values() for column in table.columns]
    others = (
        r"(registrar_((outbox|stale_keys)\.id|contact_states\.(id|call_id)|strays\.row_id)"
        r"|ringback_audit\.(id|request_id)|ringback_channel_events\.id)$"
    )
    uuids = [
        column
        for column in columns
        if (column.name == "id" or column.name.endswith("_id")) and column.name not in names
        if not re.search(others, str(column))
    ]
    assert len(uuids) == 40
    assert {type(column.type) for column in uuids} == {Id}
    assert {column for column in columns if isinstance(column.type, Id)} == set(uuids)

    made = await world.create(direct=True)
    await world.key(world.customer)
    await world.set_status(Status.ACTIVE)
    kinds = world.everything()
    assert {type(row[c.name]) for c in uuids for row in kinds[c.table.name] if row[c.name] is not None} == {bytes}
    for filters in ({"id": made["id"]}, {"customer_id": made["customer_id"]}):
        assert [row["id"] for row in (await world.rpc("GET", "/v1/extensions", filters)).data] == [made["id"]]
    for filters in (
        {"id": made["direct_id"]},
        {"customer_id": made["customer_id"]},
        {"extension_id": made["id"].upper()},
    ):
        assert [row["id"] for row in (await world.rpc("GET", "/v1/extension-directs", filters)).data] == [
            made["direct_id"]
        ]
