"""Deleting an extension, by the wire."""

import pytest

from tests.world import World

OWN_ROWS = ("ps_endpoints", "ps_auths", "ps_aors", "ps_contacts", "registrar_sip_auths")


@pytest.mark.contract("registrar R-25, R-27")
async def test_a_deleted_extension_leaves_no_sip_row_and_is_found_by_nobody(world: World) -> None:
    made, other = await world.create(direct=True), await world.create("1002")
    uri, of = f"/v1/extensions/{made['id']}", {"customer_id": str(world.customer)}
    world.register(made["endpoint_id"])
    world.register(made["endpoint_id"], expires_in=-5)
    world.register(other["endpoint_id"])
    assert (await world.rpc("GET", "/v1/extensions/count_by_customer", of)).data == {"count": 2}

    gone = (await world.rpc("DELETE", uri)).data

    assert gone == {
        **made,
        "password": "",
        "direct_id": "00000000-0000-0000-0000-000000000000",
        "direct_hash": "",
        "tm_update": gone["tm_delete"],
        "tm_delete": gone["tm_delete"],
    }
    assert gone["tm_delete"]
    tables = world.everything()
    assert [len(tables[table]) for table in OWN_ROWS] == [1] * 5
    assert {row["id"] for table in OWN_ROWS[:3] for row in tables[table]} == {other["endpoint_id"]}
    assert (await world.rpc("GET", "/v1/extensions/count_by_customer", of)).data == {"count": 1}
    for method, path in [
        ("GET", uri),
        ("PUT", uri),
        ("DELETE", uri),
        ("POST", f"{uri}/direct-hash-regenerate"),
        ("GET", "/v1/extensions/extension/1001"),
    ]:
        assert (await world.rpc(method, path, {**of, "name": "x"})).refusal == (404, "EXTENSION_NOT_FOUND"), path
    for path in (
        f"/v1/extensions/by-direct-hash/{made['direct_hash']}",
        f"/v1/extension-directs?hash={made['direct_hash']}",
    ):
        assert (await world.rpc("GET", path)).refusal == (404, "DIRECT_NOT_FOUND")
    assert world.everything() == tables
    assert (await world.rpc("GET", "/v1/extensions", {**of, "deleted": True})).data == [gone]
    assert [row["id"] for row in (await world.rpc("GET", "/v1/extensions", of)).data] == [other["id"]]
    events = world.events()[3:]
    assert [type for type, _ in events] == [
        "contact_registered",
        "contact_unregistered",
        "extension_direct_deleted",
        "extension_deleted",
    ]
    assert events[1][1]["cause"] == "extension_deleted"
    assert [payload["direct_uri"] for _, payload in events[2:]] == ["", ""]
    assert events[3][1]["tm_delete"] == gone["tm_delete"]


@pytest.mark.contract("registrar R-26")
async def test_an_old_id_cannot_touch_the_newer_extension_of_the_same_number(world: World) -> None:
    old = await world.create(direct=True)
    await world.rpc("DELETE", f"/v1/extensions/{old['id']}")
    new = await world.create(direct=True)
    world.register(new["endpoint_id"])
    before = world.everything()

    for method, data in (("PUT", {"password": "Another-Pass-0002", "direct": False}), ("DELETE", None)):
        reply = await world.rpc(method, f"/v1/extensions/{old['id']}", data)
        assert reply.refusal == (404, "EXTENSION_NOT_FOUND")

    assert world.everything() == before
    assert new["endpoint_id"] == old["endpoint_id"]
    assert new["id"] != old["id"]
