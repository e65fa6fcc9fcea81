"""Lists over REST: pages, tokens and filters."""

from typing import Any

import httpx
import pytest

from tests.world import World

ROOT = "/v1.0/extensions"


async def fill(world: World, *numbers: str) -> None:
    for number in numbers:
        await world.create(number)


async def page(http: httpx.AsyncClient, **query: Any) -> tuple[list[str], str]:
    answer = await http.get(ROOT, params=query)
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["result", "next_page_token"]
    return [shown["extension"] for shown in answer.json()["result"]], answer.json()["next_page_token"]


@pytest.mark.contract("registrar R-31")
async def test_tokens_are_stable_while_rows_come_and_go(http: httpx.AsyncClient, world: World) -> None:
    await fill(world, "1", "2", "3", "4", "5", "6")
    first, token = await page(http, page_size=2)

    await fill(world, "7")
    for number in ("5", "4"):
        (shown,) = (await http.get(ROOT, params={"extension": number})).json()["result"]
        await http.delete(f"{ROOT}/{shown['id']}")
    second, token = await page(http, page_size=2, page_token=token)
    third, last = await page(http, page_size=2, page_token=token)

    assert (first, second, third) == (["6", "5"], ["3", "2"], ["1"])
    assert last == ""


@pytest.mark.contract("registrar R-31")
async def test_a_last_page_that_is_full_has_no_token(http: httpx.AsyncClient, world: World) -> None:
    await fill(world, "1", "2", "3", "4")
    _, token = await page(http, page_size=2)

    assert await page(http, page_size=2, page_token=token) == (["2", "1"], "")
    assert await page(http, page_size=4) == (["4", "3", "2", "1"], "")


@pytest.mark.contract("registrar R-31")
async def test_rows_made_at_one_moment_are_each_on_one_page(http: httpx.AsyncClient, world: World) -> None:
    await fill(world, *"12345")
    world.sql("UPDATE registrar_extensions SET tm_create = '2026-02-11 09:30:00.000000'")

    found: list[str] = []
    token = ""
    for _ in range(3):
        numbers, token = await page(http, page_size=2, page_token=token)
        found += numbers

    assert (sorted(found), token) == (list("12345"), "")


@pytest.mark.contract("registrar R-31")
async def test_a_timestamp_is_a_token_too(http: httpx.AsyncClient, world: World) -> None:
    await fill(world, "1", "2", "3")
    newest = (await http.get(ROOT)).json()["result"][0]

    assert (await page(http, page_token=newest["tm_create"]))[0] == ["2", "1"]
    assert (await page(http, page_token="2001-01-01T00:00:00Z"))[0] == []


async def test_an_empty_token_is_the_first_page(http: httpx.AsyncClient, world: World) -> None:
    await fill(world, "1")

    assert await page(http, page_token="") == (["1"], "")


async def test_tokens_tell_nothing_of_other_customers(world: World, http: httpx.AsyncClient) -> None:
    await fill(world, "1", "2", "3")
    _, token = await page(http, page_size=1)
    async with await world.http(await world.key(type(world.customer)(int=7))) as other:
        assert await page(other, page_token=token) == ([], "")


@pytest.mark.contract("registrar R-29")
@pytest.mark.parametrize("size", ["0", "-1", "x", "101", "", "1.0", "007", "+5", "٣", "1e1", "true"])
async def test_a_page_size_that_is_none_is_400(http: httpx.AsyncClient, size: str) -> None:
    error = (await http.get(ROOT, params={"page_size": size})).json()["error"]

    assert (error["status"], error["reason"]) == ("INVALID_ARGUMENT", "VALIDATION_FAILED")
    assert error["details"] == [{"field": "page_size", "description": "must be a whole number from 1 to 100"}]


@pytest.mark.contract("registrar R-29")
async def test_without_a_page_size_there_are_a_hundred_at_most(http: httpx.AsyncClient, world: World) -> None:
    await fill(world, *(str(number) for number in range(101)))

    found, token = await page(http)

    assert len(found) == 100
    assert await page(http, page_token=token) == (["0"], "")


@pytest.mark.parametrize("token", ["x", "2026-13-01T00:00:00Z", "AAAA", "A" * 31 + "=", "B" * 32, "2026-02-11"])
async def test_a_page_token_that_is_none_of_ours_is_400(http: httpx.AsyncClient, token: str) -> None:
    answer = await http.get(ROOT, params={"page_token": token})

    assert (answer.status_code, answer.json()["error"]["reason"]) == (400, "INVALID_PAGE_TOKEN")


@pytest.mark.parametrize(
    ("name", "value"), [("name", "Reception"), ("extension", "1002"), ("username", "desk"), ("domain_name", None)]
)
async def test_filters_compare_exactly(http: httpx.AsyncClient, world: World, name: str, value: str | None) -> None:
    await world.create("1001", name="reception")
    await world.create("1002", name="Reception", username="desk")
    expected = ["1002"] if value else ["1002", "1001"]

    assert await page(http, **{name: value or str(world.customer)}) == (expected, "")
    assert await page(http, **{name: "other"}) == ([], "")
    assert await page(http, **{name: ""}) == ([], "")


async def test_deleted_shows_the_deleted_ones_only(http: httpx.AsyncClient, world: World) -> None:
    await fill(world, "1", "2")
    (second, _) = (await http.get(ROOT)).json()["result"]
    await http.delete(f"{ROOT}/{second['id']}")

    assert await page(http, deleted="true") == (["2"], "")
    assert await page(http, deleted="false") == (["1"], "")


@pytest.mark.parametrize("value", ["True", "1", "yes", "", "null"])
async def test_a_flag_that_is_none_is_400(http: httpx.AsyncClient, value: str) -> None:
    answer = await http.get(ROOT, params={"deleted": value})

    assert answer.status_code == 400
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == ["deleted"]


async def test_unknown_names_are_400_and_known_mistakes_get_a_hint(http: httpx.AsyncClient) -> None:
    answer = await http.get(ROOT, params={"page": "2", "limit": "10", "colour": "red"})

    assert answer.status_code == 400
    described = {detail["field"]: detail["description"] for detail in answer.json()["error"]["details"]}
    assert set(described) == {"page", "limit", "colour"}
    assert described["page"].endswith("use page_token")
    assert described["limit"].endswith("use page_size")


async def test_a_name_given_twice_and_bytes_that_are_no_text_are_400(http: httpx.AsyncClient) -> None:
    answer = await http.get(f"{ROOT}?name=a&name=b&extension=%ff&%fe=1&page_size=0")

    assert answer.status_code == 400
    assert {detail["field"]: detail["description"] for detail in answer.json()["error"]["details"]} == {
        "name": "is given more than once",
        "extension": "must be UTF-8",
        "?": "must be UTF-8",
        "page_size": "must be a whole number from 1 to 100",
    }


async def test_a_plus_in_a_query_is_a_space(http: httpx.AsyncClient, world: World) -> None:
    await world.create("+49", name="Front desk")

    assert (await page(http, name="Front desk"))[0] == ["+49"]
    assert (await http.get(f"{ROOT}?name=Front+desk")).json()["result"][0]["extension"] == "+49"
    assert (await page(http, extension="+49"))[0] == ["+49"]
