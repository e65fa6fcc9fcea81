"""One's own password, and sessions: who may see and end which, and what the audit log tells of signing in and out."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.test_auth import LOCKED, SAID, WRONG, login, refresh
from tests.api.test_people import AUTH, ROOT, make
from tests.world import PASSWORD, MakeWorld, World, refusal

pytestmark = pytest.mark.long

MINE = f"{AUTH}/sessions"
OTHER = "Sample-Pass-0042"
WRONG_PASSWORD = (403, "WRONG_PASSWORD")
DENIED = (403, "PERMISSION_DENIED")
NO_SESSION = (404, "SESSION_NOT_FOUND")


@pytest.fixture
async def pat(http: httpx.AsyncClient, world: World) -> dict[str, Any]:
    """Somebody who may sign in; time stands still."""
    made = await make(http)
    world.frozen = True
    return made


async def signed_in(nobody: httpx.AsyncClient, agent: str = "Browser/1", **more: Any) -> dict[str, str]:
    """The header of somebody who signs in with that program."""
    answer = await nobody.post(f"{AUTH}/login", json={**SAID, **more}, headers={"user-agent": agent})
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


async def change(nobody: httpx.AsyncClient, who: dict[str, str], current: str = PASSWORD, **more: Any) -> Any:
    asked = {"current_password": current, "password": OTHER, **more}
    return await nobody.post(f"{AUTH}/password", json=asked, headers=who)


async def entries(http: httpx.AsyncClient, person: dict[str, Any]) -> list[tuple[str, str]]:
    """(action, actor) of what the log tells of a person, in order."""
    found = (await http.get("/v1.0/audit", params={"object_id": person["id"]})).json()["result"]
    return [(entry["action"], entry["actor"]) for entry in reversed(found)]


# ---- one's own password


async def test_a_new_password_of_ones_own_ends_all_sessions_but_this_one(
    pat: dict[str, Any], http: httpx.AsyncClient, nobody: httpx.AsyncClient
) -> None:
    here, there = await signed_in(nobody), await signed_in(nobody)

    assert (await change(nobody, here)).json() == {"changed": True}

    assert (await nobody.get(MINE, headers=here)).status_code == 200
    assert refusal(await nobody.get(MINE, headers=there)) == WRONG
    assert refusal(await login(nobody)) == WRONG
    assert (await login(nobody, password=OTHER)).status_code == 200
    actor = f"person:{pat['id']}"
    assert (await entries(http, pat))[3] == ("updated", actor)


async def test_a_wrong_current_password_counts_as_a_failure_to_sign_in(
    pat: dict[str, Any], http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    here = await signed_in(nobody)
    for number in range(10):
        world.wait(1)
        assert refusal(await change(nobody, here, f"Wrong-Pass-{number}")) == WRONG_PASSWORD

    assert refusal(await change(nobody, here)) == LOCKED
    locked = await login(nobody)
    assert (refusal(locked), locked.headers["retry-after"]) == (LOCKED, "900")
    world.wait(700)
    assert (await login(nobody)).headers["retry-after"] == "200"
    assert (await nobody.get(MINE, headers=here)).status_code == 200
    found = [action for action, _ in await entries(http, pat)]
    assert found == ["created", "signed_in", *["password_refused"] * 10, "locked_out"]


async def test_wrong_current_passwords_count_for_the_address(make_world: MakeWorld) -> None:
    world = make_world(rest_failure_limit=3)
    async with await world.http() as http:
        await make(http)
        del http.headers["authorization"]
        here = await signed_in(http)
        for _ in range(4):
            assert refusal(await change(http, here, "Wrong-Pass-0001")) == WRONG_PASSWORD
        refused = await change(http, here)

    assert (refusal(refused), refused.headers["retry-after"]) == ((429, "RATE_LIMITED"), "60")


async def test_a_password_that_is_none_is_400_and_changes_nothing(
    pat: dict[str, Any], nobody: httpx.AsyncClient, world: World
) -> None:
    here = await signed_in(nobody)
    before = world.everything()

    for wrong in ("short", "x" * 129, "PAT@example.com", PASSWORD):
        answer = await change(nobody, here, password=wrong)
        assert refusal(answer) == (400, "VALIDATION_FAILED"), wrong
        assert [fault["field"] for fault in answer.json()["error"]["details"]] == ["password"]
    empty = await nobody.post(f"{AUTH}/password", json={}, headers=here)
    assert [fault["field"] for fault in empty.json()["error"]["details"]] == ["current_password", "password"]
    assert world.everything() == before


async def test_what_was_refused_is_tried_again_under_its_idempotency_key(
    pat: dict[str, Any], nobody: httpx.AsyncClient
) -> None:
    once = await signed_in(nobody) | {"idempotency-key": "once"}

    for _ in range(2):
        assert refusal(await change(nobody, once, "Wrong-Pass-0001")) == WRONG_PASSWORD
    changed, again = await change(nobody, once), await change(nobody, once)

    assert changed.json() == again.json() == {"changed": True}
    assert again.headers["idempotent-replay"] == "true"


async def test_an_access_key_has_no_password_and_no_sessions(http: httpx.AsyncClient, world: World) -> None:
    before = world.everything()

    assert refusal(await change(http, {})) == DENIED
    assert (await http.get(MINE)).json() == {"result": [], "next_page_token": ""}
    assert refusal(await http.get(MINE, params={"page_token": "x"})) == (400, "INVALID_PAGE_TOKEN")
    assert (await http.delete(MINE)).json() == {"ended": 0}
    assert refusal(await http.delete(f"{MINE}/{uuid4()}")) == NO_SESSION
    assert world.everything() == before


# ---- sessions


async def test_sessions_are_listed_with_where_they_were_seen_last_and_without_tokens(
    pat: dict[str, Any], nobody: httpx.AsyncClient, world: World
) -> None:
    first = await login(nobody)
    world.wait(60)
    here = await signed_in(nobody, "Browser/\x07" + "x" * 300)
    world.wait(60)
    await nobody.post(
        f"{AUTH}/refresh", json={"refresh_token": first.json()["refresh_token"]}, headers={"user-agent": "Phone/2"}
    )

    answer = await nobody.get(MINE, headers=here)

    newer, older = answer.json()["result"]
    assert {name: value for name, value in newer.items() if name not in ("id", "tm_create", "tm_expire")} == {
        "person_id": pat["id"], "tm_refresh": None, "address": "127.0.0.1", "user_agent": "Browser/" + "x" * 247,
        "is_current": True,
    }  # fmt: skip
    assert (older["user_agent"], older["is_current"]) == ("Phone/2", False)
    assert older["tm_create"] < newer["tm_create"] < older["tm_refresh"]
    for secret in (first.json()["access_token"], "hash", "rr_"):
        assert secret not in answer.text
    paged = await nobody.get(MINE, headers=here, params={"page_size": 1})
    assert paged.json()["result"] == [newer]
    rest = await nobody.get(MINE, headers=here, params={"page_token": paged.json()["next_page_token"]})
    assert rest.json()["result"] == [older]
    world.wait(30 * 86400)
    fresh = await signed_in(nobody)
    assert len((await nobody.get(MINE, headers=fresh)).json()["result"]) == 1


async def test_one_of_my_sessions_ends_or_all_others(
    pat: dict[str, Any], http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    here, *others = [await signed_in(nobody) for _ in range(4)]
    world.wait(1)
    latest = await signed_in(nobody)
    (newest, *_) = (await nobody.get(MINE, headers=here)).json()["result"]

    assert (await nobody.delete(f"{MINE}/{newest['id']}", headers=here)).json() == {"ended": 1}
    assert refusal(await nobody.delete(f"{MINE}/{newest['id']}", headers=here)) == NO_SESSION
    assert refusal(await nobody.get(MINE, headers=latest)) == WRONG
    assert (await nobody.delete(MINE, headers=here)).json() == {"ended": 3}
    assert (await nobody.delete(MINE, headers=here)).json() == {"ended": 0}
    for other in others:
        assert refusal(await nobody.get(MINE, headers=other)) == WRONG
    assert len((await nobody.get(MINE, headers=here)).json()["result"]) == 1
    actor = f"person:{pat['id']}"
    assert (await entries(http, pat))[6:] == [("session_ended", actor), ("sessions_ended", actor)]


async def test_an_admin_and_the_operator_end_the_sessions_of_their_people(
    pat: dict[str, Any], http: httpx.AsyncClient, operator: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    of = {"customer_id": str(world.customer)}
    theirs = f"{ROOT}/{pat['id']}/sessions"
    held = [await signed_in(nobody) for _ in range(3)]

    for who, query in ((http, {}), (operator, of)):
        (found, *_) = (await who.get(theirs, params=query)).json()["result"]
        assert found["is_current"] is False
        assert (await who.delete(f"{theirs}/{found['id']}", params=query)).json() == {"ended": 1}
    assert (await http.delete(theirs)).json() == {"ended": 1}
    for one in held:
        assert refusal(await nobody.get(MINE, headers=one)) == WRONG
    assert (await http.get(theirs)).json()["result"] == []
    assert (await entries(http, pat))[4:] == [
        ("session_ended", "key:test"), ("session_ended", "key:test"), ("sessions_ended", "key:test"),
    ]  # fmt: skip
    await signed_in(nobody)


async def test_another_customers_person_and_another_persons_session_are_not_there(
    pat: dict[str, Any], http: httpx.AsyncClient, operator: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    kim = await make(http, "kim@example.com", "manager")
    pats, kims = await signed_in(nobody), await signed_in(nobody, email="kim@example.com")
    (session,) = (await nobody.get(MINE, headers=pats)).json()["result"]
    theirs = f"{ROOT}/{pat['id']}/sessions"
    async with await world.http(await world.key(uuid4())) as stranger:
        before = world.everything()
        for who in (stranger, operator):
            for method, path in (("GET", theirs), ("DELETE", theirs), ("DELETE", f"{theirs}/{session['id']}")):
                assert refusal(await who.request(method, path)) == (404, "PERSON_NOT_FOUND")
    for method, path in (("GET", theirs), ("DELETE", theirs), ("DELETE", f"{theirs}/{session['id']}")):
        assert refusal(await nobody.request(method, path, headers=kims)) == DENIED
    for path in (f"{MINE}/{session['id']}", f"{MINE}/{uuid4()}"):
        assert refusal(await nobody.delete(path, headers=kims)) == NO_SESSION
    assert refusal(await http.delete(f"{ROOT}/{kim['id']}/sessions/{session['id']}")) == NO_SESSION
    assert world.everything() == before


# ---- the audit log


async def test_signing_in_and_out_stands_in_the_audit_log(
    pat: dict[str, Any], http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    said = (await login(nobody)).json()
    await refresh(nobody, said["refresh_token"])
    await refresh(nobody, said["refresh_token"])
    out = (await login(nobody)).json()["refresh_token"]
    for _ in range(2):
        await nobody.post(f"{AUTH}/logout", json={"refresh_token": out})
    for _ in range(12):
        await login(nobody, email="PAT@example.com", password="Wrong-Pass-0001")

    actor = f"person:{pat['id']}"
    assert await entries(http, pat) == [
        ("created", "key:test"),
        ("signed_in", actor),
        ("refresh_reused", "nobody"),
        ("signed_in", actor),
        ("signed_out", actor),
        *[("sign_in_refused", "nobody")] * 10,
        ("locked_out", "nobody"),
    ]
    found = (await http.get("/v1.0/audit", params={"kind": "person"})).json()["result"]
    assert {entry["address"] for entry in found} == {"127.0.0.1"}
    assert found[0]["after"] == {"tm_end": "2026-02-11T09:45:05.123456Z"}
    assert found[1]["after"] == {"failures": 10}
    ended, begun = found[11:13]
    assert (ended["before"], ended["after"], begun["before"]) == (begun["after"], None, None)
    assert begun["after"].keys() == {"session", "tm_create", "user_agent"}


async def test_somebody_unknown_leaves_no_entry_however_often_they_try(
    pat: dict[str, Any], nobody: httpx.AsyncClient, world: World
) -> None:
    before = world.sql("SELECT * FROM ringback_audit")
    for number in range(12):
        await login(nobody, email="nobody@example.com")
        await login(nobody, email=f"x{number}@example.com")
        await refresh(nobody, "rr_x")

    assert world.sql("SELECT * FROM ringback_audit") == before


async def test_who_is_frozen_or_disabled_is_noted_as_refused(
    pat: dict[str, Any], http: httpx.AsyncClient, operator: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    await http.patch(f"{ROOT}/{pat['id']}", json={"status": "disabled"})
    assert refusal(await login(nobody)) == WRONG
    await http.patch(f"{ROOT}/{pat['id']}", json={"status": "active"})
    await world.tell("customer_frozen")
    assert refusal(await login(nobody)) == (403, "ACCOUNT_FROZEN")

    found = (await operator.get("/v1.0/audit", params={"action": "sign_in_refused"})).json()["result"]
    assert [entry["after"] for entry in found] == [{"reason": "ACCOUNT_FROZEN"}, {"failures": 1}]
    assert world.sql("SELECT id FROM customer_sessions") == []


async def test_the_entry_of_a_failure_goes_with_its_count_or_not_at_all(
    pat: dict[str, Any], nobody: httpx.AsyncClient, world: World
) -> None:
    for number in range(12):
        world.fail_at(number)
        await login(nobody, password="Wrong-Pass-0001")
    world.heal()

    (row,) = world.sql("SELECT failures FROM customer_sign_in_failures")
    noted = world.sql("SELECT id FROM ringback_audit WHERE action = 'sign_in_refused'")
    assert 0 < row["failures"] == len(noted) < 10
