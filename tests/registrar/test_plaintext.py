"""Plaintext mode: what is kept of a password is itself, and it is shown no more than a digest is."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.world import PASSWORD, MakeWorld, Reply, World

MARKER = "Marker-Pass-4711"
OTHER = "Marker-Pass-4712"
SECRETS = (
    "auth_type", "username", "realm", "password", "md5_cred", "password_digest", "supported_algorithms_uas",
    "supported_algorithms_uac",
)  # fmt: skip


@pytest.fixture
def plain(make_world: MakeWorld) -> World:
    """Every row as VoIPbin's own service writes it."""
    return make_world(secret_storage="plaintext", endpoint_defaults="")


def written(world: World, table: str, *, where: str = "1") -> dict[str, Any]:
    """The one row, without what nobody wrote: NULL, and the defaults of the SQLite form."""
    (row,) = world.sql(f"SELECT * FROM {table} WHERE {where}")
    columns = world.sql(f"PRAGMA table_info({table})")
    defaults = {column["name"]: column["dflt_value"] for column in columns}
    return {
        name: value
        for name, value in row.items()
        if value is not None and (defaults[name] is None or str(value) != str(defaults[name]).strip("'"))
    }


# ---- the rows, column by column


@pytest.mark.contract("registrar R-17")
async def test_the_rows_of_an_extension_are_those_of_the_go_service_column_by_column(plain: World) -> None:
    made = await plain.create("1001", username="user1001", name="Front desk", detail="")
    endpoint, id = made["endpoint_id"], UUID(made["id"]).bytes
    customer, now = plain.customer.bytes, "2026-02-11 09:30:01.123456"
    secret = {"username": "user1001", "realm": made["realm"], "password": PASSWORD}

    assert written(plain, "ps_aors") == {"id": endpoint, "max_contacts": 3, "remove_existing": "yes"}
    assert written(plain, "ps_endpoints") == {"id": endpoint, "aors": endpoint, "auth": endpoint}
    assert written(plain, "ps_auths") == {"id": endpoint, **secret}
    (auth,) = plain.sql(f"SELECT {', '.join(SECRETS)} FROM ps_auths")
    assert auth == {**dict.fromkeys(SECRETS), "auth_type": "userpass", **secret}
    edge = {"reference_type": "extension", "auth_types": '["basic"]', "allowed_ips": "[]", "ha1": None}
    assert plain.sql("SELECT * FROM registrar_sip_auths") == [
        {"id": id, **edge, **secret, "ha1_sha256": None, "tm_create": now, "tm_update": None}
    ]
    own = {"customer_id": customer, "name": "Front desk", "detail": "", "extension": "1001", **secret}
    ids = dict.fromkeys(("endpoint_id", "aor_id", "auth_id"), endpoint)
    digests = {"ha1": None, "ha1_sha256": None}
    times = {"tm_create": now, "tm_update": None, "tm_delete": None}
    assert plain.sql("SELECT * FROM registrar_extensions") == [
        {"id": id, **own, **ids, "domain_name": str(plain.customer), **digests, **times}
    ]


@pytest.mark.contract("registrar R-17")
async def test_the_rows_of_a_trunk_are_those_of_the_go_service_column_by_column(plain: World) -> None:
    both = await plain.create_trunk("carrier-a", name="Carrier A")
    alone = await plain.create_trunk("carrier-b", auth_types=["ip"], username=None, password=None)
    digests = {"ha1": None, "ha1_sha256": None}

    for made, secret in ((both, ("pbx01", PASSWORD)), (alone, ("", ""))):
        where, id = f"realm = '{made['realm']}'", UUID(made["id"]).bytes
        access = {
            "auth_types": json.dumps(made["auth_types"], separators=(",", ":")), "allowed_ips": '["203.0.113.7"]',
            "username": secret[0], "password": secret[1], "realm": made["realm"], **digests,
        }  # fmt: skip
        (edge,) = plain.sql(f"SELECT * FROM registrar_sip_auths WHERE {where}")
        times = {name: edge[name] for name in ("tm_create", "tm_update")}
        assert edge == {"id": id, "reference_type": "trunk", **access, **times}
        (own,) = plain.sql(f"SELECT * FROM registrar_trunks WHERE {where}")
        names = {"name": made["name"], "detail": "", "domain_name": made["domain_name"]}
        whose = {"id": id, "customer_id": plain.customer.bytes}
        assert own == {**whose, **names, **access, "tm_create": edge["tm_create"], "tm_update": None, "tm_delete": None}
    assert plain.everything()["ps_auths"] == []


@pytest.mark.contract("registrar R-17, R-24")
async def test_a_new_password_is_in_every_row_and_the_reconciler_agrees(plain: World) -> None:
    made = await plain.create()
    trunk = await plain.create_trunk()
    for uri in (f"/v1/extensions/{made['id']}", f"/v1/trunks/{trunk['id']}"):
        reply = await plain.rpc("PUT", uri, {"password": OTHER})
        assert (reply.status_code, reply.data["password"]) == (200, OTHER)
        same = await plain.rpc("PUT", uri, {"password": OTHER})
        assert (same.status_code, same.data["password"], same.data["tm_update"]) == (200, "", reply.data["tm_update"])

    for table in ("registrar_extensions", "registrar_trunks", "registrar_sip_auths", "ps_auths"):
        assert {row["password"] for row in plain.sql(f"SELECT password FROM {table}")} == {OTHER}
    assert (await plain.ringback.reconciler.once()).due == []
    plain.sql("DELETE FROM ps_auths")
    plain.sql("UPDATE registrar_sip_auths SET password = NULL, ha1 = 'x'")
    await plain.ringback.reconciler.once()
    for table in ("registrar_sip_auths", "ps_auths"):
        assert {row["password"] for row in plain.sql(f"SELECT password FROM {table}")} == {OTHER}


# ---- where it is shown


def reads(made: dict[str, Any], trunk: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """RPC 5, 9, 10, 12, 14, 17, 19."""
    of = {"customer_id": made["customer_id"]}
    return [
        ("GET", f"/v1/extensions/{made['id']}", None),
        ("GET", "/v1/extensions", of),
        ("GET", f"/v1/extensions/extension/{made['extension']}", of),
        ("GET", "/v1/trunks", of),
        ("GET", f"/v1/trunks/{trunk['id']}", None),
        ("GET", f"/v1/trunks/domain_name/{trunk['domain_name']}", None),
        ("GET", f"/v1/extensions/by-direct-hash/{made['direct_hash']}", None),
    ]


@pytest.mark.contract("registrar R-59")
@pytest.mark.parametrize("shown", [True, False])
async def test_rpc_reads_hold_the_password_only_where_that_is_set(make_world: MakeWorld, shown: bool) -> None:
    world = make_world(secret_storage="plaintext", rpc_read_password=shown)
    made = await world.create(direct=True, password=MARKER)
    trunk = await world.create_trunk(password=MARKER)

    for request in reads(made, trunk):
        reply = await world.rpc(*request)
        (found,) = reply.data if isinstance(reply.data, list) else [reply.data]
        assert found["password"] == (MARKER if shown else ""), request

    uri, other = f"/v1/extensions/{made['id']}", f"/v1/trunks/{trunk['id']}"
    writes = [
        ("PUT", uri, {"name": "n"}), ("PUT", uri, {}), ("POST", f"{uri}/direct-hash-regenerate", None),
        ("PUT", other, {"name": "n"}), ("DELETE", uri, None), ("DELETE", other, None),
    ]  # fmt: skip
    for request in writes:
        reply = await world.rpc(*request)
        assert (reply.status_code, reply.data["password"]) == (200, ""), request
    listed = await world.rpc("GET", "/v1/extension-directs", {"customer_id": made["customer_id"], "deleted": True})
    assert "password" not in listed.data[0]


@pytest.mark.contract("registrar R-59")
async def test_the_password_is_in_the_replies_that_set_it_and_in_no_other_place(
    make_world: MakeWorld, logged: Callable[[], str]
) -> None:
    world = make_world(secret_storage="plaintext", endpoint_defaults="")
    setting: list[Reply] = [
        await world.rpc("POST", "/v1/extensions", world.asked(password=MARKER, direct=True)),
        await world.rpc("POST", "/v1/trunks", world.asked_trunk(password=MARKER)),
    ]
    made, trunk = (reply.data for reply in setting)
    phone, line = f"/v1/extensions/{made['id']}", f"/v1/trunks/{trunk['id']}"
    world.register(made["endpoint_id"])
    others = [await world.rpc(*request) for request in reads(made, trunk)]
    for number in range(20):
        for uri in (phone, line):
            world.fail_at(number)
            others.append(await world.rpc("PUT", uri, {"name": f"n{number}", "detail": "d"}))
        for uri, asked in (("/v1/extensions", world.asked("1002")), ("/v1/trunks", world.asked_trunk("carrier-b"))):
            world.fail_at(number)
            reply = await world.rpc("POST", uri, {**asked, "password": f"{MARKER}{number}"})
            (setting if reply.status_code == 200 else others).append(reply)
    world.heal()
    others += [
        await world.rpc("PUT", phone, {"password": MARKER}),
        await world.rpc("PUT", phone, {"password": f"{MARKER};"}),
        await world.rpc("POST", "/v1/extensions", world.asked(password=MARKER)),
        await world.serve(b'{"uri":"/v1/trunks","method":"POST","data":{"password":"%s"' % MARKER.encode()),
        await world.rpc("GET", "/v1/contacts", {"customer_id": str(world.customer), "extension": "1001"}),
    ]
    memory = vars(world.ringback.memory.contacts)
    assert MARKER not in repr(memory)
    assert len(memory["_entries"]) == 1
    phones, lines = f"/v1.0/extensions/{made['id']}", f"/v1.0/trunks/{trunk['id']}"
    async with await world.http() as http:
        paths = ("/v1.0/extensions", phones, f"{phones}/contacts", "/v1.0/trunks", lines)
        rest = [(await http.get(path)).text for path in paths]
        rest.append((await http.patch(phones, json={"name": "rest"})).text)
        rest.append((await http.delete(lines)).text)
    await world.ringback.relay.publish_waiting()
    await world.ringback.reconciler.once()
    others.append(await world.rpc("DELETE", phone))

    assert [reply.data["password"].startswith(MARKER) for reply in setting] == [True] * 4
    outbox = json.dumps(world.everything()["registrar_outbox"], default=str)
    log = logged()
    assert "Traceback" in log
    for place in (*(json.dumps(reply.raw) for reply in others), *rest, outbox, log, world.metrics()):
        assert MARKER not in place
    for table, rows in world.everything().items():
        if MARKER in json.dumps(rows, default=str):
            assert table in ("registrar_extensions", "registrar_trunks", "registrar_sip_auths", "ps_auths"), table


@pytest.mark.contract("registrar R-59")
async def test_over_rest_the_password_is_shown_once_too(plain: World) -> None:
    async with await plain.http() as http:
        made = await http.post("/v1.0/extensions", json={"extension": "1001", "password": MARKER})
        uri = f"/v1.0/extensions/{made.json()['id']}"
        read = await http.get(uri)
        same = await http.put(uri, json={"password": MARKER})
        rotated = await http.put(uri, json={"password_regenerate": True})

    assert [answer.json()["password"] for answer in (made, read, same)] == [MARKER, "", ""]
    (row,) = plain.sql("SELECT password FROM ps_auths")
    assert (len(row["password"]) >= 20, row["password"]) == (True, rotated.json()["password"])
