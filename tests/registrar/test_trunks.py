"""Making, finding and deleting a trunk, by the wire."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from ringback.kit.secret import Secret
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Status
from ringback.sip.digest import ha1
from tests.world import PASSWORD, MakeWorld, World

URI = "/v1/trunks"
KEYS = [
    "id", "customer_id", "name", "detail", "domain_name", "auth_types", "realm", "username", "password", "allowed_ips",
    "tm_create", "tm_update", "tm_delete",
]  # fmt: skip
SHARED = ("auth_types", "realm", "username", "password", "allowed_ips", "ha1", "ha1_sha256")
"""Columns that the edge's row has from the trunk's."""


def rows(world: World) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The live trunks and what the edge reads of trunks, by id."""
    trunks = world.sql("SELECT * FROM registrar_trunks WHERE tm_delete IS NULL ORDER BY id")
    return trunks, world.sql("SELECT * FROM registrar_sip_auths WHERE reference_type = 'trunk' ORDER BY id")


@pytest.mark.contract("registrar R-43, R-46")
async def test_a_new_trunk_is_one_row_of_ours_one_of_the_edge_and_one_event(world: World) -> None:
    before = world.everything()

    made = await world.create_trunk(name="Carrier A", detail="d", allowed_ips=["203.0.113.7", "198.51.100.9/28"])

    assert list(made) == KEYS
    assert made == {
        **world.asked_trunk(name="Carrier A", detail="d"),
        "id": made["id"],
        "realm": "carrier-a.trunk.localhost",
        "allowed_ips": ["203.0.113.7", "198.51.100.0/28"],
        "tm_create": "2026-02-11T09:30:01.123456Z",
        "tm_update": None,
        "tm_delete": None,
    }
    digests = ha1("pbx01", made["realm"], Secret(PASSWORD))
    (trunk,), (auth,) = rows(world)
    assert {name: trunk[name] for name in SHARED} == {
        "auth_types": '["basic","ip"]',
        "realm": made["realm"],
        "username": "pbx01",
        "password": None,
        "allowed_ips": '["203.0.113.7","198.51.100.0/28"]',
        "ha1": digests.md5,
        "ha1_sha256": digests.sha256,
    }
    assert {name: auth[name] for name in SHARED} == {name: trunk[name] for name in SHARED}
    assert auth["id"] == trunk["id"] == UUID(made["id"]).bytes
    ((type, payload),) = world.events()
    assert type == "trunk_created"
    assert payload == {name: value for name, value in made.items() if name != "password"}
    after = world.everything()
    changed = {table for table in before if before[table] != after[table]}
    assert changed == {
        "registrar_trunks",
        "registrar_sip_auths",
        "registrar_outbox",
        "registrar_customers",
        "ringback_audit",
    } | (changed & {"sqlite_sequence", "registrar_stale_keys"})


@pytest.mark.contract("registrar R-43")
@pytest.mark.parametrize(
    "name",
    [
        "a", "1ab", "ab-", "ab.", "a..b", "ab\n", "a" * 32, "", ".ab", "-ab", "a.-b", "a-.b", "a_b", "a b", "ab\x00",
        "bücher", "a\u0430", "\u212aab", "a/b", "a@b", 7, ["ab"], None,
    ],
)  # fmt: skip
async def test_a_domain_name_outside_the_rule_is_400_and_nothing_is_written(world: World, name: Any) -> None:
    before = world.everything()

    reply = await world.rpc("POST", URI, {**world.asked_trunk(), "domain_name": name})

    assert (reply.refusal, reply.faulty) == ((400, "VALIDATION_FAILED"), ["domain_name"])
    assert world.everything() == before


@pytest.mark.contract("registrar R-43")
@pytest.mark.parametrize("name", ["AB.c", "ab", "a1", "a-b", "a.1.b-2.c", "a--b", "A" + "b" * 30])
async def test_a_domain_name_is_kept_in_lower_case(world: World, name: str) -> None:
    made = await world.create_trunk(name)

    assert (made["domain_name"], made["realm"]) == (name.lower(), f"{name.lower()}.trunk.localhost")


@pytest.mark.contract("registrar R-43")
async def test_a_domain_name_is_one_trunks_on_the_whole_platform_until_that_is_deleted(world: World) -> None:
    made = await world.create_trunk("carrier-a")
    before, other = world.everything(), str(uuid4())

    for customer in (str(world.customer), other):
        again = await world.rpc("POST", URI, world.asked_trunk("CARRIER-A", customer_id=customer))
        assert again.refusal == (409, "TRUNK_DOMAIN_ALREADY_EXISTS")
        assert again.faulty == ["domain_name"]
    assert world.everything() == before
    await world.rpc("DELETE", f"{URI}/{made['id']}")

    assert (await world.create_trunk("carrier-a", customer_id=other))["realm"] == made["realm"]


@pytest.mark.contract("registrar R-43")
async def test_of_many_at_once_who_want_one_domain_name_one_gets_it(world: World) -> None:
    replies = await asyncio.gather(
        *(world.rpc("POST", URI, world.asked_trunk(customer_id=str(uuid4()))) for _ in range(20))
    )

    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 19
    assert [len(found) for found in rows(world)] == [1, 1]


@pytest.mark.contract("registrar R-44")
@pytest.mark.parametrize(
    ("wrong", "faulty"),
    [
        ({"auth_types": []}, ["auth_types"]),
        ({"auth_types": None}, ["auth_types"]),
        ({"auth_types": "basic"}, ["auth_types"]),
        ({"auth_types": {"basic": True}}, ["auth_types"]),
        ({"auth_types": ["x"]}, ["auth_types[0]"]),
        ({"auth_types": ["basic", "IP", None, ["ip"]]}, ["auth_types[1]", "auth_types[2]", "auth_types[3]"]),
        ({"username": None}, ["username"]),
        ({"username": ""}, ["username"]),
        ({"auth_types": ["basic"], "username": None, "password": None}, ["username"]),
        ({"auth_types": ["ip"], "username": None}, ["username"]),
        ({"allowed_ips": None}, ["allowed_ips"]),
        ({"allowed_ips": []}, ["allowed_ips"]),
        ({"auth_types": ["ip"], "allowed_ips": []}, ["allowed_ips"]),
        ({"username": "", "allowed_ips": []}, ["allowed_ips", "username"]),
        ({"allowed_ips": "203.0.113.7"}, ["allowed_ips"]),
        ({"allowed_ips": ["203.0.113.7", "0.0.0.0/0", "::/0"]}, ["allowed_ips[1]", "allowed_ips[2]"]),
        ({"allowed_ips": ["300.1.1.1", "carrier.example.com"]}, ["allowed_ips[0]", "allowed_ips[1]"]),
        ({"allowed_ips": ["203.0.113.7", 7, None, ""]}, ["allowed_ips[1]", "allowed_ips[2]", "allowed_ips[3]"]),
        ({"allowed_ips": [f"10.0.0.{number}" for number in range(101)]}, ["allowed_ips"]),
        *(({"username": f"a{wrong}b"}, ["username"]) for wrong in ' ":;\\^\n\x7fé'),
        ({"username": "a" * 65}, ["username"]),
        *(({"password": wrong}, ["password"]) for wrong in ("", "short", "x" * 81, "with;semicolon", "with space1")),
        ({"name": "\n", "detail": "x" * 256}, ["detail", "name"]),
        ({"customer_id": str(UUID(int=0)), "domain_name": "a", "auth_types": ["y"], "allowed_ips": ["z"]},
         ["allowed_ips[0]", "auth_types[0]", "customer_id", "domain_name"]),
        ({"domain_name": "a", "username": ""}, ["domain_name", "username"]),
    ],
    ids=str,
)  # fmt: skip
async def test_whatever_is_wrong_is_named_and_nothing_is_written(
    world: World, wrong: dict[str, Any], faulty: list[str]
) -> None:
    before = world.everything()

    reply = await world.rpc("POST", URI, {**world.asked_trunk(), **wrong})

    assert (reply.refusal, sorted(reply.faulty)) == ((400, "VALIDATION_FAILED"), faulty)
    assert world.everything() == before


@pytest.mark.contract("registrar R-44")
async def test_ways_and_addresses_stand_once_in_the_order_they_came_in_one_spelling(world: World) -> None:
    made = await world.create_trunk(
        auth_types=["ip", "basic", "ip"],
        allowed_ips=[
            "2001:DB8:0::1", "203.0.113.7/32", "198.51.100.9/28", "203.0.113.7", "2001:db8::/47", "::ffff:10.0.0.1",
        ],
    )  # fmt: skip

    assert made["auth_types"] == ["ip", "basic"]
    assert made["allowed_ips"] == ["2001:db8::1", "203.0.113.7", "198.51.100.0/28", "2001:db8::/47", "10.0.0.1"]


@pytest.mark.contract("registrar R-44")
async def test_a_hundred_addresses_and_every_letter_of_a_username_pass(world: World) -> None:
    letters = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '":\\;^')
    made = await world.create_trunk(username=letters[:64], allowed_ips=[f"10.0.0.{number}" for number in range(100)])
    other = await world.create_trunk("carrier-b", username=letters[64:])

    assert (len(made["allowed_ips"]), made["username"] + other["username"]) == (100, letters)


@pytest.mark.contract("registrar R-44")
async def test_a_password_not_sent_is_made_and_shown_once(world: World) -> None:
    made = await world.create_trunk(password=None)

    assert len(made["password"]) >= 20
    assert made["password"].isalnum()
    (trunk,), _ = rows(world)
    assert trunk["ha1"] == ha1("pbx01", made["realm"], Secret(made["password"])).md5
    assert (await world.rpc("GET", f"{URI}/{made['id']}")).data == {**made, "password": ""}


@pytest.mark.contract("registrar R-44, R-57")
@pytest.mark.parametrize(("storage", "password"), [("digest", None), ("plaintext", "")])
async def test_a_trunk_by_address_alone_has_no_password(
    make_world: MakeWorld, storage: str, password: str | None
) -> None:
    world = make_world(secret_storage=storage)

    made = await world.create_trunk(auth_types=["ip"], username=None, password=None)

    assert (made["username"], made["password"]) == ("", "")
    for (row,) in rows(world):
        assert (row["username"], row["password"], row["ha1"], row["ha1_sha256"]) == ("", password, None, None)


@pytest.mark.contract("registrar R-44")
async def test_what_a_way_not_chosen_needs_may_be_given_and_is_kept(world: World) -> None:
    made = await world.create_trunk(auth_types=["ip"])
    other = await world.create_trunk("carrier-b", auth_types=["basic"])

    assert (made["username"], made["password"], made["auth_types"]) == ("pbx01", PASSWORD, ["ip"])
    assert (other["allowed_ips"], other["auth_types"]) == (["203.0.113.7"], ["basic"])


@pytest.mark.contract("registrar R-46")
async def test_a_trunk_is_found_by_its_domain_name_in_whatever_letter_case(world: World) -> None:
    made = await world.create_trunk("carrier.a-1")

    for name in ("carrier.a-1", "CARRIER.A-1", "carrier%2Ea-1", "Carrier.a%2D1"):
        assert (await world.rpc("GET", f"{URI}/domain_name/{name}")).data == {**made, "password": ""}, name
    for name in ("carrier", "carrier.a-1.trunk.localhost", "carrier.a_1", "%00", "", "carrier%252Ea-1"):
        assert (await world.rpc("GET", f"{URI}/domain_name/{name}")).refusal == (404, "TRUNK_NOT_FOUND"), name


@pytest.mark.contract("registrar R-46, R-25")
async def test_a_deleted_trunk_is_gone_from_the_edge_and_found_by_nobody(world: World) -> None:
    made, other = await world.create_trunk(), await world.create_trunk("carrier-b")
    uri, of = f"{URI}/{made['id']}", {"customer_id": str(world.customer)}
    assert (await world.rpc("GET", f"{URI}/count_by_customer", of)).data == {"count": 2}

    gone = (await world.rpc("DELETE", uri)).data

    assert gone == {**made, "password": "", "tm_update": gone["tm_delete"], "tm_delete": gone["tm_delete"]}
    assert gone["tm_delete"]
    assert [[row["id"] for row in found] for found in rows(world)] == [[UUID(other["id"]).bytes]] * 2
    before = world.everything()
    assert (await world.rpc("GET", f"{URI}/count_by_customer", of)).data == {"count": 1}
    for method, path in (("GET", uri), ("PUT", uri), ("DELETE", uri), ("GET", f"{URI}/domain_name/carrier-a")):
        assert (await world.rpc(method, path, {"name": "x"})).refusal == (404, "TRUNK_NOT_FOUND"), (method, path)
    assert world.everything() == before
    assert (await world.rpc("GET", URI, {**of, "deleted": True})).data == [gone]
    assert [row["id"] for row in (await world.rpc("GET", URI, of)).data] == [other["id"]]
    type, payload = world.events()[-1]
    assert (type, payload["tm_delete"]) == ("trunk_deleted", gone["tm_delete"])


@pytest.mark.contract("registrar R-26")
async def test_an_old_id_cannot_touch_the_newer_trunk_of_the_same_domain_name(world: World) -> None:
    old = await world.create_trunk()
    await world.rpc("DELETE", f"{URI}/{old['id']}")
    await world.create_trunk()
    before = world.everything()

    for method, data in (("PUT", {"password": "Another-Pass-0002"}), ("DELETE", None)):
        assert (await world.rpc(method, f"{URI}/{old['id']}", data)).refusal == (404, "TRUNK_NOT_FOUND")

    assert world.everything() == before


@pytest.mark.contract("registrar R-28")
@pytest.mark.parametrize(
    ("status", "reason"), [(Status.FROZEN, "CUSTOMER_FROZEN"), (Status.DELETED, "CUSTOMER_DELETED")]
)
async def test_a_frozen_or_deleted_customer_gets_no_trunk(world: World, status: Status, reason: str) -> None:
    made = await world.create_trunk()
    await world.set_status(status)
    before = world.everything()

    assert (await world.rpc("POST", URI, world.asked_trunk("carrier-b"))).refusal == (409, reason)
    assert world.everything() == before
    assert (await world.rpc("PUT", f"{URI}/{made['id']}", {"name": "new"})).status_code == 200
    assert (await world.rpc("DELETE", f"{URI}/{made['id']}")).status_code == 200


async def test_a_customer_has_no_more_trunks_than_the_limit(make_world: MakeWorld) -> None:
    world = make_world(limit_trunk_default=2, limit_extension_default=1)
    of = str(world.customer)

    async def at_once(count: int, prefix: str) -> list[int]:
        asked = [world.asked_trunk(f"{prefix}{number}") for number in range(count)]
        replies = await asyncio.gather(*(world.rpc("POST", URI, data) for data in asked))
        assert {reply.reason for reply in replies if reply.status_code != 200} <= {"RESOURCE_LIMIT_EXCEEDED"}
        return sorted(reply.status_code for reply in replies)

    assert await at_once(6, "ca") == [200] * 2 + [429] * 4
    await world.ringback.work.write(lambda uow: realms.set_limits(uow, world.customer, trunk=3))
    assert await at_once(6, "cb") == [200] + [429] * 5
    await world.ringback.work.write(lambda uow: realms.set_limits(uow, world.customer, trunk=0))
    assert await at_once(6, "cc") == [200] * 6
    assert (await world.rpc("GET", f"{URI}/count_by_customer", {"customer_id": of})).data == {"count": 9}
    assert [len(found) for found in rows(world)] == [9, 9]


async def test_trunks_made_and_deleted_are_counted_once_they_are(world: World) -> None:
    made = await world.create_trunk()
    await world.rpc("POST", URI, world.asked_trunk())
    await world.create_trunk("carrier-b")
    await world.rpc("DELETE", f"{URI}/{made['id']}")
    await world.rpc("DELETE", f"{URI}/{made['id']}")

    counters = world.counters()
    assert "registrar_manager_trunk_create_total 2.0" in counters
    assert "registrar_manager_trunk_delete_total 1.0" in counters
    assert 'type="/v1/trunks/<trunk-id>"' in world.metrics()


async def test_a_trunk_as_another_writer_left_it_is_shown_in_full(world: World) -> None:
    made = await world.create_trunk()
    nothing = ("name", "detail", "username", "password", "auth_types", "allowed_ips", "ha1", "ha1_sha256")
    world.sql(f"UPDATE registrar_trunks SET {', '.join(f'{name} = NULL' for name in nothing)}")

    shown = (await world.rpc("GET", f"{URI}/{made['id']}")).data

    empty = {"auth_types": [], "allowed_ips": [], "username": "", "password": "", "name": "", "detail": ""}
    assert shown == {**made, **empty}
