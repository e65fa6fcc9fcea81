"""Trunks at a real edge: a Kamailio that reads what Ringback has written, in front of an Asterisk that rings phones."""

import asyncio

import pytest

from .conftest import Callee, Edge, Outcome, StartPhone, as_phone, until
from .digest import register

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

CARRIER, ELSEWHERE = "127.0.0.2", "127.0.0.3"
LET_IN: Outcome = (200, [])
PROVED: Outcome = (200, ["MD5"])
REFUSED: Outcome = (401, ["MD5"])


@pytest.mark.contract("registrar R-46")
async def test_a_trunk_that_proves_its_password_registers_and_rings_a_phone(
    edge: Edge, phone: StartPhone, callee: Callee
) -> None:
    trunk = await edge.create("by-digest", "basic", username="pbx01", password="Sample-Pass-0001")
    one, address = callee
    pbx = await phone(as_phone(trunk, password="Sample-Pass-0001"), tone=1000, server=edge.kamailio.at)

    assert await edge.register(trunk) == PROVED
    assert await pbx.register() == 200
    made = await pbx.call(address, talk=0.4)

    assert (made.status, made.heard(660) > 0.8, (await one.next_call()).heard(1000) > 0.8) == (200, True, True)


@pytest.mark.contract("registrar R-46")
async def test_a_wrong_password_or_name_is_refused_like_a_trunk_that_is_not_there(
    edge: Edge, phone: StartPhone, callee: Callee
) -> None:
    trunk = await edge.create("wrong-pass", "basic", username="pbx01", password="Sample-Pass-0001")
    one, address = callee
    wrong = await phone(as_phone(trunk, password="Sample-Pass-0002"), server=edge.kamailio.at)

    assert await edge.register(trunk, password="Sample-Pass-0002") == REFUSED
    assert await edge.register(trunk, username="pbx02") == REFUSED
    assert await edge.register(trunk, username="x' OR '1'='1") == REFUSED
    assert await edge.register({**trunk, "realm": "nobody.trunk.localhost"}) == REFUSED
    assert ((await wrong.call(address)).status, one.rang) == (407, 0)


@pytest.mark.contract("registrar R-46")
async def test_a_trunk_known_by_its_address_is_let_in_without_a_challenge(
    edge: Edge, phone: StartPhone, callee: Callee
) -> None:
    trunk = await edge.create("by-address", "ip", allowed_ips=["203.0.113.7", "2001:db8::/32", "127.0.0.2"])
    one, address = callee
    who = as_phone(trunk, password="proves-nothing", username="pbx01")
    here = await phone(who, server=edge.kamailio.at, bind=CARRIER)
    there = await phone(who, server=edge.kamailio.at, bind=ELSEWHERE)

    assert await edge.register(trunk, source=CARRIER) == LET_IN
    assert await edge.register(trunk, source=ELSEWHERE) == REFUSED
    assert [(await caller.call(address, talk=0.1)).status for caller in (here, there)] == [200, 407]
    assert one.rang == 1


async def test_a_carrier_with_its_own_address_in_from_names_the_trunk_in_the_requests_uri(
    edge: Edge, phone: StartPhone, callee: Callee
) -> None:
    trunk = await edge.create("carrier", "ip", allowed_ips=["127.0.0.2/31"])
    one, address = callee
    at_trunk = address.replace("sip.localhost", trunk["realm"])
    carrier, stranger = await asyncio.gather(
        phone(server=edge.kamailio.at, bind=CARRIER), phone(server=edge.kamailio.at, bind="127.0.0.4")
    )

    assert (await carrier.call(at_trunk, talk=0.1)).status == 200
    assert (await carrier.call(address.replace("direct.", "1"))).status == 403
    assert (await stranger.call(at_trunk)).status == 407
    assert one.rang == 1


async def test_a_trunk_of_both_kinds_needs_its_password_only_where_its_address_is_not_known(edge: Edge) -> None:
    networks = [f"198.51.{number}.0/24" for number in range(98)]
    trunk = await edge.create("both", "basic", "ip", username="it's", allowed_ips=[*networks, "::1", "127.0.0.2"])

    assert await edge.register(trunk, source=CARRIER) == LET_IN
    assert await edge.register(trunk, source=ELSEWHERE) == PROVED


async def test_what_is_kept_for_a_way_that_is_not_allowed_has_no_effect(edge: Edge) -> None:
    trunk = await edge.create("one-of-two", "basic", "ip", username="pbx01", allowed_ips=[CARRIER])

    await edge.change(trunk, auth_types=["ip"])
    assert await edge.register(trunk, source=ELSEWHERE) == REFUSED
    await edge.change(trunk, auth_types=["basic"])
    assert await edge.register(trunk, source=CARRIER) == PROVED


async def test_nobody_proves_a_password_that_a_trunk_does_not_have_and_the_edge_stays_up(edge: Edge) -> None:
    trunk = await edge.create("no-password", "ip", allowed_ips=[CARRIER])

    for name in ("", "pbx01", trunk["realm"]):
        assert await edge.register(trunk, source=ELSEWHERE, username=name) == REFUSED
    assert await edge.register(trunk, source=CARRIER) == LET_IN


@pytest.mark.contract("registrar R-46")
async def test_after_delete_the_very_next_register_and_call_are_refused_and_a_call_that_is_up_goes_on(
    edge: Edge, phone: StartPhone, callee: Callee
) -> None:
    trunk = await edge.create("deleted", "basic", username="pbx01")
    carrier = await edge.create("deleted-too", "ip", allowed_ips=[CARRIER])
    one, address = callee
    pbx, trusted = await asyncio.gather(
        phone(as_phone(trunk, password=trunk["password"]), server=edge.kamailio.at),
        phone(as_phone(carrier, password="-"), server=edge.kamailio.at, bind=CARRIER),
    )
    assert [await pbx.register(), await trusted.register()] == [200, 200]
    talking = asyncio.create_task(pbx.call(address, talk=0.3))

    async def rings() -> int:
        await asyncio.sleep(0)
        return one.rang

    await until(rings)

    await asyncio.gather(edge.delete(trunk), edge.delete(carrier))

    assert [await edge.register(trunk), await edge.register(carrier, source=CARRIER)] == [REFUSED, REFUSED]
    assert (await trusted.call(address)).status == 407
    assert ((await talking).status, (await one.next_call()).status) == (200, 200)
    assert ((await pbx.call(address)).status, await pbx.register(), one.rang) == (407, 401, 1)


@pytest.mark.contract("registrar R-45, R-46")
async def test_a_new_password_counts_at_once_and_the_old_one_no_more(
    edge: Edge, phone: StartPhone, callee: Callee
) -> None:
    trunk = await edge.create("new-password", "basic", username="pbx01", password="Sample-Pass-0001")
    one, address = callee
    before = await phone(as_phone(trunk, password="Sample-Pass-0001"), server=edge.kamailio.at)
    assert (await before.call(address, talk=0.1)).status == 200

    again = await edge.change(trunk, password="Sample-Pass-0002")

    assert [await edge.register(trunk), await edge.register(again)] == [REFUSED, PROVED]
    assert ((await before.call(address)).status, one.rang) == (407, 1)


@pytest.mark.contract("registrar R-46")
async def test_an_address_that_is_taken_away_is_refused_at_once(edge: Edge, phone: StartPhone, callee: Callee) -> None:
    trunk = await edge.create("fewer", "ip", allowed_ips=[CARRIER, ELSEWHERE])
    one, address = callee
    caller = await phone(as_phone(trunk, password="-"), server=edge.kamailio.at, bind=CARRIER)
    assert (await caller.call(address, talk=0.1)).status == 200

    await edge.change(trunk, allowed_ips=[ELSEWHERE])

    assert await edge.register(trunk, source=CARRIER) == REFUSED
    assert await edge.register(trunk, source=ELSEWHERE) == LET_IN
    assert ((await caller.call(address)).status, one.rang) == (407, 1)


async def test_a_trunk_registers_in_no_other_name(edge: Edge) -> None:
    trunk, other = await asyncio.gather(
        edge.create("own-name", "ip", allowed_ips=[CARRIER]), edge.create("other-name", "ip", allowed_ips=[ELSEWHERE])
    )
    who = as_phone(trunk, password="-", username="pbx01")

    for domain, status in ((other["realm"], 403), (trunk["realm"].upper(), 200)):
        assert await register(edge.kamailio.at, who, source=CARRIER, to=domain) == (status, [])
    assert await register(edge.kamailio.at, {**who, "realm": "example.com"}, source=CARRIER) == (403, [])


async def test_a_phone_calls_through_the_edge_without_being_registered(
    edge: Edge, phone: StartPhone, callee: Callee
) -> None:
    one, address = callee
    extension = await edge.world.create("1699")
    known = await phone(extension, server=edge.kamailio.at)

    assert ((await known.call(address, talk=0.1)).status, one.rang) == (200, 1)


async def test_the_edge_says_what_asterisk_says_of_addresses_that_ring_nobody(edge: Edge, phone: StartPhone) -> None:
    trunk = await edge.create("nobody-home", "basic", username="pbx01")
    absent = await edge.world.create("1698", direct=True)
    pbx = await phone(as_phone(trunk, password=trunk["password"]), server=edge.kamailio.at)

    statuses = [
        (await pbx.call(f"sip:{user}@sip.localhost")).status
        for user in (f"direct.{absent['direct_hash']}", "direct.000000000000", "1698", f"1698%40{absent['realm']}")
    ]

    assert statuses == [480, 404, 480, 404]
