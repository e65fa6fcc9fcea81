"""What a real Asterisk does with our configuration and our rows, heard by real softphones."""

import asyncio
import re

import pytest

from .conftest import DEMO, OTHER, StartPhone, World, ha1

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="module")]

PURE = 0.9  # a recording that is nothing but that tone


async def test_a_phone_registers_and_its_contact_is_seen_until_it_leaves(world: World, phone: StartPhone) -> None:
    name = world.rows.add("1101", "secret-1101")
    one = await phone("1101", "secret-1101")

    assert await one.register() == 200
    ((contact, uri),) = world.rows.contacts(name)
    assert re.fullmatch(r"1101@demo\.registrar\.localhost\^3B@[0-9a-f]{32}", str(contact))
    assert str(uri).startswith("sip:1101@127.0.0.1:")
    assert world.rows.run("SELECT reg_server FROM ps_contacts WHERE id = ?", contact) == [("asterisk",)]

    assert await one.unregister() == 200
    assert world.rows.contacts(name) == []


async def test_a_phone_registers_by_sha_256(world: World, phone: StartPhone) -> None:
    if world.asterisk.program.major < 20:
        pytest.skip("this Asterisk knows MD5 digests only")
    world.rows.add("1102", "secret-1102", sha256=True)

    assert await (await phone("1102", "secret-1102")).register() == 200
    assert await (await phone("1102", "something-else")).register() == 401


async def test_a_wrong_password_is_refused(world: World, phone: StartPhone) -> None:
    name = world.rows.add("1103", "secret-1103")

    assert await (await phone("1103", "secret-1104")).register() == 401
    assert world.rows.contacts(name) == []


async def test_deleted_rows_refuse_the_very_next_register(world: World, phone: StartPhone) -> None:
    name = world.rows.add("1104", "secret-1104")
    one = await phone("1104", "secret-1104")
    assert await one.register() == 200

    for table in ("ps_endpoints", "ps_auths", "ps_aors", "ps_contacts"):
        world.rows.run(f"DELETE FROM {table} WHERE id = ? OR id LIKE ?", name, f"{name}^3B@%")

    assert await one.register() == 401


async def test_a_new_password_counts_at_once_and_the_old_one_no_more(world: World, phone: StartPhone) -> None:
    name = world.rows.add("1105", "old-secret")
    before, after = await asyncio.gather(phone("1105", "old-secret"), phone("1105", "new-secret"))
    assert (await before.register(), await after.register()) == (200, 401)

    world.rows.run("UPDATE ps_auths SET md5_cred = ? WHERE id = ?", ha1("1105", DEMO, "new-secret"), name)

    assert (await after.register(), await before.register()) == (200, 401)


async def test_two_extensions_hear_each_other(world: World, phone: StartPhone) -> None:
    world.rows.add("1201", "secret-1201")
    world.rows.add("1202", "secret-1202")
    caller, callee = await asyncio.gather(
        phone("1201", "secret-1201", tone=440), phone("1202", "secret-1202", tone=660)
    )
    assert [await caller.register(), await callee.register()] == [200, 200]

    made = await caller.call(f"sip:1202@{DEMO}")
    taken = await callee.next_call()

    assert made.status == 200
    assert min(made.sent, made.received, taken.sent, taken.received) > 30
    assert (made.heard(660) > PURE, taken.heard(440) > PURE) == (True, True)
    assert made.heard(440) < 0.1  # not an echo of its own


async def test_a_stranger_reaches_a_direct_address_in_any_letter_case(world: World, phone: StartPhone) -> None:
    name = world.rows.add("1203", "secret-1203")
    world.rows.run("INSERT INTO directs VALUES ('7c09e1b4d2f8', ?)", name)
    callee, stranger = await asyncio.gather(phone("1203", "secret-1203", tone=660), phone(tone=1000))
    assert await callee.register() == 200

    made = await stranger.call("sip:Direct.7C09E1b4d2f8@sip.localhost")
    taken = await callee.next_call()

    assert made.status == 200
    assert (made.heard(660) > PURE, taken.heard(1000) > PURE) == (True, True)


async def test_an_unknown_hash_is_404_and_an_absent_phone_480(world: World, phone: StartPhone) -> None:
    name = world.rows.add("1204", "secret-1204")
    world.rows.run("INSERT INTO directs VALUES ('aaaaaaaaaaaa', ?)", name)
    stranger = await phone()

    asked = ("aaaaaaaaaaaa", "aaaaaaaaaaab", "aaaaaaaaaaaa.", "'or'1'='1", "")
    statuses = [(await stranger.call(f"sip:direct.{text}@sip.localhost")).status for text in asked]

    assert statuses == [480, 404, 404, 404, 404]


async def test_a_hash_that_is_gone_is_refused_by_the_next_call(world: World, phone: StartPhone) -> None:
    name = world.rows.add("1205", "secret-1205")
    world.rows.run("INSERT INTO directs VALUES ('bbbbbbbbbbbb', ?)", name)
    callee, stranger = await asyncio.gather(phone("1205", "secret-1205"), phone())
    assert await callee.register() == 200
    assert (await stranger.call("sip:direct.bbbbbbbbbbbb@sip.localhost", talk=0.1)).status == 200

    world.rows.run("UPDATE directs SET hash = 'cccccccccccc' WHERE hash = 'bbbbbbbbbbbb'")

    assert (await stranger.call("sip:direct.bbbbbbbbbbbb@sip.localhost")).status == 404
    assert (await stranger.call("sip:direct.cccccccccccc@sip.localhost", talk=0.1)).status == 200


async def test_a_stranger_rings_no_number(world: World, phone: StartPhone) -> None:
    world.rows.add("1206", "secret-1206")
    callee, public, private = await asyncio.gather(phone("1206", "secret-1206"), phone(), phone(server=world.server))
    assert await callee.register() == 200

    for uri in (f"sip:1206@{DEMO}", "sip:1206@127.0.0.1", "sip:s@sip.localhost", f"sip:1206%40{DEMO}@sip.localhost"):
        assert (await public.call(uri)).status == 404
        assert (await private.call(uri)).status == 401
    assert callee.rang == 0


async def test_the_public_port_tells_nobody_which_numbers_exist(world: World, phone: StartPhone) -> None:
    world.rows.add("1207", "secret-1207")
    known, unknown = await asyncio.gather(
        phone("1207", "secret-1207", server=world.public), phone("9999", "secret-1207", server=world.public)
    )

    assert await known.register() == await unknown.register()
    asked = f"sip:1207@{DEMO}"
    assert (await known.call(asked)).status == (await unknown.call(asked)).status == 404


async def test_a_number_is_looked_for_at_the_callers_customer_only(world: World, phone: StartPhone) -> None:
    world.rows.add("1208", "secret-1208")
    world.rows.add("1209", "secret-1209")
    world.rows.add("2001", "secret-2001", OTHER)
    caller, foreign = await asyncio.gather(phone("1208", "secret-1208"), phone("2001", "secret-2001", realm=OTHER))
    assert [await caller.register(), await foreign.register()] == [200, 200]

    for uri in (f"sip:2001@{OTHER}", f"sip:2001@{DEMO}", f"sip:2001%40{OTHER}@{DEMO}", f"sip:1209%22@{DEMO}"):
        assert (await caller.call(uri)).status == 404
    assert (await caller.call(f"sip:1209@{DEMO}")).status == 480
    assert foreign.rang == 0


async def test_every_number_that_the_alphabet_allows_can_be_called(world: World, phone: StartPhone) -> None:
    numbers = ("h", "s", "i", "10-01", "-5", "+4930", "a.b", ".x", "x_y", "AbC")
    for number in ("1214", *numbers):
        world.rows.add(number, "secret-1214")
    caller = await phone("1214", "secret-1214")
    assert await caller.register() == 200

    assert [(await caller.call(f"sip:{number}@{DEMO}")).status for number in numbers] == [480] * len(numbers)
    assert [(await caller.call(f"sip:{number}@{DEMO}")).status for number in ("abc", "1001")] == [404] * 2


@pytest.mark.parametrize(
    ("number", "uri"),
    [
        ("1210", f"sip:x&PJSIP/2002@{OTHER}"),
        ("1217", f"sip:&PJSIP/1217@{DEMO}/sip:x&PJSIP/2002@{OTHER}"),
        ("1218", f"sip:PJSIP/1218@{DEMO}/&PJSIP/2002@{OTHER}"),
        ("1219", f"sip:x,1,F(default^2002^1)&PJSIP/2002@{OTHER}"),
    ],
)
async def test_a_contact_cannot_smuggle_in_another_customers_phone(
    world: World, phone: StartPhone, number: str, uri: str
) -> None:
    name = world.rows.add(number, "secret-1210")
    world.rows.add("1211", "secret-1211")
    world.rows.add("2002", "secret-2002", OTHER)
    world.rows.run(
        "INSERT INTO ps_contacts (id, uri, expiration_time, endpoint) VALUES (?, ?, 4000000000, ?)",
        f"{name}^3B@0", uri, name,
    )  # fmt: skip
    caller, foreign = await asyncio.gather(phone("1211", "secret-1211"), phone("2002", "secret-2002", realm=OTHER))
    assert [await caller.register(), await foreign.register()] == [200, 200]

    assert (await caller.call(f"sip:{number}@{DEMO}")).status >= 400
    assert foreign.rang == 0


async def test_all_phones_of_a_number_ring_and_a_fourth_replaces_the_oldest(world: World, phone: StartPhone) -> None:
    name = world.rows.add("1212", "secret-1212")
    world.rows.add("1213", "secret-1213")
    caller, *phones = await asyncio.gather(
        phone("1213", "secret-1213"), *(phone("1212", "secret-1212") for _ in range(4))
    )
    assert [await one.register() for one in (caller, *phones[:2])] == [200] * 3

    assert (await caller.call(f"sip:1212@{DEMO}", talk=0.1)).status == 200
    assert [one.rang for one in phones] == [1, 1, 0, 0]

    assert [await one.register() for one in phones[2:]] == [200] * 2
    assert len(world.rows.contacts(name)) == 3


async def test_asterisk_had_nothing_to_complain_about(world: World) -> None:
    provoked = re.compile(r"has no configured AORs|(?:PJSIP/|ndpoint ')(?:1210|1217|1218|1219)@")

    assert [line for line in world.asterisk.problems() if not provoked.search(line)] == []
