"""Who is behind a direct address, and who may ask how often."""

import asyncio
from collections.abc import Callable
from urllib.parse import quote

import pytest

from ringback.registrar.directs.model import source_of
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


@pytest.mark.sqlite
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


SPELLINGS = {
    "192.0.2.1": ["192.0.2.1:5060", "[192.0.2.1]:5060", "::ffff:192.0.2.1", "::FFFF:c000:201", "[::ffff:192.0.2.1]:7",
                  " 192.0.2.1 ", "192.0.2.1:65535", "0:0:0:0:0:ffff:c000:0201"],
    "2001:db8:0:1::/64": ["2001:db8:0:1::1", "2001:DB8:0:1::1", "2001:0db8:0000:0001:ffff:ffff:ffff:ffff",
                          "[2001:db8:0:1::2]", "[2001:db8:0:1::3]:5060", "2001:db8:0:1:0:0:192.0.2.1",
                          "2001:db8:0:1::1%eth0", "[2001:db8:0:1::1%25eth0]:5060",
                          "2001:db8:0:1::1%a%b"],
    "edge.example.com": ["edge.example.com", "EDGE.example.COM", "edge.example.com:5060", "[edge.example.com]:5060"],
    "a" * 64: ["a" * 64, "A" * 65, "a" * 64 + "b"],
    "300.1.1.1": ["300.1.1.1", "300.1.1.1:5060"],
    "x:y:5060": ["x:y:5060"],
    "２": ["２"],
    "": [" ", "[]", ":5060"],
}  # fmt: skip


@pytest.mark.contract("registrar R-40")
def test_a_source_has_one_spelling() -> None:
    found = {name: {source_of(spelling) for spelling in spellings} for name, spellings in SPELLINGS.items()}

    assert found == {name: {name} for name in SPELLINGS}
    assert source_of("2001:db8:0:2::1") != source_of("2001:db8:0:1::1")
    assert source_of("192.0.2.2") != source_of("192.0.2.1")
    assert all(source_of(name) == name for name in SPELLINGS if "/" not in name)


@pytest.mark.contract("registrar R-40")
@pytest.mark.parametrize("name", ["192.0.2.1", "2001:db8:0:1::/64", "edge.example.com"])
async def test_another_spelling_of_a_source_is_no_fresh_budget(world: World, name: str) -> None:
    spellings = SPELLINGS[name]
    replies = []
    for number in range(11):
        uri = LOOKUPS[number % 2].format("0" * 12)
        replies.append(await world.rpc("GET", with_source(uri, quote(spellings[number % len(spellings)]))))

    assert [reply.status_code for reply in replies] == [404] * 10 + [429]
    for spelling in spellings:
        assert (await world.rpc("GET", with_source(LOOKUPS[0].format("x"), quote(spelling)))).status_code == 429


@pytest.mark.contract("registrar R-40")
@pytest.mark.long
async def test_a_thousand_sources_have_a_thousand_budgets(world: World) -> None:
    made = await world.create(direct=True)
    sources = [f"198.51.{number // 256}.{number % 256}" for number in range(1000)]

    async def statuses(hash: str, asking: list[str]) -> dict[str, int]:
        """What each is answered, some at a time."""
        found: dict[str, int] = {}
        for first in range(0, len(asking), 25):
            some = asking[first : first + 25]
            replies = await asyncio.gather(
                *(world.rpc("GET", with_source(LOOKUPS[0].format(hash), who)) for who in some)
            )
            found |= {who: reply.status_code for who, reply in zip(some, replies, strict=True)}
        return found

    for turn in range(11):
        asking = sources[:: 1 if turn in (0, 10) else 100]
        missed = await statuses("0" * 12, asking)
        assert missed == {who: 429 if turn == 10 and who in sources[::100] else 404 for who in asking}

    found = await statuses(made["direct_hash"], sources)
    assert [source for source, status in found.items() if status == 429] == sources[::100]
    assert set(found.values()) == {200, 429}
    assert 'registrar_manager_direct_lookup_total{result="limited"} 20.0' in world.metrics()


@pytest.mark.contract("registrar R-39, R-40")
async def test_the_hash_of_a_frozen_customer_costs_as_a_miss_and_hits_cost_nothing(world: World) -> None:
    made = await world.create(direct=True)
    uri = with_source(LOOKUPS[0].format(made["direct_hash"]), "192.0.2.1")
    for _ in range(30):
        assert (await world.rpc("GET", uri)).status_code == 200
    await world.set_status(Status.FROZEN)
    for _ in range(10):
        assert (await world.rpc("GET", uri)).refusal == (404, "DIRECT_NOT_FOUND")

    assert (await world.rpc("GET", uri)).refusal == (429, "LOOKUP_RATE_LIMITED")

    await world.set_status(Status.ACTIVE)
    assert (await world.rpc("GET", uri)).refusal == (429, "LOOKUP_RATE_LIMITED")
    world.wait(60)
    assert (await world.rpc("GET", uri)).status_code == 200


@pytest.mark.contract("registrar R-40")
async def test_a_publisher_who_misses_51_times_a_second_is_said_once_a_second_and_served(
    world: World, logged: Callable[[], str]
) -> None:
    async def misses(number: int, **more: str) -> int:
        """How many warnings that many misses cause."""
        before = logged().count("many unknown direct hashes")
        for _ in range(number):
            assert (await world.rpc("GET", LOOKUPS[0].format("0" * 12), **more)).status_code == 404
        return logged().count("many unknown direct hashes") - before

    for number in range(60):
        await world.rpc("GET", with_source(LOOKUPS[0].format("x"), str(number)))
    assert await misses(50) == 0
    assert await misses(50, publisher="other" * 100) == 0
    assert await misses(20) == 1
    assert "other" not in logged()
    assert await misses(1, publisher="other" * 100) == 1
    assert f'"publisher": "{"other" * 12}othe"' in logged()
    world.wait(1)
    assert await misses(50) == 0
    world.wait(0.5)
    assert await misses(1) == 1
    shut = world.ringback.memory.misses
    assert not await shut.is_shut("test")
    assert 'direct_lookup_total{result="limited"}' not in world.metrics()
    assert 'registrar_manager_direct_lookup_total{result="miss"} 232.0' in world.metrics()


@pytest.mark.contract("registrar R-40")
async def test_a_source_that_is_blank_is_no_way_around_the_budget(world: World) -> None:
    uri = with_source(LOOKUPS[0].format("0" * 12), "%20")

    assert [(await world.rpc("GET", uri)).status_code for _ in range(11)] == [404] * 10 + [429]
