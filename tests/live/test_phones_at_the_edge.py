"""Phones that register at a real edge: where they are stands where Asterisk would have written it."""

import asyncio
import re
import socket
import time
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import pytest

from ringback.demo.ports import HOST
from tests.patience import ENOUGH

from .conftest import Edge, Extension, StartPhone
from .digest import Register, register
from .party import Message, Party
from .test_contact_events import EXPIRED, REGISTERED, told, unregistered

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]


@dataclass(frozen=True, slots=True)
class Device(Register):
    """A REGISTER with Contact headers as a test says; without `expires` it says nothing of time itself."""

    contacts: tuple[str, ...] = ()

    async def says(self) -> Message:
        """The final answer."""
        return await asyncio.to_thread(self._said)

    async def over_party(self, party: Party) -> Message:
        """The same from that socket."""
        call_id = token_hex(8)
        await party.send(self.request(party.socket, call_id, 1).decode("latin-1"), self.server)
        challenge = (await party.hear()).all("WWW-Authenticate")[0]
        await party.send(self.request(party.socket, call_id, 2, self.proof(challenge)).decode("latin-1"), self.server)
        return await party.hear()

    def _said(self) -> Message:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(ENOUGH)
            udp.bind((self.source, 0))
            host, port = self.server.split(":")
            udp.connect((host, int(port)))
            call_id = token_hex(8)
            udp.send(self.request(udp, call_id, 1))
            challenge = Message(udp.recv(65535).decode()).all("WWW-Authenticate")[0]
            udp.send(self.request(udp, call_id, 2, self.proof(challenge)))
            return Message(udp.recv(65535).decode())

    def request(self, line: Any, call_id: str, number: int, proof: str = "") -> bytes:
        text = Register.request(self, line, call_id, number, proof).decode("latin-1")
        contacts = "".join(f"Contact: {contact}\r\n" for contact in self.contacts)
        text = re.sub(r"Contact: .*\r\n", lambda _: contacts, text)
        if not self.expires:
            text = re.sub(r"Expires: .*\r\n", "", text)
        return text.encode("latin-1")


def bound(answer: Message) -> dict[str, int]:
    """Contact → seconds, as an answer lists them."""
    assert answer.status == 200, answer.text
    found = [re.fullmatch(r"<(.+)>;expires=(\d+)", value) for value in answer.all("Contact")]
    return {one[1]: int(one[2]) for one in found if one}


async def test_a_phone_that_registers_at_the_edge_is_seen_until_it_leaves(edge: Edge, phone: StartPhone) -> None:
    world = edge.world
    extension = await world.create("4801")
    one = await phone(extension, server=edge.kamailio.at, bind="127.0.0.61")

    assert await one.register() == 200
    (contact,) = await world.contacts(extension)
    assert re.fullmatch(r"4801@demo\.registrar\.localhost\^3B@[0-9a-f]{32}", contact["id"])
    assert (contact["endpoint"], contact["reg_server"]) == (extension["endpoint_id"], "edge")
    assert (contact["user_agent"], contact["via_addr"]) == ("Ringback demo phone", "127.0.0.61")
    assert 0 < contact["expiration_time"] - time.time() <= 300
    await told(world, extension, REGISTERED)

    assert await one.register() == 200
    assert await one.unregister() == 200
    assert await world.contacts(extension, fresh=True) == []
    await told(world, extension, REGISTERED, unregistered("removed"))


async def test_who_is_not_the_phone_is_refused_and_nobody_can_tell_which_numbers_there_are(edge: Edge) -> None:
    world = edge.world
    extension, other = await asyncio.gather(world.create("4802", username="u4802"), world.create("4803"))
    at = edge.kamailio.at

    for wrong in (
        {**extension, "password": "wrong"},
        {**extension, "username": "4802"},
        {**extension, "extension": "4899", "username": "4899"},
        {**extension, "username": "x' OR '1'='1"},
        {**extension, "realm": "nobody.registrar.localhost"},
    ):
        assert await register(at, wrong) == (401, ["MD5"])
    for name in (other["extension"], "4899", "x'y", "%27", "\xe9"):
        assert await register(at, {**extension, "extension": name}) == (403, ["MD5"])
    assert await register(at, extension, to="other.registrar.localhost") == (403, ["MD5"])
    assert [await world.contacts(one, fresh=True) for one in (extension, other)] == [[], []]
    assert await register(at, extension) == (200, ["MD5"])
    await world.delete(extension)
    assert await register(at, extension) == (401, ["MD5"])


async def test_the_time_is_the_contacts_else_the_requests_else_the_usual_within_what_is_allowed(edge: Edge) -> None:
    extension = await edge.world.create("4804")
    edge.world.sql(
        "UPDATE ps_aors SET minimum_expiration = 100, maximum_expiration = 200, default_expiration = 150 WHERE id = ?",
        extension["endpoint_id"],
    )
    here = "<sip:a@192.0.2.1>"

    for contact, expires, seconds in (
        (f"{here};expires=120", "180", 120),
        (here, "180", 180),
        (here, "", 150),
        (f'{here};q=0.5;expires=7;+sip.instance="<urn:uuid:1,2>"', "", 100),
        (here, "4000000000", 200),
        ("sip:a@192.0.2.1;expires=110", "", 110),
    ):
        answer = await Device(edge.kamailio.at, extension, expires=expires, contacts=(contact,)).says()
        assert bound(answer) == {"sip:a@192.0.2.1": seconds}
    assert bound(await Device(edge.kamailio.at, extension, expires="0", contacts=(here,)).says()) == {}


async def test_several_contacts_come_and_go_by_name_or_all_at_once(edge: Edge) -> None:
    extension = await edge.world.create("4805")

    async def says(*contacts: str, expires: str = "90") -> dict[str, int]:
        return bound(await Device(edge.kamailio.at, extension, expires=expires, contacts=contacts).says())

    one, two, three = "sip:one@192.0.2.1:5070;transport=tcp", "sips:two@192.0.2.1", "sip:three@192.0.2.1"
    assert await says(f'"Desk, <1>" <{one}>;expires=80, <{two}>') == {one: 80, two: 90}
    later = await says()
    assert later.keys() == {one, two}
    assert 0 < later[one] <= 80 < later[two] <= 90
    later = await says(three, f"<{two}>;expires=0")
    assert later.keys() == {one, three}
    assert (0 < later[one] <= 80, later[three]) == (True, 90)
    assert await says("*", expires="0") == {}


@pytest.mark.parametrize(
    "contacts",
    [
        ("*",),
        ("*", "<sip:a@192.0.2.1>"),
        ("<tel:+15551234>",),
        ("<sip:a@192.0.2.1",),
        ("<sip:a b@192.0.2.1>",),
        ("<sip:a@192.0.2.1>x\x01, <sip:\x01@192.0.2.1>",),
        (f"<sip:{'a' * 255}@192.0.2.1>",),
        tuple(f"<sip:{number}@192.0.2.1>" for number in range(12)),
        ('<sip:a@192.0.2.1>, "<sip:b@192.0.2.1>',),
    ],
)
async def test_contacts_that_are_none_change_nothing(edge: Edge, contacts: tuple[str, ...]) -> None:
    number = f"481{token_hex(2)}"
    extension = await edge.world.create(number)
    before = await Device(edge.kamailio.at, extension, contacts=("<sip:b@192.0.2.1>",)).says()

    assert (await Device(edge.kamailio.at, extension, contacts=contacts).says()).status == 400

    assert bound(before).keys() == bound(await Device(edge.kamailio.at, extension).says()).keys()


async def test_a_phone_too_many_takes_the_place_of_the_one_that_ends_first_or_finds_none(edge: Edge) -> None:
    extension = await edge.world.create("4806")

    async def status(name: str, seconds: int) -> Message:
        contact = f"<sip:{name}@192.0.2.1>;expires={seconds}"
        return await Device(edge.kamailio.at, extension, contacts=(contact,)).says()

    for name, seconds in (("a", 300), ("b", 200), ("c", 400)):
        bound(await status(name, seconds))
    assert bound(await status("d", 100)).keys() == {f"sip:{name}@192.0.2.1" for name in "acd"}
    edge.world.sql("UPDATE ps_aors SET remove_existing = 'no' WHERE id = ?", extension["endpoint_id"])
    assert (await status("e", 300)).status == 403
    assert bound(await status("a", 60)).keys() == {f"sip:{name}@192.0.2.1" for name in "acd"}
    edge.world.sql("UPDATE ps_aors SET remove_existing = 'yes' WHERE id = ?", extension["endpoint_id"])
    four = ", ".join(f"<sip:{name}@192.0.2.1>" for name in "wxyz")
    assert (await Device(edge.kamailio.at, extension, contacts=(four,)).says()).status == 403
    edge.world.sql("UPDATE ps_aors SET max_contacts = 0 WHERE id = ?", extension["endpoint_id"])
    assert (await status("a", 60)).status == 403


async def test_the_edge_and_asterisk_have_one_list_of_where_a_phone_is(edge: Edge) -> None:
    world = edge.world
    extension = await world.create("4807")
    world.sql("UPDATE ps_endpoints SET rewrite_contact = 'no' WHERE id = ?", extension["endpoint_id"])  # by one name
    bare = {"source": "127.0.0.62", "expires": "100"}

    there = Device(world.ports.phones_at, extension, contacts=("<sip:it@127.0.0.62:5071;ob>",), **bare)
    here = Device(edge.kamailio.at, extension, contacts=("<sip:it@127.0.0.62:5071;ob>",), **bare)
    assert (await there.says()).status == 200
    (before,) = await world.contacts(extension, fresh=True)
    assert bound(await Device(edge.kamailio.at, extension).says()).keys() == {"sip:it@127.0.0.62:5071;ob"}
    assert bound(await here.says()).keys() == {"sip:it@127.0.0.62:5071;ob"}
    (after,) = await world.contacts(extension, fresh=True)

    assert (before["id"], before["reg_server"], after["reg_server"]) == (after["id"], "asterisk", "edge")
    all_gone = Device(edge.kamailio.at, extension, expires="0", contacts=("*",))
    assert bound(await all_gone.says()) == {}
    assert await world.contacts(extension, fresh=True) == []


async def test_a_phone_that_falls_silent_at_the_edge_is_told_when_its_time_is_over(edge: Edge) -> None:
    extension = await edge.world.create("4808")
    edge.world.sql("UPDATE ps_aors SET minimum_expiration = 1 WHERE id = ?", extension["endpoint_id"])

    assert await register(edge.kamailio.at, extension, expires="2") == (200, ["MD5"])

    await told(edge.world, extension, REGISTERED, EXPIRED)


@pytest.mark.parametrize("agent", ["", "é" * 300, "^;'\"\\%27"])
async def test_whatever_a_phone_calls_itself_is_text(edge: Edge, agent: str) -> None:
    extension = await edge.world.create(f"483{token_hex(2)}")

    assert await register(edge.kamailio.at, extension, agent=agent) == (200, ["MD5"])

    (contact,) = await edge.world.contacts(extension, fresh=True)
    kept = {"": "", "é" * 300: "?" * 200}
    assert contact["user_agent"] == kept.get(agent, "^5E^3B'\"\\%27")


async def test_a_storm_of_phones_at_the_edge_is_let_in_whole(edge: Edge) -> None:
    world = edge.world
    made: list[Extension] = [await world.create(f"482{number:03}") for number in range(150)]
    abreast = asyncio.Semaphore(30)

    async def comes(extension: Extension) -> tuple[int, list[str]]:
        async with abreast:
            return await register(edge.kamailio.at, extension, agent="Büro; '^\" phone")

    for _ in range(2):
        assert {status for status, _ in await asyncio.gather(*map(comes, made))} == {200}

    of = "FROM ps_contacts WHERE endpoint LIKE '482%'"
    assert world.sql(f"SELECT count(DISTINCT endpoint) {of}") == [(150,)]
    assert world.sql(f"SELECT DISTINCT user_agent, via_addr {of}") == [("B??ro^3B '^5E\" phone", HOST)]
