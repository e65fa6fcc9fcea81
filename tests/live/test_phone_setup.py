"""A phone is set up by a link, and registers at a real Asterisk with what it was told and nothing else."""

import re
from collections.abc import Mapping
from xml.etree import ElementTree

import httpx
import pytest

from tests.patience import ENOUGH

from .conftest import Extension, StartPhone, World
from .digest import register

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

SERVER = re.compile(r"<sip:([\w.]+:\d+);transport=udp>")
"""Of `reg_proxy`."""
IDENTITY = re.compile(r'"(?:[^"\\]|\\.)*" <sip:([^@]+)@([^>]+)>')


async def link(world: World, extension: Extension) -> str:
    """The path of a new link."""
    made = await world.server.rest("POST", f"/v1.0/extensions/{extension['id']}/setup_link")
    assert made.status == 201, made
    return httpx.URL(made.body["url"]).path


async def fetched(world: World, path: str, user_agent: str) -> httpx.Response:
    """What a softphone is told there."""
    async with httpx.AsyncClient(base_url=world.server.url, headers={"user-agent": user_agent}, timeout=ENOUGH) as http:
        return await http.get(path)


def linphone(document: bytes) -> tuple[str, Mapping[str, str]]:
    """Server and account, as Linphone reads them."""
    read = {
        entry.attrib["name"]: entry.text or ""
        for section in ElementTree.fromstring(document)
        if section.attrib["name"] in ("auth_info_0", "proxy_0")
        for entry in section
    }
    server, identity = SERVER.fullmatch(read["reg_proxy"]), IDENTITY.fullmatch(read["reg_identity"])
    assert server
    assert identity
    number, realm = identity.groups()
    account = {"extension": number, "realm": realm, "username": read["userid"], "password": read["passwd"]}
    return server[1], account


def acrobits(document: bytes) -> tuple[str, Mapping[str, str]]:
    """The same as Acrobits' softphones read it."""
    read = {field.tag: field.text or "" for field in ElementTree.fromstring(document)}
    account = {"extension": read["username"], "realm": read["host"]}
    return read["proxy"], {**account, "username": read["authUsername"], "password": read["password"]}


async def test_a_softphone_registers_with_what_its_link_told_it_and_the_one_before_is_out(
    world: World, phone: StartPhone
) -> None:
    extension = await world.create("2901", name='Front "desk" & <back>', username="desk1901")
    before = await phone(extension)
    assert await before.register() == 200
    path = await link(world, extension)
    assert len(await world.contacts(extension)) == 1

    server, account = linphone((await fetched(world, path, "LinphoneAndroid/5.2.4")).content)
    after = await phone(account, server=server)

    assert await world.contacts(extension) == []
    assert [await after.register(), await before.register()] == [200, 401]
    assert len(await world.contacts(extension)) == 1
    second = await fetched(world, path, "LinphoneAndroid/5.2.4")
    assert (second.status_code, second.json()["error"]["reason"]) == (404, "SETUP_LINK_NOT_FOUND")


async def test_the_other_form_works_alike_by_each_digest(world: World) -> None:
    extension = await world.create("2902")

    answer = await fetched(world, await link(world, extension), "Groundwire/24.1")

    server, account = acrobits(answer.content)
    assert (await register(server, account, "MD5"))[0] == 200
    assert len(await world.contacts(extension, fresh=True)) == 1


async def test_two_set_up_phones_ring_each_other(world: World, phone: StartPhone) -> None:
    phones = []
    for number in ("2903", "2904"):
        path = await link(world, await world.create(number))
        server, account = linphone((await fetched(world, path, "Linphone-Desktop/5.2.4")).content)
        phones.append(await phone(account, server=server))
        assert await phones[-1].register() == 200

    call = await phones[0].call(f"sip:2904@{account['realm']}")

    assert call.status == 200
