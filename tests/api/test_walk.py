"""Every operation of the API's description, by whoever may not use it: a new one is walked without being asked for."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from ringback.customers.keys import service as keys
from ringback.customers.keys.model import ADMIN, OPERATOR, new_token
from ringback.customers.rights import AUDITOR, OF_CUSTOMERS, ONESELF, PLATFORM, VIEWER, Right, may
from ringback.routes import REST
from tests.api.test_openapi import DOCUMENT, resolved
from tests.world import World, refusal

pytestmark = [pytest.mark.sqlite, pytest.mark.long]
RIGHTS: Final[dict[str, Right | None]] = {route.about["name"]: route.about["right"] for route in REST}


class Operation:
    """One of the description."""

    def __init__(self, method: str, path: str, said: dict[str, Any]) -> None:
        self.method, self.path, self.said = method.upper(), path, said
        self.parameters = [resolved(parameter) for parameter in said.get("parameters", ())]
        contents = said.get("requestBody", {}).get("content", {})
        self.kind = next(iter(contents), None)
        self.body = next((next(iter(one["examples"].values()))["value"] for one in contents.values()), None)

    @property
    def name(self) -> str:
        return str(self.said["operationId"])

    @property
    def right(self) -> Right | None:
        """What it takes; `None` where it is for everybody."""
        return RIGHTS[self.name]

    @property
    def is_of_a_customer(self) -> bool:
        """Whether it is done to what is a customer's."""
        return any((one["name"], one["in"]) == ("customer_id", "query") for one in self.parameters)

    @property
    def example(self) -> dict[str, str]:
        """Of each part of the path."""
        return {one["name"]: one["example"] for one in self.parameters if one["in"] == "path"}

    async def ask(self, http: httpx.AsyncClient, place: str, **query: str) -> httpx.Response:
        """It at a place, with its first example."""
        needed = {
            one["name"]: str(one["schema"].get("examples", ["1"])[0])
            for one in self.parameters
            if one["in"] == "query" and one.get("required")
        }
        more: dict[str, Any] = {}
        if isinstance(self.body, str):
            more = {"content": self.body, "headers": {"content-type": self.kind}}
        elif self.body is not None:
            more = {"json": self.body}
        return await http.request(self.method, place, params=needed | query, **more)


OPERATIONS: Final = [
    Operation(method, path, said) for path, methods in DOCUMENT["paths"].items() for method, said in methods.items()
]
GUARDED: Final = [pytest.param(one, id=one.name) for one in OPERATIONS if one.right is not None]
OF_CUSTOMER: Final = [pytest.param(one, id=one.name) for one in OPERATIONS if one.right and one.is_of_a_customer]


async def holder(world: World, mine: bool, *roles: str) -> httpx.AsyncClient:
    """REST with a key that has these roles, of the world's customer or of the platform."""
    token = new_token()
    customer = world.customer if mine else None
    await world.ringback.work.write(lambda uow: keys.keep(uow, token, customer, "walker", *roles))
    return await world.http(token.reveal())


async def place_of(operation: Operation, world: World) -> str:
    """Its path, with things in it that are there: made by the first example of their kind, if they can be made."""
    made: list[str] = []
    walked: list[str] = []
    async with await holder(world, True, ADMIN) as admin, await holder(world, False, OPERATOR) as operator:
        for part in operation.path.split("/"):
            if not part.startswith("{"):
                made.append(part)
            else:
                made.append(await _made("/".join(walked), "/".join(made), admin, operator, world))
                if not made[-1]:
                    made[-1] = operation.example[part.strip("{}")]
            walked.append(part)
    return "/".join(made)


async def _made(pattern: str, place: str, admin: httpx.AsyncClient, operator: httpx.AsyncClient, world: World) -> str:
    makers = [one for one in OPERATIONS if (one.method, one.path) == ("POST", pattern)]
    for maker in makers:
        answer = await maker.ask(admin, place)
        if answer.status_code == 403:
            answer = await maker.ask(operator, place)
        assert answer.status_code == 201, (maker.name, answer.text)
        return str(answer.json().get("id") or answer.json()["policy_id"])
    return ""


@pytest.fixture
async def world(world: World) -> World:
    """One where streams end, and which has its registry."""
    world.ringback.gateway.end_streams()
    assert (await world.ringback.router.loader.reload()).ok
    return world


def of_all() -> Iterator[tuple[bool, str]]:
    """(of a customer, role) of every role there is."""
    yield from ((True, role) for role in sorted(OF_CUSTOMERS))
    yield from ((False, role) for role in sorted(PLATFORM))


def test_only_what_says_so_is_for_everybody() -> None:
    for operation in OPERATIONS:
        assert (operation.said.get("security") == []) == (operation.right is None), operation.name


def test_a_viewer_changes_nothing_and_an_auditor_neither() -> None:
    changing = {one.right for one in OPERATIONS if one.method != "GET"} - {None, ONESELF, "read the audit"}

    assert [right for right in changing if right and may({VIEWER, AUDITOR}, right)] == []


@pytest.mark.contract("registrar R-74")
@pytest.mark.parametrize("operation", GUARDED)
async def test_nothing_is_answered_without_a_key(operation: Operation, world: World) -> None:
    place = await place_of(operation, world)
    async with await world.http() as http:
        del http.headers["authorization"]
        before = world.everything()
        answer = await operation.ask(http, place)

    assert refusal(answer) == (401, "AUTHENTICATION_REQUIRED")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert world.everything() == before


@pytest.mark.contract("registrar R-75")
@pytest.mark.parametrize("operation", GUARDED)
async def test_nothing_is_answered_to_a_key_that_was_revoked(operation: Operation, world: World) -> None:
    place = await place_of(operation, world)
    for mine, role in ((True, ADMIN), (False, OPERATOR)):
        async with await holder(world, mine, role) as http:
            world.sql("UPDATE registrar_accesskeys SET tm_revoke = tm_create")
            before = world.everything()
            assert refusal(await operation.ask(http, place)) == (401, "INVALID_CREDENTIALS")
            assert world.everything() == before


@pytest.mark.contract("registrar R-74")
@pytest.mark.parametrize("operation", OF_CUSTOMER)
async def test_what_is_another_customers_is_not_there(operation: Operation, world: World) -> None:
    place = await place_of(operation, world)
    own, world.customer = world.customer, uuid4()
    async with await holder(world, True, ADMIN) as stranger:
        before = world.everything()
        named = await operation.ask(stranger, place, customer_id=str(own))
        assert refusal(named) == (403, "PERMISSION_DENIED")
        assert world.everything() == before
        if "{" in operation.path:
            for known in ("", "*"):
                stranger.headers["if-match"] = known
                answer = await operation.ask(stranger, place)
                assert answer.status_code == (404 if may({ADMIN}, operation.right or ONESELF) else 403), answer.text
                assert world.everything() == before
        else:
            assert str(own) not in (await operation.ask(stranger, place)).text


@pytest.mark.parametrize("operation", GUARDED)
async def test_too_weak_a_role_is_refused(operation: Operation, world: World) -> None:
    place = await place_of(operation, world)
    assert operation.right
    for mine, role in of_all():
        async with await holder(world, mine, role) as http:
            before = world.everything()
            more = {} if mine or not operation.is_of_a_customer else {"customer_id": str(world.customer)}
            if not may({role}, operation.right):
                answer = await operation.ask(http, place, **more)
                assert refusal(answer) == (403, "PERMISSION_DENIED"), (mine, role)
                assert world.everything() == before
            elif operation.method == "GET" and (mine or role == OPERATOR):
                answer = await operation.ask(http, place, **more)
                assert answer.status_code not in (401, 403), (mine, role, answer.text)
