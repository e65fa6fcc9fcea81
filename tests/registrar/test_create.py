"""Creating an extension, by the wire."""

import asyncio
import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringback.kit.errors import CannotStart
from ringback.kit.secret import Secret
from ringback.knobs import load
from ringback.registrar.realms.model import Status
from ringback.sip.digest import ha1
from tests.world import PASSWORD, MakeWorld, World

SOMEBODY = "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"
KEYS = (
    "id,customer_id,name,detail,endpoint_id,aor_id,auth_id,extension,domain_name,realm,username,password,direct_id,"
    "direct_hash,tm_create,tm_update,tm_delete"
)


def bare(world: World, table: str) -> dict[str, Any]:
    """A row of which nobody wrote more than its id."""
    world.sql(f"INSERT INTO {table} (id) VALUES ('bare')")
    (row,) = world.sql(f"DELETE FROM {table} WHERE id = 'bare' RETURNING *")
    return row


@pytest.mark.contract("registrar R-16, R-57")
async def test_a_create_answers_all_keys_and_writes_exactly_these_columns(world: World) -> None:
    reply = await world.rpc("POST", "/v1/extensions", world.asked("1001", name="Front desk"))

    extension = reply.data
    realm = f"{world.customer}.registrar.localhost"
    id = f"1001@{realm}"
    digests = ha1("1001", realm, Secret(PASSWORD))
    assert reply.status_code == 200
    assert ",".join(extension) == KEYS
    assert extension == {
        "id": extension["id"],
        "customer_id": str(world.customer),
        "name": "Front desk",
        "detail": "",
        **dict.fromkeys(("endpoint_id", "aor_id", "auth_id"), id),
        "extension": "1001",
        "domain_name": str(world.customer),
        "realm": realm,
        "username": "1001",
        "password": PASSWORD,
        "direct_id": str(UUID(int=0)),
        "direct_hash": "",
        "tm_create": "2026-02-11T09:30:01.123456Z",
        "tm_update": None,
        "tm_delete": None,
    }
    tables = world.everything()
    assert tables["ps_aors"] == [{**bare(world, "ps_aors"), "id": id, "max_contacts": 3, "remove_existing": "yes"}]
    assert tables["ps_endpoints"] == [
        {
            **bare(world, "ps_endpoints"),
            "id": id,
            "aors": id,
            "auth": id,
            "allow": "ulaw,alaw,g722",
            "direct_media": "no",
            "rewrite_contact": "yes",
            "rtp_symmetric": "yes",
        }
    ]
    assert tables["ps_auths"] == [
        {
            **bare(world, "ps_auths"),
            "id": id,
            "auth_type": "md5",
            "username": "1001",
            "realm": realm,
            "md5_cred": digests.md5,
            **dict.fromkeys(("password", "password_digest", "supported_algorithms_uas", "supported_algorithms_uac")),
        }
    ]
    when = "2026-02-11 09:30:01.123456"
    row = {
        "id": UUID(extension["id"]).bytes,
        "realm": realm,
        "username": "1001",
        "password": None,
        "ha1": digests.md5,
        "ha1_sha256": digests.sha256,
        "tm_create": when,
        "tm_update": None,
    }
    assert tables["registrar_sip_auths"] == [
        {**row, "reference_type": "extension", "auth_types": '["basic"]', "allowed_ips": "[]"}
    ]
    assert tables["registrar_extensions"] == [
        {
            **row,
            "customer_id": world.customer.bytes,
            "name": "Front desk",
            "detail": "",
            **dict.fromkeys(("endpoint_id", "aor_id", "auth_id"), id),
            "extension": "1001",
            "domain_name": str(world.customer),
            "tm_delete": None,
            "contacts_version": None,
        }
    ]
    assert not tables["ps_contacts"] + tables["registrar_directs"] + tables["registrar_direct_hashes"]
    assert [type for type, _ in world.events()] == ["extension_created"]


@pytest.mark.contract("registrar R-16")
async def test_endpoint_defaults_are_written_on_create_and_nothing_else_is_when_they_are_empty(
    make_world: MakeWorld,
) -> None:
    chosen, empty = make_world(endpoint_defaults="allow=opus|ulaw,direct_media=yes"), make_world(endpoint_defaults="")

    await chosen.create()
    await empty.create()

    (row,) = chosen.sql("SELECT allow, direct_media FROM ps_endpoints")
    assert row == {"allow": "opus,ulaw", "direct_media": "yes"}
    (row,) = empty.sql("SELECT allow, direct_media FROM ps_endpoints")
    assert row == {name: bare(empty, "ps_endpoints")[name] for name in row}  # the schema's own


@pytest.mark.contract("registrar R-18")
async def test_a_taken_number_changes_nothing_and_tells_no_one(world: World) -> None:
    await world.create("1001a")
    before = world.everything()

    reply = await world.rpc("POST", "/v1/extensions", world.asked("1001A", name="second"))

    assert reply.refusal == (409, "EXTENSION_ALREADY_EXISTS")
    assert world.everything() == before


@pytest.mark.contract("registrar R-18")
async def test_a_taken_username_is_refused_and_numbers_of_others_are_free(world: World) -> None:
    await world.create("1001", username="front")
    before = world.everything()

    for taken in (world.asked("1002", username="FRONT"), world.asked("1001", username="other"), world.asked("front")):
        reply = await world.rpc("POST", "/v1/extensions", taken)
        assert reply.refusal == (409, "EXTENSION_ALREADY_EXISTS")
        assert world.everything() == before
    assert (await world.create("1001", username="front", customer_id=str(uuid4())))["username"] == "front"


@pytest.mark.contract("registrar R-18")
async def test_fifty_at_once_make_one(world: World) -> None:
    replies = await asyncio.gather(*(world.rpc("POST", "/v1/extensions", world.asked()) for _ in range(50)))

    assert sorted(reply.status_code for reply in replies) == [200, *[409] * 49]
    assert [len(world.everything()[table]) for table in ("registrar_extensions", "ps_auths", "registrar_outbox")] == [
        1,
        1,
        1,
    ]


@pytest.mark.contract("registrar R-18")
async def test_two_processes_cannot_make_one_number_twice(world: World) -> None:
    other = world.start()
    envelopes = [world.envelope("POST", "/v1/extensions", world.asked()) for _ in range(10)]

    replies = await asyncio.gather(
        *(process.rpc.serve(envelope) for envelope in envelopes for process in (world.ringback, other))
    )
    other.database.close()

    assert sum(b'"status_code":200' in reply for reply in replies) == 1
    assert sum(b"EXTENSION_ALREADY_EXISTS" in reply for reply in replies) == 19


WRONG: dict[str, list[Any]] = {
    "extension": ["", "1" * 41, "10@1", "10/1", "10 1", "1001\n", "é", "١", "1001\x00", 1001],
    "username": ["", "u" * 41, "a:b", "a\n", []],
    "password": [
        *("", "x" * 7, "x" * 81, "abcdefg;", "abcd^efgh", "pässword1", "pass word", "password\n", "password\x7f"),
        *(12345678, {}, True),
    ],
    "name": ["x" * 256, "a\nb", "\x00", "\x85", 1, []],
    "detail": ["x" * 256, "\t"],
    "customer_id": ["", "x", str(UUID(int=0)), None, SOMEBODY.replace("-", ""), 7, f"{{{SOMEBODY}}}"],
    "direct": ["true", 1, 0, []],
}


@pytest.mark.contract("registrar R-20")
@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in WRONG.items() for value in values],
    ids=lambda value: repr(value)[:24],
)
async def test_a_value_outside_its_rule_is_a_400_and_writes_nothing(world: World, field: str, value: Any) -> None:
    before = world.everything()

    reply = await world.rpc("POST", "/v1/extensions", world.asked(**{field: value}))

    assert (reply.refusal, reply.faulty) == ((400, "VALIDATION_FAILED"), [field])
    assert world.everything() == before


@pytest.mark.contract("registrar R-20")
@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(
    number=st.text(alphabet="aZ09_.+-", max_size=41) | st.text(alphabet="a0.@/ ;:\n\x7fé", max_size=6),
    password=st.text(alphabet="aZ0~!_", min_size=6, max_size=82)
    | st.text(alphabet="a0~ ;^\n\x7fé", min_size=8, max_size=12),
)
async def test_a_create_succeeds_exactly_within_the_rules(world: World, number: str, password: str) -> None:
    faulty = [] if re.fullmatch(r"[A-Za-z0-9_.+-]{1,40}", number) else ["extension"]
    faulty += [] if re.fullmatch(r"[\x21-\x3a\x3c-\x5d\x5f-\x7e]{8,80}", password) else ["password"]
    world.customer = uuid4()

    reply = await world.rpc("POST", "/v1/extensions", world.asked(number, password=password))

    if faulty:
        assert (reply.refusal, reply.faulty) == ((400, "VALIDATION_FAILED"), faulty)
    else:
        assert (reply.data["extension"], reply.data["password"]) == (number, password)


@pytest.mark.contract("registrar R-20")
async def test_values_at_the_edges_of_their_rules_are_kept_as_given(world: World) -> None:
    passwords = ("x" * 8, "x" * 80, "!\"#$%&'()*+,-./:<=>?@[]_`{|}~\\", "ABCabc012")
    for index, password in enumerate(passwords):
        made = await world.create(f"A_b.+-{index}", password=password)
        assert made["password"] == password
        (row,) = world.sql("SELECT md5_cred FROM ps_auths WHERE id = ?", made["auth_id"])
        assert row["md5_cred"] == ha1(made["username"], made["realm"], Secret(password)).md5
    longest = await world.create("1" * 40, name=" é" + "ü" * 253, detail="", username="u" * 40)

    assert (await world.rpc("GET", f"/v1/extensions/{longest['id']}")).data == {**longest, "password": ""}
    assert longest["name"] == " é" + "ü" * 253


@pytest.mark.contract("registrar R-21")
@pytest.mark.parametrize("given", [{}, {"password": None}])
async def test_an_omitted_password_is_generated_and_shown_once(world: World, given: dict[str, Any]) -> None:
    asked = {"customer_id": str(world.customer), **given}

    made = [(await world.rpc("POST", "/v1/extensions", {**asked, "extension": n})).data for n in ("1001", "1002")]

    for extension in made:
        digests = ha1(extension["username"], extension["realm"], Secret(extension["password"]))
        assert re.fullmatch(r"[A-Za-z0-9]{20,}", extension["password"])
        assert (
            world.sql("SELECT md5_cred FROM ps_auths WHERE id = ?", extension["auth_id"])[0]["md5_cred"] == digests.md5
        )
        for table in ("registrar_extensions", "registrar_sip_auths"):
            row = world.sql(f"SELECT ha1, ha1_sha256 FROM {table} WHERE id = ?", UUID(extension["id"]).bytes)[0]
            assert row == {"ha1": digests.md5, "ha1_sha256": digests.sha256}
        assert (await world.rpc("GET", f"/v1/extensions/{extension['id']}")).data["password"] == ""
    assert made[0]["password"] != made[1]["password"]


@pytest.mark.contract("registrar R-28")
@pytest.mark.parametrize(
    ("status", "reason"), [(Status.FROZEN, "CUSTOMER_FROZEN"), (Status.DELETED, "CUSTOMER_DELETED")]
)
async def test_a_customer_who_is_not_active_gets_nothing_new(world: World, status: Status, reason: str) -> None:
    extension = await world.create()
    await world.set_status(status)
    before = world.everything()

    assert (await world.rpc("POST", "/v1/extensions", world.asked("1002"))).refusal == (409, reason)

    assert world.everything() == before
    assert (await world.rpc("GET", f"/v1/extensions/{extension['id']}")).status_code == 200
    assert (await world.rpc("PUT", f"/v1/extensions/{extension['id']}", {"name": "n"})).status_code == 200
    assert (await world.rpc("DELETE", f"/v1/extensions/{extension['id']}")).status_code == 200


@pytest.mark.contract("registrar R-42")
async def test_a_create_with_direct_is_a_create_followed_by_direct(world: World) -> None:
    at_once = await world.create("1001", direct=True)
    plain = await world.create("1002")
    later = (await world.rpc("PUT", f"/v1/extensions/{plain['id']}", {"direct": True})).data

    for extension in (at_once, later):
        assert re.fullmatch(r"[0-9a-f]{12}", extension["direct_hash"])
        found = await world.rpc("GET", f"/v1/extensions/by-direct-hash/{extension['direct_hash']}")
        assert found.data["id"] == extension["id"]
    assert plain["direct_hash"] == ""
    assert (await world.create("1003", direct=False))["direct_hash"] == ""
    assert [type for type, _ in world.events()][:2] == ["extension_created", "extension_direct_created"]
    assert world.events()[0][1]["direct_hash"] == at_once["direct_hash"]


@pytest.mark.contract("registrar R-53")
async def test_a_chosen_label_is_in_every_name_and_in_the_digest(make_world: MakeWorld) -> None:
    world = make_world(domain_name_extension="Registrar.Example.com")
    await world.label("acme")

    made = await world.create()

    realm = "acme.registrar.example.com"
    assert (made["domain_name"], made["realm"], made["endpoint_id"]) == ("acme", realm, f"1001@{realm}")
    for table in ("ps_endpoints", "ps_aors", "ps_auths"):
        assert [row["id"] for row in world.everything()[table]] == [f"1001@{realm}"]
    assert world.sql("SELECT realm, md5_cred FROM ps_auths") == [
        {"realm": realm, "md5_cred": "ec24f94b2fbb7ddc2148566228ec66bc"}
    ]


@pytest.mark.contract("registrar R-53")
async def test_a_name_over_219_characters_is_refused_at_start_or_create(make_world: MakeWorld) -> None:
    longest = ".".join(["a" * 55, "b" * 55, "cc"])
    make_world(domain_name_extension=longest)
    with pytest.raises(CannotStart, match="domain_name_extension"):
        load({"domain_name_extension": f"{longest}c"})

    world = make_world()
    await world.create("1")
    realm = "r" * (219 - 1 - 10)
    world.sql("UPDATE registrar_customer_domains SET realm = ?", realm)
    before = world.everything()

    reply = await world.rpc("POST", "/v1/extensions", world.asked("1" * 11))

    assert (reply.refusal, reply.faulty) == ((400, "VALIDATION_FAILED"), ["extension"])
    assert world.everything() == before
    assert len((await world.create("1" * 10))["endpoint_id"]) == 219
