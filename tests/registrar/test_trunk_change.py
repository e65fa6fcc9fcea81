"""Changing a trunk, by the wire."""

from typing import Any
from uuid import UUID

import pytest

from ringback.kit.secret import Secret
from ringback.registrar.trunks import service
from ringback.sip.digest import ha1
from tests.registrar.test_trunks import SHARED, URI, rows
from tests.world import PASSWORD, MakeWorld, Reply, World

NEW = "Another-Pass-0002"


async def put(world: World, trunk: dict[str, Any], **asked: Any) -> Reply:
    """The reply to a PUT; whatever it does, the edge's row is as the trunk's."""
    reply = await world.rpc("PUT", f"{URI}/{trunk['id']}", asked)
    (row,), (auth,) = rows(world)
    assert {name: auth[name] for name in SHARED} == {name: row[name] for name in SHARED}
    return reply


async def test_absent_and_null_fields_stay_as_they_are(world: World) -> None:
    made = await world.create_trunk(detail="d")
    before, _ = rows(world)

    reply = await put(world, made, name="x", **dict.fromkeys(("detail", "auth_types", "username", "password")),
                      allowed_ips=None, password_regenerate=None)  # fmt: skip

    at = reply.data["tm_update"]
    assert reply.data == {**made, "name": "x", "password": "", "tm_update": at}
    (row,), (auth,) = rows(world)
    assert row == {**before[0], "name": "x", "tm_update": at.replace("T", " ").rstrip("Z")}
    assert auth["tm_update"] is None
    assert [(type, payload["name"]) for type, payload in world.events()[1:]] == [("trunk_updated", "x")]


@pytest.mark.contract("registrar R-45")
@pytest.mark.parametrize(
    "asked",
    [
        None,
        {},
        {"unknown": 1, "domain_name": "other", "realm": "z", "customer_id": "x", "id": "y"},
        {"name": "n", "detail": "d", "auth_types": ["basic", "ip", "basic"], "username": "pbx01"},
        {"allowed_ips": ["203.0.113.7/32", "198.51.100.0/28", "203.0.113.7"]},
        {"allowed_ips": ["::ffff:203.0.113.7", "198.51.100.15/28"]},
        {"password": PASSWORD},
        {"username": "pbx01", "password": PASSWORD},
        {"name": "n", "detail": "d", "password": "", "password_regenerate": False},
    ],
)
async def test_a_put_that_changes_nothing_is_200_and_writes_nothing(world: World, asked: Any) -> None:
    made = await world.create_trunk(name="n", detail="d", allowed_ips=["203.0.113.7", "198.51.100.0/28"])
    before = world.everything()

    reply = await world.rpc("PUT", f"{URI}/{made['id']}", asked)

    assert (reply.status_code, reply.data) == (200, {**made, "password": ""})
    assert world.everything() == before


@pytest.mark.contract("registrar R-45")
@pytest.mark.parametrize(
    "more", [{"password": NEW}, {"password_regenerate": True}, {"username": "new", "password": PASSWORD}]
)
async def test_a_password_that_a_change_sets_is_shown_once_and_reaches_both_tables(
    world: World, more: dict[str, Any]
) -> None:
    made = await world.create_trunk()

    reply = await put(world, made, **more)

    digests = ha1(reply.data["username"], made["realm"], Secret(reply.data["password"]))
    assert len(reply.data["password"]) >= 16
    for (row,) in rows(world):
        assert (row["ha1"], row["ha1_sha256"], row["password"]) == (digests.md5, digests.sha256, None)
    assert (await put(world, made, name="x")).data["password"] == ""
    assert "password" not in world.events()[1][1]


@pytest.mark.contract("registrar R-45")
async def test_a_password_that_is_the_same_is_not_shown_again(world: World) -> None:
    made = await world.create_trunk()

    reply = await put(world, made, name="x", password=PASSWORD)

    assert (reply.data["name"], reply.data["password"]) == ("x", "")


@pytest.mark.contract("registrar R-45")
async def test_in_digest_mode_a_new_username_needs_a_password_with_it(world: World) -> None:
    made = await world.create_trunk()
    before = world.everything()

    refused = await put(world, made, username="new", name="x")

    assert (refused.refusal, refused.faulty) == ((400, "VALIDATION_FAILED"), ["password"])
    assert world.everything() == before
    assert (await put(world, made, username="new", password=NEW)).data["username"] == "new"
    assert len((await put(world, made, username="newer", password_regenerate=True)).data["password"]) >= 20


@pytest.mark.contract("registrar R-45")
async def test_in_plaintext_mode_a_new_username_keeps_the_password(make_world: MakeWorld) -> None:
    world = make_world(secret_storage="plaintext", rpc_read_password=True)
    made = await world.create_trunk()

    reply = await put(world, made, username="new")

    assert (reply.status_code, reply.data["username"], reply.data["password"]) == (200, "new", "")
    (row,), _ = rows(world)
    assert (row["username"], row["password"], row["ha1"]) == ("new", PASSWORD, None)
    assert (await world.rpc("GET", f"{URI}/{made['id']}")).data["password"] == PASSWORD


@pytest.mark.contract("registrar R-45, R-46")
async def test_a_way_out_of_use_keeps_what_it_needs_for_later(world: World) -> None:
    made = await world.create_trunk()
    before, _ = rows(world)

    by_address = await put(world, made, auth_types=["ip"])
    by_digest = await put(world, made, auth_types=["basic"])
    by_both = await put(world, made, auth_types=["basic", "ip"])

    assert [reply.data["auth_types"] for reply in (by_address, by_digest)] == [["ip"], ["basic"]]
    assert by_both.data == {**made, "password": "", "tm_update": by_both.data["tm_update"]}
    (row,), _ = rows(world)
    assert row == {**before[0], "tm_update": row["tm_update"]}


@pytest.mark.contract("registrar R-45, R-46")
@pytest.mark.parametrize("storage", ["digest", "plaintext"])
async def test_the_first_credential_of_a_trunk_by_address_is_made_and_shown_once(
    make_world: MakeWorld, storage: str
) -> None:
    world = make_world(secret_storage=storage)
    made = await world.create_trunk(auth_types=["ip"], username=None, password=None)

    early = await put(world, made, username="pbx01")
    reply = await put(world, made, auth_types=["ip", "basic"])

    assert (early.status_code, early.data["username"], early.data["password"]) == (200, "pbx01", "")
    assert len(reply.data["password"]) >= 20
    (row,), _ = rows(world)
    kept = row["password"] or row["ha1"]
    assert kept in (reply.data["password"], ha1("pbx01", made["realm"], Secret(reply.data["password"])).md5)
    assert (await put(world, made, username="pbx01", auth_types=["basic"])).data["password"] == ""


@pytest.mark.contract("registrar R-45, R-46")
@pytest.mark.parametrize(("storage", "none"), [("digest", None), ("plaintext", "")])
async def test_a_username_that_is_taken_away_takes_its_password_along(
    make_world: MakeWorld, storage: str, none: str | None
) -> None:
    world = make_world(secret_storage=storage)
    made = await world.create_trunk()

    cleared = await put(world, made, username="", auth_types=["ip"], detail="")

    assert (cleared.data["username"], cleared.data["password"]) == ("", "")
    for (row,) in rows(world):
        assert (row["username"], row["password"], row["ha1"], row["ha1_sha256"]) == ("", none, None, None)
    assert (await put(world, made, auth_types=["basic"])).faulty == ["username"]
    assert len((await put(world, made, auth_types=["basic"], username="pbx01")).data["password"]) >= 20


@pytest.mark.contract("registrar R-45, R-44")
@pytest.mark.parametrize(
    ("asked", "faulty"),
    [
        ({"auth_types": []}, ["auth_types"]),
        ({"auth_types": ["basic", "x"]}, ["auth_types[1]"]),
        ({"username": ""}, ["username"]),
        ({"username": "", "auth_types": ["ip"], "password": NEW}, ["username"]),
        ({"username": "", "auth_types": ["ip"], "password_regenerate": True}, ["username"]),
        ({"allowed_ips": []}, ["allowed_ips"]),
        ({"allowed_ips": [], "username": ""}, ["allowed_ips", "username"]),
        ({"allowed_ips": [], "username": "new"}, ["allowed_ips", "password"]),
        ({"allowed_ips": ["203.0.113.7", "0.0.0.0/0"], "auth_types": ["y"]}, ["allowed_ips[1]", "auth_types[0]"]),
        ({"password": "short", "username": "a b"}, ["password", "username"]),
        ({"password": NEW, "password_regenerate": True}, ["password_regenerate"]),
        ({"name": "a\x00", "detail": "x" * 256, "password_regenerate": 1}, ["detail", "name", "password_regenerate"]),
    ],
    ids=str,
)  # fmt: skip
async def test_a_change_after_which_the_trunk_would_be_wrong_writes_nothing(
    world: World, asked: dict[str, Any], faulty: list[str]
) -> None:
    made = await world.create_trunk()
    before = world.everything()

    reply = await put(world, made, **{"name": "new", **asked})

    assert (reply.refusal, sorted(reply.faulty)) == ((400, "VALIDATION_FAILED"), faulty)
    assert world.everything() == before


@pytest.mark.contract("registrar R-23")
async def test_an_empty_password_means_absent_over_rpc_unless_it_is_told_to_refuse_it(make_world: MakeWorld) -> None:
    keep, refuse = make_world(), make_world(empty_password_on_put="refuse")
    kept, refused = await keep.create_trunk(), await refuse.create_trunk()

    reply = await put(keep, kept, name="n", password="")

    assert (reply.status_code, reply.data["name"], reply.data["password"]) == (200, "n", "")
    assert (await put(keep, kept, username="new", password="")).faulty == ["password"]
    assert (await put(refuse, refused, name="n", password="")).faulty == ["password"]


@pytest.mark.contract("registrar R-45")
async def test_reads_show_the_clear_password_only_where_that_is_set(make_world: MakeWorld) -> None:
    shown = {}
    for reads in (True, False):
        world = make_world(secret_storage="plaintext", rpc_read_password=reads)
        made = await world.create_trunk()
        await world.create_trunk("carrier-b", auth_types=["ip"], username=None, password=None)
        of = {"customer_id": str(world.customer)}
        (other, listed) = (await world.rpc("GET", URI, of)).data
        read = [(await world.rpc("GET", f"{URI}/{path}")).data for path in (made["id"], "domain_name/carrier-a")]
        changed = (await world.rpc("PUT", f"{URI}/{made['id']}", {"name": "x"})).data
        assert (other["password"], changed["password"]) == ("", "")
        assert PASSWORD not in str(world.events())
        shown[reads] = {row["password"] for row in [listed, *read]}

    assert shown == {True: {PASSWORD}, False: {""}}


@pytest.mark.contract("registrar R-57")
async def test_clear_passwords_of_trunks_become_digests_and_no_password_stays_none(make_world: MakeWorld) -> None:
    world = make_world(secret_storage="plaintext")
    made = [
        await world.create_trunk(),
        await world.create_trunk("carrier-b", auth_types=["ip"], username=None, password=None),
        await world.create_trunk("carrier-c", auth_types=["ip"]),
        await world.create_trunk("carrier-d"),
        await world.create_trunk("carrier-e"),
    ]
    nameless = UUID(made[4]["id"]).bytes
    world.sql("UPDATE registrar_trunks SET username = '' WHERE id = ?", nameless)
    await world.rpc("DELETE", f"{URI}/{made[3]['id']}")
    events = world.events()

    turned = [await world.ringback.work.write(lambda uow: service.keep_digests(uow, 3)) for _ in range(3)]

    assert turned == [3, 2, 0]
    assert await world.ringback.work.read(service.count_plain) == 0
    assert world.events() == events
    digests: dict[bytes, str | None] = {
        UUID(trunk["id"]).bytes: ha1("pbx01", trunk["realm"], Secret(PASSWORD)).md5 for trunk in made
    }
    digests |= {nameless: None, UUID(made[1]["id"]).bytes: None}
    kept = world.sql("SELECT id, ha1, password FROM registrar_trunks")
    assert {row["id"]: row["ha1"] for row in kept} == digests
    for row in [*kept, *rows(world)[1]]:
        assert (row["password"], row["ha1"]) == (None, digests[row["id"]])
    assert len(rows(world)[1]) == 4
