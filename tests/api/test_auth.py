"""Signing in: tokens, their ends, reuse, lock-out; and that nobody learns who is there."""

import asyncio
import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import msgspec
import pytest

from ringback.customers.people import passwords
from ringback.customers.sessions import store as sessions_store
from ringback.customers.sessions import tokens
from ringback.customers.sessions.model import PREFIX, RefreshToken
from ringback.kit.secret import Secret
from ringback.registrar.realms.model import Status
from tests.api.test_people import AUTH, ROOT, make
from tests.world import PASSWORD, MakeWorld, World, refusal

pytestmark = pytest.mark.long

SAID = {"email": "pat@example.com", "password": PASSWORD}
PHONES = "/v1.0/extensions"
WRONG = (401, "INVALID_CREDENTIALS")
LOCKED = (429, "SIGN_IN_LOCKED")


@pytest.fixture
async def pat(http: httpx.AsyncClient, world: World) -> dict[str, Any]:
    """Somebody who may sign in; time stands still."""
    made = await make(http)
    world.frozen = True
    return made


async def login(nobody: httpx.AsyncClient, **more: Any) -> httpx.Response:
    return await nobody.post(f"{AUTH}/login", json={**SAID, **more})


async def refresh(nobody: httpx.AsyncClient, token: str) -> httpx.Response:
    return await nobody.post(f"{AUTH}/refresh", json={"refresh_token": token})


async def look(nobody: httpx.AsyncClient, token: str) -> httpx.Response:
    return await nobody.get(PHONES, headers={"authorization": f"Bearer {token}"})


async def test_whoever_signs_in_is_let_in_for_a_quarter_of_an_hour(
    pat: dict[str, Any], nobody: httpx.AsyncClient, world: World
) -> None:
    answer = await login(nobody, email="PAT@Example.com")
    said = answer.json()
    assert (said["token_type"], said["expires_in"], answer.headers["cache-control"]) == ("Bearer", 900, "no-store")
    assert (await look(nobody, said["access_token"])).status_code == 200
    world.wait(899)
    assert (await look(nobody, said["access_token"])).status_code == 200
    world.wait(1)
    assert refusal(await look(nobody, said["access_token"])) == WRONG

    fresh = (await refresh(nobody, said["refresh_token"])).json()
    assert (await look(nobody, fresh["access_token"])).status_code == 200


async def test_a_refresh_token_works_once_and_a_second_time_ends_the_session(
    pat: dict[str, Any], nobody: httpx.AsyncClient, world: World
) -> None:
    first = (await login(nobody)).json()
    second = (await refresh(nobody, first["refresh_token"])).json()
    assert (await look(nobody, second["access_token"])).status_code == 200

    assert refusal(await refresh(nobody, first["refresh_token"])) == WRONG
    assert refusal(await refresh(nobody, second["refresh_token"])) == WRONG
    for one in (first, second):
        assert refusal(await look(nobody, one["access_token"])) == WRONG
    assert world.sql("SELECT id FROM customer_sessions") == []


async def test_a_session_ends_after_thirty_days_however_often_it_was_refreshed(
    pat: dict[str, Any], nobody: httpx.AsyncClient, world: World
) -> None:
    token = (await login(nobody)).json()["refresh_token"]
    for _ in range(3):
        world.wait(timedelta(days=9, hours=23).total_seconds())
        token = (await refresh(nobody, token)).json()["refresh_token"]
    world.wait(timedelta(hours=3).total_seconds())

    assert refusal(await refresh(nobody, token)) == WRONG
    await login(nobody)
    assert len(world.sql("SELECT id FROM customer_sessions")) == 1


async def test_a_token_that_somebody_made_up_ends_nobodys_session(
    pat: dict[str, Any], nobody: httpx.AsyncClient, world: World
) -> None:
    said = (await login(nobody)).json()
    known = RefreshToken.parse(said["refresh_token"])
    assert known
    forged = RefreshToken.first(known.session_id).text.reveal()
    kin = said["refresh_token"].removeprefix(PREFIX)

    for token in (forged, PREFIX, "", "x", kin, f"{PREFIX}{kin}A", RefreshToken.first(uuid4()).text.reveal(), "é"):
        assert refusal(await refresh(nobody, token)) == WRONG, token
        assert (await nobody.post(f"{AUTH}/logout", json={"refresh_token": token})).json() == {"signed_out": True}
    assert (await look(nobody, said["access_token"])).status_code == 200
    assert refusal(await look(nobody, said["refresh_token"])) == WRONG


async def test_of_two_who_refresh_at_the_same_time_one_has_a_token_and_the_session_is_over(
    pat: dict[str, Any], nobody: httpx.AsyncClient, world: World
) -> None:
    token = (await login(nobody)).json()["refresh_token"]

    answers = await asyncio.gather(refresh(nobody, token), refresh(nobody, token))

    assert sorted(answer.status_code for answer in answers) == [200, 401]
    assert world.sql("SELECT id FROM customer_sessions") == []


async def test_signing_out_ends_this_session_at_once_and_no_other(
    pat: dict[str, Any], nobody: httpx.AsyncClient
) -> None:
    here, there = (await login(nobody)).json(), (await login(nobody)).json()
    for _ in range(2):
        left = await nobody.post(f"{AUTH}/logout", json={"refresh_token": here["refresh_token"]})
        assert (left.status_code, left.json()) == (200, {"signed_out": True})

    assert refusal(await look(nobody, here["access_token"])) == WRONG
    assert refusal(await refresh(nobody, here["refresh_token"])) == WRONG
    assert (await look(nobody, there["access_token"])).status_code == 200


async def test_a_new_signing_key_ends_access_tokens_and_no_session(
    pat: dict[str, Any], nobody: httpx.AsyncClient, world: World
) -> None:
    said = (await login(nobody)).json()
    await world.ringback.work.write(tokens.rotate)

    assert refusal(await look(nobody, said["access_token"])) == WRONG
    fresh = (await refresh(nobody, said["refresh_token"])).json()
    assert (await look(nobody, fresh["access_token"])).status_code == 200


async def test_a_token_that_says_anything_else_is_401(
    pat: dict[str, Any], nobody: httpx.AsyncClient, make_world: MakeWorld, world: World
) -> None:
    said = (await login(nobody)).json()["access_token"]
    (row,) = world.sql("SELECT value FROM registrar_meta WHERE LENGTH(value) = 64")
    key = row["value"]
    claims = jwt.decode(said, key, ["HS256"], audience="ringback", options={"verify_exp": False})
    assert set(claims) == {"iss", "aud", "sub", "sid", "iat", "exp"}

    def bearer(alg: str = "HS256", by: str = key, typ: str = "at+jwt", **more: Any) -> str:
        told = {name: value for name, value in {**claims, **more}.items() if value is not ...}
        return jwt.encode(told, by, alg, headers={"typ": typ})

    assert (await look(nobody, bearer())).status_code == 200
    wrong = [
        bearer(by="x" * 64), bearer("none", ""), bearer("HS512", key * 2), bearer("HS384"), bearer(typ="JWT"),
        bearer(aud="others"), bearer(aud=...), bearer(iss="others"), bearer(iss=...), bearer(exp=...), bearer(exp="x"),
        bearer(exp=1), bearer(sid=...), bearer(sid="x"), bearer(sid=str(uuid4())), bearer(sid=7), bearer(sid=None),
        f"{said}x", said.rpartition(".")[0] + ".", "eyJ0eXAiOiJhdCtqd3QifQ.e30.",
    ]  # fmt: skip
    for token in wrong:
        assert refusal(await look(nobody, token)) == WRONG, token


# ---- nobody learns who is there


async def test_somebody_unknown_and_a_wrong_password_are_one_and_the_same(
    pat: dict[str, Any], http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    gone = await make(http, "gone@example.com")
    await http.patch(f"{ROOT}/{gone['id']}", json={"status": "disabled"})
    seen: list[str] = []
    fits = world.ringback.memory.passwords.fits

    async def watched(hash: str, password: Secret) -> bool:
        seen.append(hash)
        return await fits(hash, password)

    world.ringback.memory.passwords.fits = watched  # type: ignore[method-assign]
    answers = []
    for said in (
        {"password": "Wrong-Pass-0001"}, {"email": "nobody@example.com"}, {"email": "gone@example.com"},
        {"email": "no address"}, {"email": "a\u0000b"}, {"email": ""}, {"password": ""}, {"password": "x" * 2000},
    ):  # fmt: skip
        answer = await login(nobody, **said)
        assert refusal(answer) == WRONG, said
        body = answer.json()["error"]
        answers.append({**body, "request_id": ""})

    assert answers == [answers[0]] * len(answers)
    assert len(seen) == len(answers)
    assert {msgspec.json.encode(hash.split("$")[1:4]) for hash in seen} == {
        msgspec.json.encode(passwords.NOBODYS.split("$")[1:4])
    }


async def test_nobodys_hash_takes_as_long_as_a_persons_and_no_password_fits_it() -> None:
    hash = passwords.HASHER.hash("x")
    assert not passwords.HASHER.check_needs_rehash(passwords.NOBODYS)
    assert [len(part) for part in hash.split("$")] == [len(part) for part in passwords.NOBODYS.split("$")]
    assert len(base64.b64decode(passwords.NOBODYS.split("$")[-1] + "=")) == 32
    assert not await passwords.Passwords().fits(passwords.NOBODYS, Secret(""))


@pytest.mark.parametrize("email", ["pat@example.com", "nobody@example.com"])
async def test_after_ten_failures_nobody_signs_in_with_that_address_for_a_quarter_of_an_hour(
    pat: dict[str, Any], http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World, email: str
) -> None:
    for number in range(10):
        world.wait(60)
        assert refusal(await login(nobody, email=email.upper(), password=f"Wrong-{number}")) == WRONG
    before = world.everything()
    assert refusal(await login(nobody, email=email)) == LOCKED
    assert world.everything() == before
    await make(http, "kim@example.com")
    assert (await login(nobody, email="kim@example.com")).status_code == 200
    world.wait(899)
    assert refusal(await login(nobody, email=email)) == LOCKED
    world.wait(2)
    assert (await login(nobody, email=email)).status_code == (200 if email == SAID["email"] else 401)


async def test_failures_that_are_long_ago_or_before_a_success_do_not_count(
    pat: dict[str, Any], nobody: httpx.AsyncClient, world: World
) -> None:
    for _ in range(9):
        world.wait(10)
        await login(nobody, password="wrong")
    world.wait(900)
    for _ in range(9):
        world.wait(10)
        assert refusal(await login(nobody, password="wrong")) == WRONG
    assert (await login(nobody)).status_code == 200
    for _ in range(9):
        world.wait(10)
        assert refusal(await login(nobody, password="wrong")) == WRONG
    assert (await login(nobody)).status_code == 200


async def test_of_many_tries_at_once_no_more_than_ten_are_looked_at(
    pat: dict[str, Any], nobody: httpx.AsyncClient, make_world: MakeWorld
) -> None:
    answers = await asyncio.gather(*(login(nobody, password=f"Wrong-{number}") for number in range(25)))

    counts = [refusal(answer) for answer in answers]
    assert counts.count(WRONG) == 10
    assert set(counts) <= {WRONG, LOCKED, (503, "DATABASE_UNAVAILABLE"), (429, "SIGN_IN_BUSY")}
    assert refusal(await login(nobody)) == LOCKED


async def test_one_address_may_fail_so_often_a_minute_and_others_go_on(make_world: MakeWorld) -> None:
    world = make_world(rest_failure_limit=3)
    async with await world.http() as http:
        await make(http)

    async def tried(address: str, number: int, password: str = "wrong") -> tuple[int, str]:
        transport = httpx.ASGITransport(app=world.ringback.gateway, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://ringback") as client:
            email = f"x{number}@example.com" if number else SAID["email"]
            answer = await login(client, email=email, password=password)
            return refusal(answer) if answer.status_code != 200 else (200, "")

    assert [await tried("203.0.113.7", number) for number in range(1, 5)] == [WRONG] * 4
    assert await tried("203.0.113.7", 0, PASSWORD) == (429, "RATE_LIMITED")
    assert await tried("203.0.113.8", 0, PASSWORD) == (200, "")
    world.wait(61)
    assert await tried("203.0.113.7", 0, PASSWORD) == (200, "")


# ---- customers, and who asks


async def test_people_of_a_frozen_customer_are_403_and_of_a_deleted_one_401(
    pat: dict[str, Any], nobody: httpx.AsyncClient, world: World
) -> None:
    token = (await login(nobody)).json()["access_token"]
    await world.set_status(Status.FROZEN)
    assert refusal(await look(nobody, token)) == (403, "ACCOUNT_FROZEN")
    assert refusal(await login(nobody)) == (403, "ACCOUNT_FROZEN")
    assert refusal(await login(nobody, password="wrong")) == WRONG
    await world.set_status(Status.DELETED)

    assert refusal(await look(nobody, token)) == WRONG
    assert refusal(await login(nobody)) == WRONG


async def test_everybody_may_ask_who_they_are(
    pat: dict[str, Any], http: httpx.AsyncClient, nobody: httpx.AsyncClient, operator: httpx.AsyncClient, world: World
) -> None:
    who = f"{AUTH}/whoami"
    key = (await http.get(who)).json()
    assert (key["kind"], key["name"], key["roles"], key["customer_id"]) == (
        "key",
        "test",
        ["admin"],
        str(world.customer),
    )
    bot = (await http.post("/v1.0/accesskeys", json={"name": "a: b", "scopes": ["pipeline:run"]})).json()
    async with await world.http(bot["key"]) as client:
        shown = (await client.get(who)).json()
    assert (shown["id"], shown["name"], shown["roles"], shown["scopes"]) == (bot["id"], "a: b", [], ["pipeline:run"])
    assert (await operator.get(who)).json()["customer_id"] is None
    token = (await login(nobody)).json()["access_token"]
    person = (await nobody.get(who, headers={"authorization": f"Bearer {token}"})).json()
    assert person == {
        "kind": "person", "id": pat["id"], "name": "Pat", "email": "pat@example.com",
        "customer_id": str(world.customer), "roles": ["viewer"], "scopes": None, "tm_expire": None,
    }  # fmt: skip
    assert refusal(await nobody.get(who)) == (401, "AUTHENTICATION_REQUIRED")


async def test_what_anybody_may_send_is_small_and_named_where_it_is_wrong(
    nobody: httpx.AsyncClient, world: World
) -> None:
    for path in ("login", "refresh", "logout"):
        large = await nobody.post(f"{AUTH}/{path}", json={"x": "y" * 5000})
        assert refusal(large) == (413, "BODY_TOO_LARGE")
        assert refusal(await nobody.post(f"{AUTH}/{path}", json={}))[0] == 400
        assert refusal(await nobody.get(f"{AUTH}/{path}")) == (405, "METHOD_NOT_ALLOWED")
    answer = await nobody.post(f"{AUTH}/login", json={"email": 1, "passwort": PASSWORD})
    assert [fault["field"] for fault in answer.json()["error"]["details"]] == ["email", "password", "passwort"]
    assert PASSWORD not in answer.text


async def test_no_password_and_no_token_reaches_a_log_or_the_database(
    pat: dict[str, Any], nobody: httpx.AsyncClient, world: World, logged: Callable[[], str]
) -> None:
    said = (await login(nobody)).json()
    wrong = "Wrong-Pass-0042"
    await login(nobody, password=wrong)
    for number in range(6):
        world.fail_at(number)
        await login(nobody)
        world.fail_at(number)
        await refresh(nobody, said["refresh_token"])
        world.fail_at(number)
        await look(nobody, said["access_token"])
    world.heal()
    fresh = await refresh(nobody, said["refresh_token"])
    secrets = [PASSWORD, wrong, said["access_token"], said["refresh_token"], *fresh.json().values()]

    log = logged()
    assert "Traceback" in log
    rows = str(world.everything())
    for secret in (text for text in secrets if isinstance(text, str) and len(text) > 10):
        assert secret not in log
        assert secret not in rows
        assert secret not in world.metrics()


def test_a_refresh_token_has_one_spelling_and_a_session_keeps_hashes_alone() -> None:
    token = RefreshToken.first(UUID(int=7))
    text = token.text.reveal()
    assert RefreshToken.parse(text) == token
    assert (len(text), text[:3]) == (67, "rr_")
    assert token.next().family_hash == token.family_hash
    assert token.next().hash != token.hash
    assert {"family_hash", "refresh_hash"} <= set(sessions_store.sessions.columns.keys())
