"""Plaintext mode: what is kept of a password is itself, and it is shown no more than a digest is."""

import json
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from ringback.kit.secret import Secret
from ringback.registrar import meta, secrets
from ringback.registrar.asked import Wanted
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.wire import NewExtension
from ringback.sip.digest import ha1
from tests.registrar.test_create import bare
from tests.registrar.test_list import insert
from tests.world import PASSWORD, Broken, MakeWorld, Reply, World

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


def written(world: World, table: str) -> dict[str, Any]:
    """The one row, without what nobody wrote: NULL, and the schema's defaults."""
    (row,) = world.sql(f"SELECT * FROM {table}")
    defaults = bare(world, table)
    return {name: value for name, value in row.items() if value is not None and value != defaults[name]}


# ---- the rows, column by column


@pytest.mark.contract("registrar R-17")
async def test_the_rows_of_an_extension_are_those_of_the_go_service_column_by_column(plain: World) -> None:
    made = await plain.create("1001", username="user1001", name="Front desk", detail="")
    endpoint, id = made["endpoint_id"], UUID(made["id"]).bytes
    customer, now = plain.customer.bytes, "2026-02-11 09:30:01.123456"
    secret = {"username": "user1001", "realm": made["realm"], "password": PASSWORD}

    assert written(plain, "ps_aors") == {"id": endpoint, "max_contacts": 3, "remove_existing": "yes"}
    assert written(plain, "ps_endpoints") == {"id": endpoint, "aors": endpoint, "auth": endpoint}
    kind = {"auth_type": "userpass"}  # the default, or written
    assert written(plain, "ps_auths") | kind == {"id": endpoint, **secret, **kind}
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
        {"id": id, **own, **ids, "domain_name": str(plain.customer), **digests, **times, "contacts_version": None}
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
        assert own.pop("outbound") is None  # ours alone
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
    assert len(memory.get("_entries", "1")) == 1  # in Redis, they are not here
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


# ---- half-way to digests


def digested(world: World) -> list[bool]:
    """For each row of ours with a credential: whether it is the digest, in every column (else it is the password)."""
    found = []
    for table in ("registrar_extensions", "registrar_trunks", "registrar_sip_auths"):
        for row in world.sql(f"SELECT username, realm, password, ha1, ha1_sha256 FROM {table}"):
            whole = ha1(row["username"], row["realm"], Secret(PASSWORD))
            clear = (PASSWORD, None, None)
            kept = (row["password"], row["ha1"], row["ha1_sha256"])
            assert kept in (clear, (None, whole.md5, whole.sha256)), row
            found.append(kept != clear)
    for row in world.sql("SELECT username, realm, password, md5_cred FROM ps_auths"):
        whole = ha1(row["username"], row["realm"], Secret(PASSWORD))
        assert (row["password"], row["md5_cred"]) in ((PASSWORD, None), (None, whole.md5)), row
        found.append(row["password"] is None)
    return found


def recorded(world: World) -> str:
    (row,) = world.sql("SELECT value FROM registrar_meta WHERE key = 'secret_storage'")
    return str(row["value"])


@pytest.mark.contract("registrar R-60, R-61")
@pytest.mark.long
async def test_a_migration_that_stopped_anywhere_works_in_plaintext_and_goes_on_where_it_was(plain: World) -> None:
    await plain.ringback.work.write(meta.require_recorded)
    made = [await plain.create(number) for number in ("1001", "1002")]
    await plain.create_trunk()
    await plain.rpc("DELETE", f"/v1/extensions/{made[1]['id']}")
    done_before: dict[int, int] = {}
    for number in count():
        for table in ("registrar_extensions", "registrar_trunks", "registrar_sip_auths"):
            plain.sql(f"UPDATE {table} SET password = ?, ha1 = NULL, ha1_sha256 = NULL", PASSWORD)
        plain.sql("UPDATE ps_auths SET password = ?, md5_cred = NULL, auth_type = 'userpass'", PASSWORD)
        plain.fail_at(number)
        try:
            await secrets.migrate(plain.ringback.work)
        except Broken:
            done_before[number] = sum(digested(plain))
        else:
            break
        assert recorded(plain) == "plaintext"
        assert (await plain.ringback.reconciler.once()).due == []
    plain.heal()
    assert number > 20
    assert sorted(set(done_before.values())) == [0, 4, 6]
    assert (digested(plain), recorded(plain)) == ([True] * 6, "digest")

    plain.sql("UPDATE registrar_trunks SET password = ?, ha1 = NULL", PASSWORD)
    assert await secrets.migrate(plain.ringback.work) == 1
    assert digested(plain) == [True] * 6


@pytest.mark.contract("registrar R-60")
async def test_plaintext_mode_works_on_rows_of_both_kinds(make_world: MakeWorld) -> None:
    world = make_world(secret_storage="plaintext", rpc_read_password=True)
    for number in ("1001", "1002"):
        await world.create(number)
    await world.ringback.work.write(lambda uow: extensions.keep_digests(uow, 1))
    listed = (await world.rpc("GET", "/v1/extensions", {"customer_id": str(world.customer)})).data
    assert sorted(item["password"] for item in listed) == ["", PASSWORD]
    (turned,) = [item for item in listed if not item["password"]]
    uri = f"/v1/extensions/{turned['id']}"
    world.register(turned["endpoint_id"])

    assert (await world.rpc("PUT", uri, {"name": "n", "direct": True})).status_code == 200
    assert sorted(digested(world)) == [False] * 3 + [True] * 3
    await world.create("1003")
    rotated = await world.rpc("PUT", uri, {"password": OTHER})

    assert rotated.data["password"] == OTHER
    assert (await world.rpc("GET", uri)).data["password"] == OTHER
    assert world.everything()["ps_contacts"] == []
    assert (await world.ringback.reconciler.once()).due == []
    assert (await world.rpc("DELETE", uri)).status_code == 200


@pytest.mark.contract("registrar R-60")
async def test_more_rows_than_one_step_takes_are_turned_a_hundred_at_a_time(plain: World) -> None:
    with plain.bulk():
        for number in range(101):
            insert(plain, number, number)
        plain.sql("UPDATE registrar_extensions SET password = ?, ha1 = NULL, ha1_sha256 = NULL", PASSWORD)
    told: list[int] = []

    assert await secrets.migrate(plain.ringback.work, told.append) == 101

    assert told == [100, 101]
    assert digested(plain) == [True] * 303


@pytest.mark.sqlite
@pytest.mark.contract("registrar R-60")
async def test_the_note_is_written_last_and_one_more_password_is_turned_too(plain: World) -> None:
    """A command beside it may write until then: one that is killed earlier leaves no digest mode with clear bytes."""
    await plain.ringback.work.write(meta.require_recorded)
    await plain.create("1001")
    said: list[str] = []
    other, asked = plain.start(), NewExtension(extension="1002", password=Secret(PASSWORD))

    def hear(sql: str) -> None:
        said.append(sql)
        if sql == "VACUUM" and said.count("VACUUM") == 1:
            plain.at_once(other.work.write(lambda uow: extensions.create_all(uow, plain.customer, [Wanted(asked)])))

    plain.ringback.database.writer.set_trace_callback(hear)  # type: ignore[attr-defined]
    assert await secrets.migrate(plain.ringback.work) == 2

    other.database.close()
    (note,) = [number for number, sql in enumerate(said) if "registrar_meta" in sql and sql.startswith("UPDATE")]
    assert said.count("VACUUM") == 2
    assert max(number for number, sql in enumerate(said) if sql == "VACUUM") < note
    assert (digested(plain), recorded(plain)) == ([True] * 6, "digest")
    plain.ringback.database.close()
    plain.ringback = plain.start()
    assert not [path.name for path in plain.home.iterdir() if PASSWORD.encode() in path.read_bytes()]
