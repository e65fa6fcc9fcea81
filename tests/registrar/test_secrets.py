"""Secrets: shown once, kept as digests, found nowhere else."""

import json
from collections.abc import Callable

import pytest

from ringback.kit.secret import Secret
from ringback.sip.digest import ha1
from tests.world import MakeWorld, World

MARKER = "Marker-Pass-4711"
OTHER = "Marker-Pass-4712"


@pytest.mark.contract("registrar R-56")
async def test_a_password_is_in_one_reply_and_nowhere_else(world: World, logged: Callable[[], str]) -> None:
    replies = [await world.rpc("POST", "/v1/extensions", world.asked(password=MARKER, direct=True))]
    made = replies[0].data
    uri = f"/v1/extensions/{made['id']}"
    of = {"customer_id": str(world.customer)}
    replies += [
        await world.rpc("PUT", uri, {"password": MARKER}),
        await world.rpc("PUT", uri, {"name": MARKER[:6], "password": f"{MARKER};"}),
        await world.rpc("POST", "/v1/extensions", world.asked(password=MARKER)),
        await world.rpc("POST", "/v1/extensions", world.asked("1 2", password=MARKER)),
        await world.rpc("GET", uri),
        await world.rpc("GET", "/v1/extensions", of),
        await world.rpc("GET", "/v1/extensions/extension/1001", of),
        await world.rpc("GET", f"/v1/extensions/by-direct-hash/{made['direct_hash']}"),
        await world.serve(b'{"uri":"/v1/extensions","method":"POST","data":{"password":"%s"' % MARKER.encode()),
        await world.serve(b'{"uri":"/v1/extensions","method":"POST","data":"%s"}' % MARKER.encode()),
        await world.rpc("PUT", uri, {"password": OTHER}),
        await world.rpc("PUT", uri, {"password_regenerate": True}),
    ]
    generated = replies[-1].data["password"]
    for number in range(20):
        world.fail_at(number)
        replies.append(await world.rpc("PUT", uri, {"password": MARKER, "direct_regenerate": True}))
        replies.append(await world.rpc("POST", "/v1/extensions", world.asked("1002", password=f"{MARKER}{number}")))
        if replies[-2].status_code == replies[-1].status_code == 200:
            break
    world.heal()
    await world.ringback.relay.publish_waiting()
    await world.ringback.reconciler.once()
    replies.append(await world.rpc("DELETE", uri))

    log = logged()
    lines = [json.loads(line) for line in log.splitlines()]
    assert sum("Traceback" in line.get("exception", "") for line in lines) > 10
    assert "Broken" in log
    shown = [json.dumps(reply.raw) for reply in replies]
    assert MARKER in shown[0]
    assert not [text for text in shown[1:11] if MARKER in text]
    assert sum(OTHER in text for text in shown) == 1
    assert sum(generated in text for text in shown) == 1
    kept = world.ground.stored()
    assert made["endpoint_id"].encode() in kept
    digests = ha1("1001", made["realm"], Secret(MARKER))
    assert digests.md5.encode() in kept or not kept.startswith(b"SQLite")
    for place in (kept.decode(errors="replace"), json.dumps(world.events()), log, world.metrics()):
        for secret in (MARKER, OTHER, generated):
            assert secret not in place
    for place in (json.dumps(world.events()), log, world.metrics(), *shown):
        for secret in (digests.md5, digests.sha256):
            assert secret not in place
    for place in (log, world.metrics()):
        assert made["direct_hash"] not in place
    assert "password" not in json.dumps(world.events())


@pytest.mark.contract("registrar R-57")
async def test_the_clear_columns_are_null_and_never_empty(world: World) -> None:
    made = await world.create()
    await world.rpc("PUT", f"/v1/extensions/{made['id']}", {"password": OTHER})
    world.sql("DELETE FROM ps_auths")
    await world.ringback.reconciler.once()

    for table in ("registrar_extensions", "registrar_sip_auths", "ps_auths"):
        assert world.sql(f"SELECT password FROM {table}") == [{"password": None}]


@pytest.mark.contract("registrar R-58")
async def test_the_digests_are_those_of_the_contract(make_world: MakeWorld) -> None:
    world = make_world(domain_name_extension="registrar.example.com", asterisk_digest="password_digest")
    await world.label("acme")
    await world.create("1001", password="Sample-Pass-0001")
    md5 = "ec24f94b2fbb7ddc2148566228ec66bc"
    sha256 = "dff3b72033817ad225d85798d8fce17c5ad76121a4500216773d2804746164e8"

    for table in ("registrar_extensions", "registrar_sip_auths"):
        assert world.sql(f"SELECT ha1, ha1_sha256 FROM {table}") == [{"ha1": md5, "ha1_sha256": sha256}]
    columns = "auth_type, password, md5_cred, password_digest, supported_algorithms_uas, supported_algorithms_uac"
    assert world.sql(f"SELECT {columns} FROM ps_auths") == [
        {
            "auth_type": "md5",
            "password": None,
            "md5_cred": None,
            "password_digest": f"MD5:{md5},SHA-256:{sha256}",
            "supported_algorithms_uas": "SHA-256,MD5",
            "supported_algorithms_uac": "SHA-256,MD5",
        }
    ]


@pytest.mark.contract("registrar R-58")
async def test_the_other_form_of_digest_replaces_the_one_before(make_world: MakeWorld) -> None:
    world = make_world()
    made = await world.create()
    other = make_world(beside=world, asterisk_digest="password_digest")

    (drift,) = (await other.ringback.reconciler.once()).due

    (row,) = world.sql("SELECT md5_cred, password_digest FROM ps_auths")
    assert (drift.id, row["md5_cred"]) == (made["endpoint_id"], None)
    assert row["password_digest"].startswith("MD5:")
    await world.ringback.reconciler.once()
    assert [r["password_digest"] for r in world.sql("SELECT password_digest FROM ps_auths")] == [None]


@pytest.mark.contract("registrar R-56, R-57")
async def test_a_password_of_a_trunk_is_in_one_reply_and_nowhere_else(world: World, logged: Callable[[], str]) -> None:
    replies = [await world.rpc("POST", "/v1/trunks", world.asked_trunk(password=MARKER))]
    uri = f"/v1/trunks/{replies[0].data['id']}"
    replies += [
        await world.rpc("POST", "/v1/trunks", world.asked_trunk(password=MARKER)),
        await world.rpc("POST", "/v1/trunks", world.asked_trunk("a", password=MARKER)),
        await world.rpc("PUT", uri, {"password": MARKER}),
        await world.rpc("PUT", uri, {"username": "", "password": MARKER}),
        await world.rpc("PUT", uri, {"username": "new"}),
        await world.rpc("GET", uri),
        await world.rpc("GET", "/v1/trunks/domain_name/carrier-a"),
        await world.rpc("GET", "/v1/trunks", {"customer_id": str(world.customer)}),
        await world.rpc("PUT", uri, {"password": OTHER, "auth_types": ["basic"]}),
        await world.rpc("PUT", uri, {"username": "new", "password_regenerate": True}),
    ]
    generated = replies[-1].data["password"]
    for number in range(4):
        world.fail_at(number)
        replies.append(await world.rpc("PUT", uri, {"password": f"{MARKER}{number}"}))
    replies.append(await world.rpc("DELETE", uri))

    shown = [json.dumps(reply.raw) for reply in replies]
    assert [number for number, text in enumerate(shown) if MARKER in text] == [0]
    assert sum(OTHER in text for text in shown) == sum(generated in text for text in shown) == 1
    log = logged()
    assert "Broken" in log
    kept = world.ground.stored().decode(errors="replace")
    digests = [
        ha1(name, replies[0].data["realm"], Secret(password)).md5
        for name, password in (("pbx01", MARKER), ("pbx01", OTHER), ("new", generated))
    ]
    assert digests[-1] in kept
    for secret in (MARKER, OTHER, generated):
        assert secret not in kept + json.dumps(world.events()) + log + world.metrics()
    for digest in digests:
        assert digest not in json.dumps(world.events()) + log + world.metrics() + "".join(shown)
    for table in ("registrar_trunks", "registrar_sip_auths"):
        assert {row["password"] for row in world.sql(f"SELECT password FROM {table}")} <= {None}
