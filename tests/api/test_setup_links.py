"""Setup links over REST: a phone is set up by them once, and whoever only looks opens none."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4
from xml.etree import ElementTree

import httpx
import pytest

from ringback.kit.secret import Secret
from ringback.registrar.extensions import service as extensions
from ringback.registrar.realms.model import Status
from ringback.sip.digest import ha1
from tests import codes
from tests.world import PASSWORD, Broken, MakeWorld, World, faulty, refusal

PLAIN_ONLY = {"accept": "*/*"}
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
LINPHONE = {"user-agent": "LinphoneAndroid/5.2.4 (Pixel 6) LinphoneSDK/5.3.46"}
GONE = (404, "SETUP_LINK_NOT_FOUND")


async def place_of(http: httpx.AsyncClient, number: str = "1001", **more: Any) -> str:
    """Where the link of a new extension is made."""
    made = await http.post("/v1.0/extensions", json={"extension": number, "password": PASSWORD, **more})
    return f"/v1.0/extensions/{made.json()['id']}/setup_link"


async def link(http: httpx.AsyncClient, place: str, **asked: Any) -> str:
    """The path of a new link."""
    made = await http.post(place, json=asked)
    assert made.status_code == 201, made.text
    return httpx.URL(made.json()["url"]).path


def entries(answer: httpx.Response) -> dict[str, str]:
    """What Linphone reads of an account."""
    assert answer.status_code == 200, answer.text
    return {
        entry.attrib["name"]: entry.text or ""
        for section in ElementTree.fromstring(answer.content)
        if section.attrib["name"] in ("auth_info_0", "proxy_0")
        for entry in section
    }


def in_tables(world: World) -> set[str]:
    """The digests that Asterisk and the edge know the phone by."""
    (row,) = world.sql("SELECT ha1 FROM registrar_sip_auths")
    (auth,) = world.sql("SELECT md5_cred FROM ps_auths")
    return {row["ha1"], auth["md5_cred"]}


async def test_a_link_gives_the_phone_a_new_password_that_works_and_is_dead_then(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    place = await place_of(http, name='Front "desk" & <co>', username="desk1001")
    made = await http.post(place)
    told = len(world.events())

    shown = made.json()
    assert (made.status_code, made.headers["location"]) == (201, place)
    assert shown["url"].startswith("http://127.0.0.1:8080/v1.0/setup/rs_")
    assert codes.in_svg(shown["qr_svg"]) == f"{shown['url']}?format=linphone"
    read = entries(await nobody.get(shown["url"], headers=LINPHONE))

    (extension,) = (await http.get("/v1.0/extensions")).json()["result"]
    assert (read["username"], read["userid"]) == ("1001", "desk1001")
    assert read["reg_identity"] == f'"Front \\"desk\\" & <co>" <sip:1001@{extension["realm"]}>'
    assert read["realm"] == extension["realm"]
    assert read["passwd"] != PASSWORD
    assert in_tables(world) == {ha1("desk1001", extension["realm"], Secret(read["passwd"])).md5}
    assert [type for type, _ in world.events()[told:]] == ["extension_updated"]
    assert refusal(await nobody.get(shown["url"], headers=LINPHONE)) == GONE
    assert refusal(await http.get(place)) == GONE


async def test_nothing_of_the_phone_changes_until_the_link_is_opened(http: httpx.AsyncClient, world: World) -> None:
    place = await place_of(http)
    before = world.everything()

    await link(http, place)

    after = world.everything()
    changed = {table for table in after if after[table] != before[table]}
    assert changed == {"registrar_setup_links", "ringback_audit"}


@pytest.mark.parametrize("form", ["acrobits", "baresip", "json", "linphone", "text"])
async def test_a_link_speaks_every_form_that_it_names(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World, form: str
) -> None:
    place = await place_of(http)
    made = (await http.post(place)).json()
    assert form in made["formats"]

    answer = await nobody.get(f"{made['url']}?format={form}")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "1001" in answer.text
    assert refusal(await nobody.get(f"{made['url']}?format={form}")) == GONE


async def test_whoever_only_looks_opens_nothing(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    """A browser that is sent the link, a chat that makes a preview of it, a scanner of mails."""
    path = await link(http, await place_of(http))
    before = world.everything()

    looks = [
        await nobody.get(path, headers=BROWSER),
        await nobody.get(f"{path}?format=linphone", headers=BROWSER),
        await nobody.head(path),
        await nobody.head(f"{path}?format=linphone"),
        await nobody.head(path, headers=LINPHONE),
        *[
            await nobody.get(path, headers={**PLAIN_ONLY, "user-agent": agent})
            for agent in ("WhatsApp/2.23", "TelegramBot (like TwitterBot)", "Slackbot-LinkExpanding 1.0", "curl/8")
        ],
    ]

    assert {look.status_code for look in looks} == {200}
    assert {look.headers["content-type"] for look in looks} == {"text/html; charset=utf-8"}
    assert all("1001" not in look.text for look in looks)
    assert "form-action 'self'" in looks[0].headers["content-security-policy"]
    assert f'href="linphone-config:http://127.0.0.1:8080{path}?format=linphone"' in looks[0].text
    assert all('<form method="post" action="?">' in look.text for look in looks[:2])
    assert world.everything() == before
    assert entries(await nobody.get(path, headers=LINPHONE))["username"] == "1001"


async def test_the_button_of_the_page_shows_the_settings_once(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    path = await link(http, await place_of(http, name="<b>Desk</b>"))
    button = {**BROWSER, "content-type": "application/x-www-form-urlencoded", "origin": "null"}

    answer = await nobody.post(path, headers=button)

    assert answer.status_code == 200
    assert "&lt;b&gt;Desk&lt;/b&gt;" in answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert refusal(await nobody.post(path, headers=button)) == GONE


async def test_a_program_gets_json_by_a_post(http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World) -> None:
    path = await link(http, await place_of(http))

    setup = (await nobody.post(path)).json()

    assert in_tables(world) == {ha1("1001", setup["realm"], Secret(setup["password"])).md5}
    assert setup | {"password": "", "realm": ""} == {
        "extension": "1001",
        "name": "",
        "sip_uri": f"sip:1001@{setup['realm']}",
        "server": setup["realm"],
        "port": None,
        "transport": "udp",
        "username": "1001",
        "auth_username": "1001",
        "realm": "",
        "password": "",
    }


async def test_phones_are_told_the_server_of_the_settings(make_world: MakeWorld) -> None:
    world = make_world(
        public_url="https://phones.example.com/rb/",
        sip_public_host="sip.example.com",
        sip_public_port=5061,
        sip_public_transport="tls",
    )
    async with await world.http() as http:
        made = (await http.post(await place_of(http))).json()
        assert made["url"].startswith("https://phones.example.com/rb/v1.0/setup/rs_")
        path = made["url"].removeprefix("https://phones.example.com/rb")
        setup = (await http.post(path)).json()

    assert (setup["server"], setup["port"], setup["transport"]) == ("sip.example.com", 5061, "tls")


@pytest.mark.parametrize("address", ["", ":8080", "0.0.0.0:8080", "[::]:8080"])
async def test_no_link_is_made_that_would_lead_nowhere(make_world: MakeWorld, address: str) -> None:
    world = make_world(rest_listen_address=address)
    async with await world.http() as http:
        answer = await http.post(await place_of(http))

    assert refusal(answer) == (409, "PUBLIC_URL_NOT_SET")
    assert world.sql("SELECT * FROM registrar_setup_links") == []


async def test_a_link_works_as_long_as_was_asked_for(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    world.frozen = True
    place = await place_of(http)
    for asked, seconds in (
        ({}, 900),
        ({"expires_in_minutes": None}, 900),
        ({"expires_in_minutes": 1}, 60),
        ({"expires_in_minutes": 1440}, 86400),
    ):
        path = await link(http, place, **asked)
        world.wait(seconds - 1)
        assert (await nobody.head(path)).status_code == 200
        world.wait(1)
        assert refusal(await nobody.get(path, headers=LINPHONE)) == GONE
        assert refusal(await http.get(place)) == GONE


@pytest.mark.parametrize("minutes", [0, -1, 1441, 1.5, "15", True, [], 10**30])
async def test_how_long_is_a_number_of_minutes_within_a_day(
    http: httpx.AsyncClient, world: World, minutes: object
) -> None:
    place = await place_of(http)
    before = world.everything()

    answer = await http.post(place, json={"expires_in_minutes": minutes, "colour": "green"})

    assert refusal(answer) == (400, "VALIDATION_FAILED")
    assert faulty(answer) == ["expires_in_minutes", "colour"]
    assert world.everything() == before


async def test_an_extension_has_one_link_at_most_and_it_can_be_taken_back(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    place = await place_of(http)
    first, second = await link(http, place), await link(http, place)
    assert refusal(await nobody.get(first, headers=LINPHONE)) == GONE

    shown = await http.get(place)
    assert (shown.json()["url"], shown.json()["qr_svg"]) == ("", "")
    assert refusal(await http.delete(place, headers={"if-match": '"stale"'})) == (412, "PRECONDITION_FAILED")
    revoked = await http.delete(place, headers={"if-match": shown.headers["etag"]})

    assert revoked.json() == shown.json()
    assert refusal(await nobody.get(second, headers=LINPHONE)) == GONE
    assert refusal(await http.delete(place)) == GONE
    assert world.sql("SELECT * FROM registrar_setup_links") == []


async def test_links_that_have_ended_do_not_pile_up(http: httpx.AsyncClient, world: World) -> None:
    for number in ("1001", "1002", "1003"):
        await link(http, await place_of(http, number))
        world.wait(3600)

    assert len(world.sql("SELECT * FROM registrar_setup_links")) == 1


async def test_a_link_dies_with_its_extension_and_does_not_come_back_with_it(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    place = await place_of(http)
    path = await link(http, place)
    id = UUID(place.split("/")[3])

    await http.delete(f"/v1.0/extensions/{id}")
    assert refusal(await nobody.get(path, headers=LINPHONE)) == GONE
    assert refusal(await http.post(place)) == (404, "EXTENSION_NOT_FOUND")
    await world.ringback.work.write(lambda uow: extensions.restore(uow, id, of=None))

    assert refusal(await nobody.get(path, headers=LINPHONE)) == GONE


async def test_a_frozen_customers_link_waits_and_a_deleted_ones_is_dead(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, operator: httpx.AsyncClient, world: World
) -> None:
    place = await place_of(http)
    path = await link(http, place)
    of = {"customer_id": str(world.customer)}

    await world.set_status(Status.FROZEN)
    before = world.everything()
    assert refusal(await nobody.get(path, headers=LINPHONE)) == (403, "ACCOUNT_FROZEN")
    assert (await nobody.head(path)).status_code == 403
    assert refusal(await http.post(place)) == (403, "ACCOUNT_FROZEN")
    assert refusal(await operator.post(place, params=of)) == (409, "CUSTOMER_FROZEN")
    assert world.everything() == before
    await world.set_status(Status.ACTIVE)
    assert (await nobody.head(path)).status_code == 200
    await world.set_status(Status.DELETED)
    assert refusal(await nobody.get(path, headers=LINPHONE)) == GONE


async def test_another_customers_extension_gets_no_link_from_us(http: httpx.AsyncClient, world: World) -> None:
    place = await place_of(http)
    await link(http, place)
    world.customer = uuid4()
    async with await world.http() as stranger:
        before = world.everything()
        for method in ("POST", "GET", "DELETE"):
            assert refusal(await stranger.request(method, place)) == (404, "EXTENSION_NOT_FOUND")
        assert world.everything() == before


@pytest.mark.parametrize("token", ["", "x", "rs_" + "A" * 43, "rs_%00", "%27%20OR%201=1--", "%ff", "a" * 5000])
async def test_what_is_no_token_is_not_there(nobody: httpx.AsyncClient, world: World, token: str) -> None:
    before = world.everything()

    for method in ("GET", "POST"):
        answer = await nobody.request(method, f"/v1.0/setup/{token}?format=linphone")
        assert refusal(answer) == GONE
    assert refusal(await nobody.get(f"/v1.0/setup/{token}?format=zoiper")) == (400, "VALIDATION_FAILED")
    assert world.everything() == before


async def test_guessing_is_limited_by_address_like_refused_keys(make_world: MakeWorld) -> None:
    world = make_world(rest_failure_limit=3)
    async with await world.http() as http:
        path = await link(http, await place_of(http))
        del http.headers["authorization"]
        for number in range(4):
            assert refusal(await http.get(f"/v1.0/setup/rs_{number:043}")) == GONE
        answer = await http.get(path, headers=LINPHONE)
        assert refusal(answer) == (429, "RATE_LIMITED")
        assert "retry-after" in answer.headers
        world.wait(61)
        assert entries(await http.get(path, headers=LINPHONE))["username"] == "1001"


async def test_of_two_who_open_a_link_at_once_one_gets_a_password(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    path = await link(http, await place_of(http))

    answers = await asyncio.gather(*(nobody.get(path, headers=LINPHONE) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] + [404] * 7
    (opened,) = [entries(answer) for answer in answers if answer.status_code == 200]
    assert in_tables(world) == {ha1("1001", opened["realm"], Secret(opened["passwd"])).md5}


@pytest.mark.long
async def test_a_failure_before_any_statement_leaves_the_link_and_the_phone_as_they_were(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    path = await link(http, await place_of(http))
    before = world.everything()
    world.statements.clear()
    for number in range(100):
        world.fail_at(number)
        with suppress(Broken):
            answer = await nobody.get(path, headers=LINPHONE)
        world.heal()
        if answer.status_code == 200:
            break
        assert refusal(answer) == (500, "INTERNAL")
        assert world.everything() == before

    assert number > 8
    assert refusal(await nobody.get(path, headers=LINPHONE)) == GONE


async def test_the_token_and_the_password_stand_nowhere_but_in_their_one_answer(
    logged: Callable[[], str], http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    place = await place_of(http)
    path = await link(http, place)
    key = {"idempotency-key": "once"}
    made = await http.post(place, headers=key)
    again = await http.post(place, headers=key)
    token = made.json()["url"].rpartition("/")[2]
    await nobody.get(path)
    await nobody.get(made.json()["url"], headers={"referer": made.json()["url"]})
    password = entries(await nobody.get(made.json()["url"], headers=LINPHONE))["passwd"]

    assert again.headers["idempotent-replay"] == "true"
    assert (again.json()["url"], again.json()["qr_svg"]) == ("", "")
    for secret in (token, password, path.rpartition("/")[2]):
        assert secret not in repr(world.everything())
        assert secret not in logged()
        assert secret not in (await http.get("/v1.0/audit")).text
    assert "GET /v1.0/setup/<token>" in logged()


async def test_the_audit_log_tells_who_made_the_link_and_that_it_was_opened(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    place = await place_of(http)
    id = place.split("/")[3]
    await nobody.get(await link(http, place), headers=LINPHONE)
    await link(http, place)
    await http.delete(place)

    told = [
        (one["kind"], one["action"], one["actor"])
        for one in (await http.get("/v1.0/audit", params={"object_id": id})).json()["result"][::-1]
    ]
    by_key, by_link = "key:test", f"setup_link:{id}"
    assert told == [
        ("extension", "created", by_key),
        ("setup_link", "created", by_key),
        ("setup_link", "opened", by_link),
        ("extension", "updated", by_link),
        ("setup_link", "created", by_key),
        ("setup_link", "deleted", by_key),
    ]


async def test_a_phone_that_was_registered_is_forgotten_when_the_link_is_opened(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    made = await world.create("1001")
    place = f"/v1.0/extensions/{made['id']}/setup_link"
    world.register(made["endpoint_id"])

    path = await link(http, place)
    assert len(world.sql("SELECT id FROM ps_contacts")) == 1
    await nobody.get(path, headers=LINPHONE)

    assert world.sql("SELECT id FROM ps_contacts") == []


async def test_with_clear_passwords_at_rest_a_link_works_alike(make_world: MakeWorld) -> None:
    world = make_world(secret_storage="plaintext")
    async with await world.http() as http:
        read = entries(await http.get(await link(http, await place_of(http)), headers=LINPHONE))

    (row,) = world.sql("SELECT password FROM registrar_extensions")
    assert row["password"] == read["passwd"]
