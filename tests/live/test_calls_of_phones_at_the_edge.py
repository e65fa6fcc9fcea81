"""Calls to and from phones that have registered at a real edge: they ring like phones at Asterisk."""

import asyncio
from hashlib import md5
from pathlib import Path

import pytest

from ringback.demo.phone import Account, Phone, PhoneOptions
from ringback.registrar.realms.model import Status

from .conftest import Edge, Extension, StartPhone, until
from .party import SDP, Party, invite
from .test_call_records import HOW, ended, said, told
from .test_calls_by_a_trunk import NUMBER, TO, carrier, way_out
from .test_phones_at_the_edge import Device
from .test_trunk_calls import final
from .test_trunk_records import WHO

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

PURE = 0.8
HERE, THERE, TRUNK, THIEF = "127.0.0.63", "127.0.0.64", "127.0.0.65", "127.0.0.66"


def number(extension: Extension) -> str:
    return f"sip:{extension['extension']}@{extension['realm']}"


async def test_a_phone_at_the_edge_and_one_at_asterisk_call_each_other(edge: Edge, phone: StartPhone) -> None:
    at_edge, at_asterisk = await asyncio.gather(edge.world.create("4901"), edge.world.create("4902"))
    one, two = await asyncio.gather(
        phone(at_edge, tone=660, server=edge.kamailio.at, bind=HERE), phone(at_asterisk, tone=1000)
    )
    assert [await one.register(), await two.register()] == [200, 200]

    made, taken = await two.call(number(at_edge)), await one.next_call()
    assert (made.status, made.heard(660) > PURE, taken.heard(1000) > PURE) == (200, True, True)
    made, taken = await one.call(number(at_asterisk)), await two.next_call()
    assert (made.status, made.heard(1000) > PURE, taken.heard(660) > PURE) == (200, True, True)


async def test_two_phones_at_the_edge_call_each_other_by_number_and_by_direct_address(
    edge: Edge, phone: StartPhone
) -> None:
    first, second = await asyncio.gather(edge.world.create("4903"), edge.world.create("4904", direct=True))
    one, two = await asyncio.gather(
        phone(first, server=edge.kamailio.at, bind=HERE), phone(second, server=edge.kamailio.at, bind=THERE)
    )
    assert [await one.register(), await two.register()] == [200, 200]

    assert (await one.call(number(second), talk=0.1)).status == 200
    assert (await one.call(f"sip:direct.{second['direct_hash']}@sip.localhost", talk=0.1)).status == 200
    assert (await one.call("sip:4999@" + first["realm"])).status == 404
    assert (two.rang, one.rang) == (2, 0)


@pytest.mark.parametrize("side", ["caller", "callee"])
@pytest.mark.parametrize("where", ["to", "from"])
async def test_whoever_hangs_up_ends_the_call_for_both(edge: Edge, phone: StartPhone, side: str, where: str) -> None:
    names = {("caller", "to"): "05", ("caller", "from"): "07", ("callee", "to"): "09", ("callee", "from"): "11"}
    first = int(names[side, where])
    there, here = await asyncio.gather(*(edge.world.create(f"49{first + more:02}") for more in (0, 1)))
    at_asterisk = await phone(there)
    at_edge = await phone(here, server=edge.kamailio.at, bind=HERE)
    assert [await at_asterisk.register(), await at_edge.register()] == [200, 200]
    caller, callee, called = (at_asterisk, at_edge, here) if where == "to" else (at_edge, at_asterisk, there)
    call = asyncio.create_task(caller.call(number(called), talk=0.2 if side == "caller" else 30))

    if side == "callee":
        await callee.answered()
        await callee.hang_up()

    assert ((await call).status, (await callee.next_call()).status, callee.rang) == (200, 200, 1)


async def test_a_phone_at_the_edge_is_busy_or_rings_until_the_caller_gives_up(
    edge: Edge, phone: StartPhone, tmp_path: Path
) -> None:
    extension, other = await asyncio.gather(edge.world.create("4913"), edge.world.create("4914"))
    caller = await phone(other)
    assert await caller.register() == 200
    busy = await phone(extension, server=edge.kamailio.at, bind=HERE, answer=486)
    assert await busy.register() == 200
    assert (await caller.call(number(extension))).status == 486
    assert await busy.unregister() == 200
    assert (await caller.call(number(extension))).status == 480

    ringing = await phone(extension, server=edge.kamailio.at, bind=THERE, answer=180)
    assert await ringing.register() == 200
    call = asyncio.create_task(caller.call(number(extension)))

    async def is_ringing() -> int:
        await asyncio.sleep(0)
        return ringing.rang

    await until(is_ringing)
    await caller.hang_up()
    assert ((await call).status, (await ringing.next_call()).status) == (487, 487)


async def test_a_phone_by_tcp_is_rung_over_its_connection(edge: Edge, phone: StartPhone, tmp_path: Path) -> None:
    extension, other = await asyncio.gather(edge.world.create("4915"), edge.world.create("4916"))
    caller = await phone(other)
    assert await caller.register() == 200
    account = Account(extension["extension"], extension["realm"], extension["password"], extension["username"])
    options = PhoneOptions("by-tcp", edge.kamailio.at, tmp_path, account=account, bind=HERE, transport="tcp")

    async with await Phone.start(options) as one:
        assert await one.register() == 200
        answer = await edge.world.server.rest("GET", f"/v1.0/extensions/{extension['id']}/contacts")
        (contact,) = answer.body["result"]
        assert (await caller.call(number(extension), talk=0.1)).status == 200
        await one.answered()
        assert (await one.call(number(other), talk=0.1)).status == 200
        call = asyncio.create_task(caller.call(number(extension), talk=3600))
        await one.answered()
        await one.hang_up()
        assert (await call).status == 200

    assert (contact["via_addr"], contact["transport"], one.rang) == (HERE, "tcp", 2)
    assert contact["uri"].startswith(f"sip:4915@{HERE}:")


async def test_a_phone_that_is_unregistered_by_rest_rings_no_more(edge: Edge, phone: StartPhone) -> None:
    world = edge.world
    extension, other = await asyncio.gather(world.create("4917"), world.create("4918"))
    one, caller = await asyncio.gather(phone(extension, server=edge.kamailio.at, bind=HERE), phone(other))
    assert [await one.register(), await caller.register()] == [200, 200]
    path = f"/v1.0/extensions/{extension['id']}/contacts"

    (shown,) = (await world.server.rest("GET", path)).body["result"]
    assert (shown["transport"], shown["via_addr"], shown["reg_server"]) == ("udp", HERE, "edge")
    assert (await world.server.rest("DELETE", path)).status == 200

    assert ((await caller.call(number(extension))).status, one.rang) == (480, 0)
    assert await one.register() == 200
    assert (await caller.call(number(extension), talk=0.1)).status == 200


async def test_a_phone_calls_in_no_other_name_and_not_while_its_customer_is_frozen(
    edge: Edge, phone: StartPhone
) -> None:
    world = edge.world
    mine, theirs = await asyncio.gather(world.create("4919"), world.create("4920"))
    foreign = await world.create("4921", customer=world.other)
    one, callee = await asyncio.gather(
        phone(mine, server=edge.kamailio.at, bind=HERE), phone(theirs, server=edge.kamailio.at, bind=THERE)
    )
    assert [await one.register(), await callee.register()] == [200, 200]
    lying = await phone({**theirs, "username": mine["username"], "password": mine["password"]}, server=edge.kamailio.at)

    assert (await lying.call(number(mine))).status == 403
    assert (await one.call(number(foreign))).status == 404
    customer = world.server.keys.customer_id
    await world.set_status(customer, Status.FROZEN)
    try:
        assert await one.register() == 200
        assert (await one.call(number(theirs))).status == 403
    finally:
        await world.set_status(customer, Status.ACTIVE)
    assert callee.rang == 0


async def test_nobody_but_the_edge_says_which_phone_calls_and_nobody_but_asterisk_asks_for_one(
    edge: Edge, phone: StartPhone
) -> None:
    world, at = edge.world, edge.kamailio.at
    extension, thief = await world.create("4922"), await world.create("4923", customer=world.other)
    one = await phone(extension, server=at, bind=HERE)
    assert await one.register() == 200
    (contact,) = await world.contacts(extension, fresh=True)
    trunk = await edge.create("claims-phone", "ip", allowed_ips=[TRUNK], customer_id=str(world.other))
    forged = "\r\nX-Ringback-Phone: 4922@" + extension["realm"]

    with Party.udp(TRUNK) as party, Party.udp(THIEF) as stranger:
        asked = invite(f"sip:4922@{extension['realm']}", trunk["realm"]).request(party, "INVITE", 1, body=sdp(TRUNK))
        await party.send(asked.replace("\r\nMax-Forwards", f"{forged}\r\nMax-Forwards"), at)
        assert (await final(party)).status == 404
        row = contact["uri"].replace("^3B", ";")
        for realm in (trunk["realm"], thief["realm"], "example.com"):
            await stranger.send(invite(row, realm).request(stranger, "INVITE", 1, body=sdp(THIEF)), at)
            assert (await final(stranger)).status == 403
    assert one.rang == 0


async def test_asterisk_rings_at_the_edge_only_what_is_registered_there(edge: Edge) -> None:
    world, at = edge.world, edge.kamailio.at
    extension = await world.create("4924")
    with Party.udp(HERE) as device, Party.udp("127.0.0.1") as voice:
        bare = Device(at, extension, source=HERE, contacts=("<sip:own-name@192.0.2.9:5999;x=y>",))
        binding = md5(b"sip:own-name@192.0.2.9:5999;x=y", usedforsecurity=False).hexdigest()
        row = f"sip:4924@{at};realm={extension['realm']};binding={binding};proof={'0' * 32}"

        async def asked(uri: str) -> int:
            await voice.send(invite(uri, "example.com").request(voice, "INVITE", 1, body=sdp("127.0.0.1")), at)
            return (await final(voice)).status

        assert await asked(row) == 480
        await bare.over_party(device)
        # Whoever knows its contact alone: a phone at Asterisk may name such an address as its own.
        guesses = (row, row.partition(";proof")[0], row.replace("0" * 32, binding))
        assert [await asked(guess) for guess in guesses] == [480] * 3
        (contact,) = await world.contacts(extension, fresh=True)
        row = contact["uri"].replace("^3B", ";")
        heard = asyncio.create_task(asked(row))
        rung = await device.hear()
        assert rung.text.startswith("INVITE sip:own-name@192.0.2.9:5999;x=y SIP/2.0")
        await device.answer(rung, 486, at, tag="device")
        assert await heard == 486
        assert (await device.hear()).method == "ACK"
        for wrong in (row.replace("4924@", "4923@"), row.replace(binding, "0" * 32), row.replace("demo.", "other.")):
            assert await asked(wrong) == 480
        world.sql("UPDATE ps_contacts SET expiration_time = 1 WHERE endpoint = ?", extension["endpoint_id"])
        assert await asked(row) == 480
        assert (await bare.over_party(device)).status == 200
        await world.delete(extension)
        assert await asked(row) == 480
        assert device.heard() == []


def sdp(host: str) -> str:
    return SDP.format(host=host, version=1)


async def test_the_record_of_a_call_names_the_phone_at_the_edge_as_who_called_and_as_who_was_called(
    edge: Edge, phone: StartPhone
) -> None:
    world = edge.world
    mine, theirs = await asyncio.gather(world.create("4925"), world.create("4926", direct=True))
    one, two = await asyncio.gather(
        phone(mine, server=edge.kamailio.at, bind=HERE), phone(theirs, server=edge.kamailio.at, bind=THERE)
    )
    assert [await one.register(), await two.register()] == [200, 200]

    assert (await one.call(number(theirs), talk=0.1)).status == 200
    call = await ended(world, mine)
    assert said(call, *WHO) == ["internal", "4925", "4926", mine["id"], theirs["id"], None]
    assert said(call, *HOW[1:]) == ["ended", 16, "normal_clearing", "caller"]
    assert told(world, call) == ["call_started", "call_answered", "call_ended"]

    assert (await two.call("sip:4927@" + mine["realm"])).status == 404
    call = await ended(world, theirs, 2)
    assert said(call, *WHO) == ["internal", "4926", "4927", theirs["id"], None, None]


async def test_a_phone_at_the_edge_calls_out_by_its_customers_trunk(edge: Edge, phone: StartPhone) -> None:
    made = await edge.world.create("4928")
    one = await phone(made, server=edge.kamailio.at, bind=HERE)
    async with way_out(edge, "edge-out") as trunk:
        await carrier(edge, trunk, phone)

        assert (await one.call(TO, talk=0.2)).status == 200

        call = await ended(edge.world, made)
        assert said(call, *WHO) == ["trunk_out", "4928", NUMBER, made["id"], None, trunk["id"]]
