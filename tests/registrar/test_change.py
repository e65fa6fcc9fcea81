"""Changing an extension, by the wire."""

from typing import Any
from uuid import UUID

import pytest

from ringback.kit.secret import Secret
from ringback.sip.digest import ha1
from tests.world import PASSWORD, MakeWorld, World

NEW = "Another-Pass-0002"


def credentials(world: World) -> tuple[Any, ...]:
    """What the four tables say of secrets."""
    tables = world.everything()
    return (
        [(row["md5_cred"], row["password"]) for row in tables["ps_auths"]],
        [(row["ha1"], row["ha1_sha256"], row["password"]) for row in tables["registrar_sip_auths"]],
        [(row["ha1"], row["ha1_sha256"], row["password"]) for row in tables["registrar_extensions"]],
    )


@pytest.mark.contract("registrar R-22")
async def test_absent_and_null_fields_stay_as_they_are(world: World) -> None:
    made = await world.create(detail="d", direct=True)
    contact = world.register(made["endpoint_id"])
    before = credentials(world)

    reply = await world.rpc(
        "PUT",
        f"/v1/extensions/{made['id']}",
        {"name": "x", "detail": None, "password": None, "password_regenerate": None, "direct": None},
    )

    assert reply.data == {**made, "name": "x", "password": "", "tm_update": reply.data["tm_update"]}
    assert reply.data["tm_update"] == "2026-02-11T09:30:02.123456Z"
    assert credentials(world) == before
    assert [row["id"] for row in world.everything()["ps_contacts"]] == [contact]
    type, payload = world.events()[-1]
    assert (type, payload["name"], payload["tm_update"]) == ("extension_updated", "x", reply.data["tm_update"])


@pytest.mark.contract("registrar R-22, R-23")
@pytest.mark.parametrize(
    "asked",
    [
        None,
        {},
        {"unknown": 1, "extension": "2002", "customer_id": "x", "username": "y", "realm": "z"},
        {"name": "n", "detail": "d"},
        {"password": PASSWORD},
        {"password": "", "password_regenerate": False, "direct": True, "direct_regenerate": False},
    ],
)
async def test_a_put_that_changes_nothing_is_200_and_writes_nothing(world: World, asked: Any) -> None:
    made = await world.create(name="n", detail="d", direct=True)
    world.register(made["endpoint_id"])
    before = world.everything()

    reply = await world.rpc("PUT", f"/v1/extensions/{made['id']}", asked)

    assert (reply.status_code, reply.data) == (200, {**made, "password": ""})
    assert world.everything() == before


@pytest.mark.contract("registrar R-23")
async def test_the_empty_password_of_go_callers_means_absent_over_rpc(world: World) -> None:
    made = await world.create()
    before = credentials(world)

    put = {"name": "n", "detail": "d", "password": "", "direct": True}
    reply = await world.rpc("PUT", f"/v1/extensions/{made['id']}", put)

    assert (reply.data["name"], reply.data["detail"], reply.data["password"]) == ("n", "d", "")
    assert (await world.rpc("GET", f"/v1/extensions/by-direct-hash/{reply.data['direct_hash']}")).status_code == 200
    assert credentials(world) == before


@pytest.mark.contract("registrar R-23")
async def test_an_empty_password_is_refused_by_rest_and_where_rpc_is_told_to(make_world: MakeWorld) -> None:
    world = make_world(empty_password_on_put="refuse")
    made = await world.create()
    async with await world.http() as http:
        before = world.everything()

        over_rpc = await world.rpc("PUT", f"/v1/extensions/{made['id']}", {"name": "n", "password": ""})
        over_rest = await http.put(f"/v1.0/extensions/{made['id']}", json={"name": "n", "password": ""})

    assert (over_rpc.refusal, over_rpc.faulty) == ((400, "VALIDATION_FAILED"), ["password"])
    assert over_rest.status_code == 400
    assert world.everything() == before


@pytest.mark.contract("registrar R-24")
@pytest.mark.parametrize("asked", [{"password": NEW}, {"password_regenerate": True}])
async def test_a_new_password_reaches_every_table_at_once_and_forgets_the_contacts(
    world: World, asked: dict[str, Any]
) -> None:
    made, other = await world.create(), await world.create("1002")
    world.register(made["endpoint_id"])
    kept = world.register(other["endpoint_id"])
    of = {"customer_id": str(world.customer), "extension": "1001"}
    assert len((await world.rpc("GET", "/v1/contacts", of)).data) == 1

    reply = await world.rpc("PUT", f"/v1/extensions/{made['id']}", asked)

    digests = ha1("1001", made["realm"], Secret(reply.data["password"]))
    assert len(reply.data["password"]) >= 17
    assert reply.data["password"] != PASSWORD
    assert world.sql("SELECT md5_cred FROM ps_auths WHERE id = ?", made["auth_id"]) == [{"md5_cred": digests.md5}]
    for table in ("registrar_extensions", "registrar_sip_auths"):
        row = world.sql(f"SELECT ha1, ha1_sha256 FROM {table} WHERE id = ?", UUID(made["id"]).bytes)
        assert row == [{"ha1": digests.md5, "ha1_sha256": digests.sha256}]
    assert [row["id"] for row in world.everything()["ps_contacts"]] == [kept]
    assert (await world.rpc("GET", "/v1/contacts", of)).data == []
    events = world.events()[2:]
    assert [type for type, _ in events] == ["contact_registered", "contact_unregistered", "extension_updated"]
    assert events[1][1]["cause"] == "password_changed"
    assert (await world.rpc("GET", f"/v1/extensions/{made['id']}")).data == {**reply.data, "password": ""}


@pytest.mark.contract("registrar R-20")
@pytest.mark.parametrize(
    ("asked", "faulty"),
    [
        ({"password": "short"}, ["password"]),
        ({"password": "x" * 81}, ["password"]),
        ({"password": NEW, "password_regenerate": True}, ["password_regenerate"]),
        ({"name": "a\x00", "detail": "x" * 256, "direct": "no"}, ["name", "detail", "direct"]),
        ({"password_regenerate": 1, "direct_regenerate": "x"}, ["password_regenerate", "direct_regenerate"]),
    ],
)
async def test_a_change_outside_the_rules_writes_nothing(world: World, asked: Any, faulty: list[str]) -> None:
    made = await world.create()
    before = world.everything()

    reply = await world.rpc("PUT", f"/v1/extensions/{made['id']}", {"name": "new", **asked})

    assert (reply.refusal, sorted(reply.faulty)) == ((400, "VALIDATION_FAILED"), sorted(faulty))
    assert world.everything() == before
