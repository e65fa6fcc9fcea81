"""`GET /v1.0/extensions/{id}/diagnosis`: every problem that it knows is made, and told in one sentence."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from structlog.testing import capture_logs

from ringback.registrar.realms.model import Status
from ringback.sip.ami_events import Refusal
from tests.patience import ENOUGH
from tests.sip.test_ami_link import PASSWORD as SECRET
from tests.sip.test_ami_link import Port
from tests.world import PASSWORD, World, refusal

Break = Callable[[World, dict[str, Any]], None]


async def diagnosis(world: World, client: httpx.AsyncClient, made: dict[str, Any], **query: Any) -> dict[str, Any]:
    """As of this very moment: the clocks are compared."""
    world.frozen, world.now = True, datetime.now(UTC)
    answer = await client.get(f"/v1.0/extensions/{made['id']}/diagnosis", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def states(found: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["state"] for check in found["checks"] if check["state"] != "ok"}


async def registered(world: World, **more: Any) -> dict[str, Any]:
    """A phone with nothing wrong."""
    made = await world.create(**{"direct": True, **more})
    world.now = datetime.now(UTC)
    world.register(made["endpoint_id"])
    return made


def refuse(
    world: World, name: str, reason: str, times: int = 1, address: str = "192.0.2.7:5060", ago: int = 60
) -> None:
    at = datetime.now(UTC) - timedelta(seconds=ago)
    for number in range(times):
        refusal = Refusal(at + timedelta(milliseconds=number), reason, address, "udp", "ast-1")
        world.ringback.memory.sip_refusals.note(name, refusal)


async def test_a_phone_that_works_has_no_problem_and_is_told_where_it_is(world: World, http: httpx.AsyncClient) -> None:
    made = await registered(world)
    before = world.everything()

    found = await diagnosis(world, http, made)

    assert (found["ok"], states(found)) == (True, dict.fromkeys(("asterisk", "refusals"), "unknown"))
    assert found["summary"].startswith(f"{made['endpoint_id']} is registered from 192.0.2.44:5062 (Phone/2.1) until ")
    assert found["summary"].endswith("; nothing is wrong that Ringback can see.")
    assert world.everything() == before


def sql(text: str) -> Break:
    def spoil(world: World, made: dict[str, Any]) -> None:
        world.sql(text)

    return spoil


def late(world: World, made: dict[str, Any]) -> None:
    world.sql("UPDATE ps_contacts SET expiration_time = expiration_time + 86400")


def expire(world: World, made: dict[str, Any]) -> None:
    world.sql("UPDATE ps_contacts SET expiration_time = 1767605400")


def elsewhere(world: World, made: dict[str, Any]) -> None:
    world.register(made["endpoint_id"], reg_server="ast-2")


def full(world: World, made: dict[str, Any]) -> None:
    world.sql("UPDATE ps_aors SET max_contacts = 1, remove_existing = 'no'")


BREAKS: dict[str, tuple[str, Break, str]] = {
    "a missing endpoint": (
        "rows",
        sql("DELETE FROM ps_endpoints"),
        "Asterisk does not know the phone: it has no row in ps_endpoints: repair the SIP tables",
    ),
    "missing rows": ("rows", sql("DELETE FROM ps_aors"), "it has no row in ps_aors"),
    "another AOR": ("rows", sql("UPDATE ps_endpoints SET aors = 'x'"), "were altered (aors: x, not 1001@"),
    "another realm": ("credentials", sql("UPDATE ps_auths SET realm = 'pbx'"), "(realm: pbx, not "),
    "another username": ("credentials", sql("UPDATE ps_auths SET username = '7'"), "(username: 7, not 1001)"),
    "another digest": ("algorithm", sql("UPDATE ps_auths SET md5_cred = 'x'"), "Ringback keeps (md5_cred)"),
    "another form": (
        "algorithm",
        sql("UPDATE ps_auths SET md5_cred = NULL, password_digest = 'MD5:1'"),
        "(md5_cred, password_digest)",
    ),
    "no password": (
        "secret",
        sql("UPDATE registrar_extensions SET ha1 = NULL, ha1_sha256 = NULL"),
        "There is no password, so nothing can register",
    ),
    "another customer's realm": (
        "realm",
        sql("UPDATE registrar_customer_domains SET realm = 'y.registrar.localhost'"),
        "and that of its customer is y.registrar.localhost",
    ),
    "no codec": ("codecs", sql("UPDATE ps_endpoints SET allow = '!all'"), "every call gets 488"),
    "another context": ("context", sql("UPDATE ps_endpoints SET context = 'x'"), "in the context x of the dialplan"),
    "no row of the edge": ("edge", sql("DELETE FROM registrar_sip_auths"), "A SIP edge does not know the phone"),
    "an altered row of the edge": (
        "edge",
        sql("UPDATE registrar_sip_auths SET realm = 'x'"),
        "What a SIP edge reads was altered (realm: x, not ",
    ),
    "a contact that ends too late": ("clock", late, "the clock of the Asterisk that wrote it is ahead"),
    "no room": ("room", full, "1 of 1 contacts are taken, and a new one does not replace the oldest"),
    "two servers": ("servers", elsewhere, "The phone is registered at ast-1 and ast-2"),
    "an expired contact": ("contacts", expire, "is not registered: its contact from 192.0.2.44:5062 (Phone/2.1) ended"),
    "no contact": ("contacts", sql("DELETE FROM ps_contacts"), "has not registered, as far as Ringback can see"),
}


@pytest.mark.contract("registrar R-88")
@pytest.mark.parametrize("case", BREAKS)
async def test_what_is_broken_is_named_with_its_reason_and_what_to_do(
    world: World, http: httpx.AsyncClient, case: str
) -> None:
    name, spoil, sentence = BREAKS[case]
    made = await registered(world)
    spoil(world, made)

    found = await diagnosis(world, http, made)

    is_warning = name in ("servers", "context")
    assert states(found)[name] == ("warning" if is_warning else "problem")
    (check,) = [check for check in found["checks"] if check["name"] == name]
    told = f"{check['seen']}: {check['do']}."
    assert sentence in told
    assert check["do"]
    assert found["ok"] == is_warning
    assert found["summary"].endswith(f". {told}") or not is_warning
    alone = {other for other, state in states(found).items() if state == "problem"} == {name}
    assert (found["summary"] == told) or not alone


@pytest.mark.parametrize(("status", "word"), [(Status.FROZEN, "recover the customer"), (Status.DELETED, "deleted")])
async def test_the_customers_end_comes_first(
    world: World, operator: httpx.AsyncClient, status: Status, word: str
) -> None:
    made = await registered(world)
    world.sql("DELETE FROM ps_auths")
    await world.set_status(status)

    found = await diagnosis(world, operator, made, customer_id=str(world.customer))

    assert word in found["summary"]
    assert {"customer", "rows", "direct"} <= states(found).keys()


async def test_a_phone_at_the_edge_and_at_an_asterisk_is_reached_by_every_server(
    world: World, http: httpx.AsyncClient
) -> None:
    made = await registered(world)
    path = f"<sip:192.0.2.5:5060^3Blr^3Bcontact={b'sip:1001@192.0.2.7'.hex()}^3Bpeer={b'sip:192.0.2.7:9'.hex()}>"
    world.register(made["endpoint_id"], reg_server="edge", path=path)

    found = await diagnosis(world, http, made)

    assert "servers" not in states(found)
    (seen,) = [check["seen"] for check in found["checks"] if check["name"] == "servers"]
    assert seen == "The phone is registered at ast-1 and edge"


async def test_a_wrong_password_is_told_with_how_often_since_when_and_from_where(
    world: World, http: httpx.AsyncClient
) -> None:
    made = await world.create()
    refuse(world, made["endpoint_id"], "wrong_password", 12)
    refuse(world, made["endpoint_id"], "request_not_allowed", 1)

    found = await diagnosis(world, http, made)

    assert found["summary"].startswith("The phone was refused 12 times since 20")
    assert " from 192.0.2.7 because its password is wrong: set the password again on the phone, or " in found["summary"]
    assert f"extension update --id {made['id']} --generate_password" in found["summary"]
    assert PASSWORD not in str(found)


async def test_a_refusal_of_long_ago_or_of_who_has_come_in_since_is_none(world: World, http: httpx.AsyncClient) -> None:
    made = await registered(world)
    refuse(world, made["endpoint_id"], "wrong_password", ago=3700)
    refuse(world, made["endpoint_id"], "wrong_password", address="192.0.2.44:5062")
    assert (await diagnosis(world, http, made))["ok"]

    refuse(world, made["endpoint_id"], "unknown_account", address="[2001:db8::7]:5060")

    assert " once since " in (summary := (await diagnosis(world, http, made))["summary"])
    assert " from 2001:db8::7 because Asterisk does not know it: " in summary


async def test_another_spelling_of_the_name_is_told(world: World, http: httpx.AsyncClient) -> None:
    made = await world.create("Alice")
    other = made["endpoint_id"].replace("Alice", "alice")
    refuse(world, other, "unknown_account")

    found = await diagnosis(world, http, made)

    assert found["summary"].startswith(f"A phone calls itself {other} and is refused, since it is Alice@")


@pytest.mark.sqlite
async def test_a_direct_address_that_rings_somebody_else_is_told(world: World, http: httpx.AsyncClient) -> None:
    made = await registered(world)
    world.sql("DROP VIEW ringback_addresses")
    world.sql(
        "CREATE VIEW ringback_addresses AS SELECT hash, 'x' AS endpoint, 'active' AS status FROM registrar_directs"
    )

    assert "The direct address rings x and not the phone" in (await diagnosis(world, http, made))["summary"]

    world.sql("DROP VIEW ringback_addresses")
    world.sql(
        "CREATE VIEW ringback_addresses AS SELECT hash, hash AS endpoint, 'frozen' AS status FROM registrar_directs"
    )
    assert "rings nobody" in (await diagnosis(world, http, made))["summary"]


async def test_a_clock_that_is_another_is_told(world: World, http: httpx.AsyncClient) -> None:
    made = await registered(world)
    for seconds, word in ((-60, "ahead of"), (60, "behind")):
        world.frozen, world.now = True, datetime.now(UTC) + timedelta(seconds=seconds)
        found = (await http.get(f"/v1.0/extensions/{made['id']}/diagnosis")).json()
        (check,) = [check for check in found["checks"] if check["name"] == "clock"]
        assert check["state"] == "problem"
        assert f" s {word} ours" in check["seen"]


async def test_a_clear_password_where_digests_are_to_be_kept_is_told_and_not_shown(
    world: World, http: httpx.AsyncClient
) -> None:
    made = await registered(world)
    world.sql("UPDATE registrar_extensions SET password = 'Sample-Pass-0007'")

    found = await diagnosis(world, http, made)

    assert "kept in clear, though secret_storage is digest" in str(found["checks"])
    assert "Sample-Pass" not in str(found)


async def test_digests_where_an_edge_needs_clear_passwords_are_told(make_world: Callable[..., World]) -> None:
    digests = make_world()
    made = await digests.create()
    plain = make_world(beside=digests, secret_storage="plaintext")
    plain.customer = digests.customer
    async with await plain.http() as http:
        found = await diagnosis(plain, http, made)

    assert "secret_storage is plaintext" in str(found["checks"])


@pytest.mark.contract("registrar R-88")
async def test_whose_it_is_not_and_what_is_no_more_is_not_there(
    world: World, http: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    made = await world.create()
    place = f"/v1.0/extensions/{made['id']}/diagnosis"
    stranger = {"customer_id": str(UUID(int=7))}
    assert refusal(await operator.get(place, params=stranger)) == (404, "EXTENSION_NOT_FOUND")

    await http.delete(f"/v1.0/extensions/{made['id']}")

    assert refusal(await http.get(place)) == (404, "EXTENSION_NOT_FOUND")


@pytest.mark.sqlite
@pytest.mark.parametrize("what", ["VIEW ringback_addresses", "TABLE ps_aors"])
async def test_a_table_or_view_that_somebody_has_taken_away_is_told_and_no_traceback_is_logged(
    world: World, http: httpx.AsyncClient, what: str
) -> None:
    made = await registered(world)
    world.sql(f"DROP {what}")

    with capture_logs() as logged:
        answer = await http.get(f"/v1.0/extensions/{made['id']}/diagnosis")

    assert refusal(answer) == (503, "DATABASE_TABLE_MISSING")
    assert "'ringback doctor' names it" in answer.text
    assert [line["error"] for line in logged if "error" in line] == [f"no such table: main.{what.split()[1]}"]
    assert not [line for line in logged if line.get("exc_info")]


async def test_when_and_how_the_last_contact_ended_is_told(world: World, http: httpx.AsyncClient) -> None:
    made = await registered(world)
    await world.ringback.feed.once()
    world.sql("DELETE FROM ps_contacts")
    await world.ringback.feed.once()

    assert (
        " is not registered: its contact from 192.0.2.44 (Phone/2.1) was unregistered at "
        in (await diagnosis(world, http, made))["summary"]
    )


async def test_a_phone_that_comes_and_goes_is_told(world: World, http: httpx.AsyncClient) -> None:
    made = await registered(world)
    for _ in range(6):
        world.sql("DELETE FROM ps_contacts")
        await world.ringback.feed.once()
        world.register(made["endpoint_id"])
        await world.ringback.feed.once()

    found = await diagnosis(world, http, made)

    assert (found["ok"], states(found)["flaps"]) == (True, "warning")


async def test_asterisks_that_cannot_be_heard_are_told_without_where_they_are(make_world: Callable[..., World]) -> None:
    one, two = "ami://x:Sample-Pass-0001@127.0.0.1:1", "ami://x:Sample-Pass-0001@127.0.0.1:2"
    for addresses, sentence in ((one, "Asterisk cannot be heard"), (f"{one},{two}", "2 of 2 Asterisks cannot be")):
        world = make_world(asterisk_ami=addresses)
        made = await registered(world)
        async with await world.http() as http:
            found = await diagnosis(world, http, made)
        assert found["summary"].startswith(sentence)
        assert "127.0.0.1" not in str(found)


async def test_an_asterisk_that_is_heard_is_no_problem_and_its_refusals_are_known(
    make_world: Callable[..., World],
) -> None:
    port = Port()
    server = await asyncio.start_server(port.serve, "127.0.0.1", 0)
    address = "{}:{}".format(*server.sockets[0].getsockname())
    world = make_world(asterisk_ami=f"ami://ringback:{SECRET.reveal()}@{address}")
    made = await registered(world)
    (link,) = world.ringback.asterisks.links
    async with server, await world.http() as http, asyncio.timeout(ENOUGH):
        session = asyncio.create_task(link.session())
        while not link.is_connected:  # noqa: ASYNC110
            await asyncio.sleep(0)
        found = await diagnosis(world, http, made)
        session.cancel()
        await asyncio.wait([session])

    assert (found["ok"], states(found)) == (True, {})
