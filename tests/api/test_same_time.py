"""Of two who change an object at the same moment, both as they have seen it, one is told that it is another now."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import httpx

Change = tuple[httpx.AsyncClient, str, str, str]
"""Who changes it, how, where, and which field."""
Make = Callable[[httpx.AsyncClient, httpx.AsyncClient], Awaitable[Change]]


async def extension(http: httpx.AsyncClient, operator: httpx.AsyncClient) -> Change:
    made = await http.post("/v1.0/extensions", json={"extension": "1001"})
    return http, "PATCH", f"/v1.0/extensions/{made.json()['id']}", "name"


async def trunk(http: httpx.AsyncClient, operator: httpx.AsyncClient) -> Change:
    asked = {"domain_name": "carrier-a", "auth_types": ["ip"], "allowed_ips": ["203.0.113.7"]}
    made = await http.post("/v1.0/trunks", json=asked)
    return http, "PATCH", f"/v1.0/trunks/{made.json()['id']}", "name"


async def customer(http: httpx.AsyncClient, operator: httpx.AsyncClient) -> Change:
    made = await operator.post("/v1.0/customers", json={"name": "Acme", "email": "ops@acme.example"})
    return operator, "PATCH", f"/v1.0/customers/{made.json()['id']}", "name"


async def person(http: httpx.AsyncClient, operator: httpx.AsyncClient) -> Change:
    asked = {"email": "pat@example.com", "name": "Pat", "roles": ["viewer"], "password": "a long walk home"}
    made = await http.post("/v1.0/people", json=asked)
    return http, "PATCH", f"/v1.0/people/{made.json()['id']}", "name"


async def domain(http: httpx.AsyncClient, operator: httpx.AsyncClient) -> Change:
    await http.put("/v1.0/customer_domain", json={"domain_label": "acme"})
    return http, "PUT", "/v1.0/customer_domain", "domain_label"


KINDS: Final[tuple[Make, ...]] = (domain, extension, trunk, customer, person)


async def test_of_two_at_the_same_moment_one_is_told_that_it_is_another_now(
    http: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    for make in KINDS:
        client, method, one, field = await make(http, operator)
        for turn in range(5):
            headers = {"if-match": (await client.get(one)).headers["etag"]}
            changes = [
                client.request(method, one, json={field: f"{name}-{turn}"}, headers=headers)
                for name in ("first", "second")
            ]

            answers = await asyncio.gather(*changes)
            assert sorted(answer.status_code for answer in answers) == [200, 412], one
