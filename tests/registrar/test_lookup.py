"""Who is behind a direct address, and who may ask how often."""

import pytest

from ringback.registrar.realms.model import Status
from tests.world import World

LOOKUPS = ("/v1/extensions/by-direct-hash/{}", "/v1/extension-directs?hash={}")


def with_source(uri: str, source: str) -> str:
    return f"{uri}{'&' if '?' in uri else '?'}source={source}"


@pytest.mark.contract("registrar R-36")
async def test_every_spelling_of_a_hash_is_the_same_address(world: World) -> None:
    world.hashes = ["7c09e1b4d2f8"]
    made = await world.create(direct=True)
    direct = {
        "id": made["direct_id"],
        "customer_id": made["customer_id"],
        "extension_id": made["id"],
        "hash": "7c09e1b4d2f8",
        "tm_create": made["tm_create"],
        "tm_update": None,
        "tm_delete": None,
    }

    for hash in (
        "7c09e1b4d2f8",
        "7C09E1B4D2F8",
        "direct.7c09e1b4d2f8",
        "DIRECT.7c09E1B4d2f8",
        "%37c09e1b4d2f%38",
        "direct%2E7c09e1b4d2f8",
        "%64irect%2e7C09e1b4d2f8",
    ):
        for uri, found in zip(LOOKUPS, ({**made, "password": ""}, direct), strict=True):
            reply = await world.rpc("GET", uri.format(hash))
            assert (reply.status_code, reply.data) == (200, found), hash


@pytest.mark.contract("registrar R-39")
async def test_all_misses_look_alike_and_an_empty_hash_is_a_400(world: World) -> None:
    disabled, deleted = await world.create("1", direct=True), await world.create("2", direct=True)
    frozen, of_deleted = await world.create("3", direct=True), await world.create("4", direct=True)
    await world.rpc("PUT", f"/v1/extensions/{disabled['id']}", {"direct": False})
    await world.rpc("DELETE", f"/v1/extensions/{deleted['id']}")
    taken_over = await world.create("5", direct=True)
    world.sql("UPDATE registrar_extensions SET tm_delete = tm_create WHERE extension = '5'")
    await world.set_status(Status.FROZEN)
    hashes = [made["direct_hash"] for made in (disabled, deleted, taken_over, frozen)]
    malformed = ["0" * 12, "x", "0" * 11, "a" * 65, "direct.", "direct.direct.0123456789ab", "directx0123456789ab"]
    malformed += ["0123456789ab%0a", "%00", "%ff", "0123456789ab%20", "01234567_9ab", "sip:0123456789ab", "%EF%BC%90"]

    replies = [await world.serve(world.envelope("GET", uri.format(h))) for h in hashes + malformed for uri in LOOKUPS]
    await world.set_status(Status.ACTIVE)
    replies += [await world.rpc("GET", uri.format(taken_over["direct_hash"])) for uri in LOOKUPS]
    assert (await world.rpc("GET", LOOKUPS[0].format(frozen["direct_hash"]))).status_code == 200
    await world.set_status(Status.DELETED)
    replies += [await world.rpc("GET", uri.format(of_deleted["direct_hash"])) for uri in LOOKUPS]

    assert [reply.raw for reply in replies] == [replies[0].raw] * len(replies)
    assert replies[0].refusal == (404, "DIRECT_NOT_FOUND")
    for uri in LOOKUPS:
        reply = await world.rpc("GET", uri.format(""))
        assert (reply.refusal, reply.faulty) == ((400, "VALIDATION_FAILED"), ["hash"])


@pytest.mark.contract("registrar R-39")
async def test_an_extension_deleted_during_the_lookup_is_a_miss_like_any_other(world: World) -> None:
    made, other = await world.create(direct=True), world.start()
    uri = LOOKUPS[0].format(made["direct_hash"])
    unknown = await world.rpc("GET", LOOKUPS[0].format("0" * 12))

    world.during(1, other.rpc.serve(world.envelope("DELETE", f"/v1/extensions/{made['id']}")))
    reply = await world.rpc("GET", uri)

    other.database.close()
    assert world.everything()["ps_auths"] == []
    assert reply.raw == unknown.raw


@pytest.mark.contract("registrar R-40")
@pytest.mark.parametrize("uri", LOOKUPS)
async def test_the_eleventh_miss_a_minute_shuts_its_source_and_no_other(world: World, uri: str) -> None:
    made = await world.create(direct=True)
    unknown, known = uri.format("0" * 12), uri.format(made["direct_hash"])
    for number in range(10):
        assert (await world.rpc("GET", with_source(known, "192.0.2.1"))).status_code == 200
        reply = await world.rpc("GET", with_source(unknown if number % 2 else uri.format("nonsense"), "192.0.2.1"))
        assert reply.refusal == (404, "DIRECT_NOT_FOUND")
        world.wait(5)

    for asked in (unknown, known):
        reply = await world.rpc("GET", with_source(asked, "192.0.2.1"))
        assert reply.refusal == (429, "LOOKUP_RATE_LIMITED")
    assert (await world.rpc("GET", with_source(known, "2001:db8::1"))).status_code == 200
    assert (await world.rpc("GET", known)).status_code == 200
    assert (await world.rpc("GET", known, publisher="call-manager")).status_code == 200
    assert (await world.rpc("GET", with_source(unknown, "192.0.2.2"))).refusal == (404, "DIRECT_NOT_FOUND")

    world.wait(59)
    assert (await world.rpc("GET", with_source(known, "192.0.2.1"))).status_code == 429
    world.wait(1)
    assert (await world.rpc("GET", with_source(known, "192.0.2.1"))).status_code == 200
    assert (await world.rpc("GET", with_source(unknown, "192.0.2.1"))).refusal == (404, "DIRECT_NOT_FOUND")


@pytest.mark.contract("registrar R-40")
async def test_misses_older_than_a_minute_do_not_count(world: World) -> None:
    for _ in range(30):
        reply = await world.rpc("GET", with_source(LOOKUPS[0].format("0" * 12), "192.0.2.1"))
        assert reply.refusal == (404, "DIRECT_NOT_FOUND")
        world.wait(6.001)


@pytest.mark.contract("registrar R-40")
async def test_a_publisher_without_source_is_never_refused(world: World) -> None:
    made = await world.create(direct=True)

    for _ in range(60):
        assert (await world.rpc("GET", LOOKUPS[0].format("0" * 12))).refusal == (404, "DIRECT_NOT_FOUND")

    assert (await world.rpc("GET", LOOKUPS[0].format(made["direct_hash"]))).status_code == 200
    shown = world.metrics()
    assert 'registrar_manager_direct_lookup_total{result="miss"} 60.0' in shown
    assert 'registrar_manager_direct_lookup_total{result="hit"} 1.0' in shown
