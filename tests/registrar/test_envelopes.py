"""Envelopes, routes and typed errors."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringback.routes import RPC
from tests.registrar.requests import good
from tests.world import World

SOMEBODY = "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"
OF = {"customer_id": SOMEBODY}


def filled(pattern: str) -> str:
    """A URI of the pattern."""
    return "/".join(
        SOMEBODY if segment.endswith("-id>") else "x" if segment.startswith("<") else segment
        for segment in pattern.split("/")
    )


@pytest.mark.contract("registrar R-10")
@pytest.mark.parametrize(
    ("method", "uri", "data", "refusal"),
    [
        ("GET", "/v1/extensions", {}, (400, "VALIDATION_FAILED")),
        ("GET", "/v1/extensions", [], (400, "INVALID_JSON_BODY")),
        ("GET", "/v1/extensions?page_token=x", OF, (400, "INVALID_PAGE_TOKEN")),
        ("GET", f"/v1/extensions/{SOMEBODY}", None, (404, "EXTENSION_NOT_FOUND")),
        ("PUT", f"/v1/extensions/{SOMEBODY}", {"name": "x"}, (404, "EXTENSION_NOT_FOUND")),
        ("DELETE", f"/v1/extensions/{SOMEBODY}", None, (404, "EXTENSION_NOT_FOUND")),
        ("POST", f"/v1/extensions/{SOMEBODY}/direct-hash-regenerate", None, (404, "EXTENSION_NOT_FOUND")),
        ("GET", "/v1/extensions/extension/1001", OF, (404, "EXTENSION_NOT_FOUND")),
        ("GET", "/v1/extensions/by-direct-hash/000000000000", None, (404, "DIRECT_NOT_FOUND")),
        ("GET", "/v1/extension-directs?hash=000000000000", None, (404, "DIRECT_NOT_FOUND")),
        ("GET", "/v1/trunks", {}, (400, "VALIDATION_FAILED")),
        ("POST", "/v1/trunks", OF, (400, "VALIDATION_FAILED")),
        ("GET", "/v1/trunks?page_token=x", OF, (400, "INVALID_PAGE_TOKEN")),
        ("GET", f"/v1/trunks/{SOMEBODY}", None, (404, "TRUNK_NOT_FOUND")),
        ("PUT", f"/v1/trunks/{SOMEBODY}", {"username": ""}, (404, "TRUNK_NOT_FOUND")),
        ("DELETE", f"/v1/trunks/{SOMEBODY}", None, (404, "TRUNK_NOT_FOUND")),
        ("GET", "/v1/trunks/domain_name/carrier-a", None, (404, "TRUNK_NOT_FOUND")),
        ("GET", "/v1/nothing", None, (404, "ROUTE_NOT_FOUND")),
    ],
)
async def test_a_refusal_is_typed_and_of_the_closed_set(
    world: World, method: str, uri: str, data: Any, refusal: tuple[int, str]
) -> None:
    assert (await world.rpc(method, uri, data)).refusal == refusal


@pytest.mark.contract("registrar R-10")
async def test_a_defect_of_ours_is_a_typed_500_that_tells_nothing(world: World) -> None:
    requests = await good(world)
    for method, uri, data in requests:
        world.fail_at(0, RuntimeError("select password from /etc/secrets"))

        reply = await world.rpc(method, uri, data)

        assert reply.refusal == (500, "INTERNAL")
        assert reply.data["message"] == "Something went wrong on our side."
    assert {(await world.rpc(*request)).status_code for request in requests} == {200}


@pytest.mark.contract("registrar R-11")
@pytest.mark.parametrize("route", list(RPC), ids=lambda route: f"{route.method} {route.pattern}")
async def test_another_method_of_a_known_uri_is_a_bare_405(world: World, route: Any) -> None:
    uri = filled(route.pattern)
    known = {other.method for other in RPC if filled(other.pattern) == uri}

    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "get", "put", "", "HEAD"} - known:
        reply = await world.rpc(method, uri, {})
        assert reply.raw == {"status_code": 405, "data_type": ""}, method


@pytest.mark.contract("registrar R-11")
@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/",
        "x",
        "/v1",
        "/v1/extensions/",
        "/v2/extensions",
        "v1/extensions",
        "/v1/extensions/not-a-uuid",
        f"/v1/extensions/{SOMEBODY}/",
        f"/v1/extensions/{SOMEBODY}/direct",
        f"/v1/extensions/{SOMEBODY.replace('-', '')}",
        f"/v1/extensions/{{{SOMEBODY}}}",
        f"/v1/extensions/urn:uuid:{SOMEBODY}",
        "/v1/trunks/carrier-a",
        "/v1/trunks/domain_name",
        "/v1/extensions/extension/10/01",
        "/v1/extensions/extension",
        "/V1/extensions",
        "/v1/extensions\n",
        "/v1/exten\tsions",
        " /v1/extensions",
        "/v1/extensions#page",
        "//elsewhere/v1/extensions",
        "http://elsewhere/v1/extensions",
        "//[",
        "http://[::1/v1/extensions",
        "/v1/%65xtensions",
        "/v1/extensions;x=1",
        "/v1/../v1/extensions",
        "/v1/" + "x" * 100_000,
    ],
    ids=lambda uri: repr(uri[:40]),
)
async def test_a_uri_that_matches_no_pattern_in_full_is_no_route(world: World, uri: str) -> None:
    assert (await world.rpc("GET", uri, OF)).refusal == (404, "ROUTE_NOT_FOUND")


@pytest.mark.contract("registrar R-11")
async def test_a_query_part_is_optional_everywhere(world: World) -> None:
    for method, uri, data in await good(world):
        mark = "&" if "?" in uri else "?"
        reply = await world.rpc(method, f"{uri}{mark}ignored=1&x=%zz&=", data)
        assert reply.status_code == 200, (method, uri, reply)


@pytest.mark.contract("registrar R-12")
async def test_every_failing_field_is_named_at_once(world: World) -> None:
    wrong = {
        "customer_id": "x",
        "extension": "a b",
        "username": "",
        "password": "short",
        "name": 7,
        "detail": "\n",
        "direct": "yes",
    }

    reply = await world.rpc("POST", "/v1/extensions", wrong)

    assert reply.refusal == (400, "VALIDATION_FAILED")
    assert sorted(reply.faulty) == sorted(wrong)
    assert all(detail["description"] for detail in reply.data["details"])


@pytest.mark.contract("registrar R-12")
@pytest.mark.parametrize(
    ("method", "uri", "data", "faulty"),
    [
        ("POST", "/v1/extensions", None, ["customer_id", "extension"]),
        ("GET", "/v1/contacts", None, ["customer_id", "extension"]),
        ("PUT", "/v1/contacts", {"extension": ""}, ["customer_id", "extension"]),
        ("GET", "/v1/extensions/count_by_customer", {"customer_id": str(UUID(int=0))}, ["customer_id"]),
        ("GET", "/v1/extensions/extension/1001", {"customer_id": None}, ["customer_id"]),
        (
            "GET",
            "/v1/extensions",
            {"name": 1, "realm": [], "deleted": "true"},
            ["name", "realm", "deleted", "customer_id"],
        ),
        ("PUT", f"/v1/extensions/{SOMEBODY}", {"name": "x" * 256, "direct": 1}, ["name", "direct"]),
        ("GET", "/v1/extension-directs", {"deleted": 0}, ["deleted", "customer_id"]),
        ("GET", "/v1/extension-directs?hash=", None, ["hash"]),
        ("GET", "/v1/extensions/by-direct-hash/", None, ["hash"]),
        ("POST", "/v1/trunks", None, ["customer_id", "domain_name", "auth_types"]),
        ("GET", "/v1/trunks/count_by_customer", None, ["customer_id"]),
        ("PUT", f"/v1/trunks/{SOMEBODY}", {"allowed_ips": ["x"], "auth_types": []}, ["allowed_ips[0]", "auth_types"]),
        ("GET", "/v1/trunks", {"realm": 1, "domain_name": None}, ["realm", "domain_name", "customer_id"]),
    ],
)
async def test_faults_name_their_fields(world: World, method: str, uri: str, data: Any, faulty: list[str]) -> None:
    reply = await world.rpc(method, uri, data)

    assert reply.refusal == (400, "VALIDATION_FAILED")
    assert sorted(reply.faulty) == sorted(faulty)


@pytest.mark.contract("registrar R-14")
async def test_a_plus_in_a_path_is_a_plus_and_percent_is_decoded_once(world: World) -> None:
    id = (await world.create("+49.30-1_x"))["id"]

    for number in ("+49.30-1_x", "%2B49%2E30-1%5Fx", "%2b49.30-1_X"):
        reply = await world.rpc("GET", f"/v1/extensions/extension/{number}", {"customer_id": str(world.customer)})
        assert reply.data["id"] == id, number
    for number in ("%252B49.30-1_x", "%2049.30-1_x", "%ff", "%00", "%", "%ED%A0%80"):
        reply = await world.rpc("GET", f"/v1/extensions/extension/{number}", {"customer_id": str(world.customer)})
        assert reply.refusal == (404, "EXTENSION_NOT_FOUND"), number


@pytest.mark.contract("registrar R-15")
async def test_lists_are_bare_arrays_and_unset_things_have_their_one_form(world: World) -> None:
    of = {"customer_id": str(world.customer).upper()}
    for uri in ("/v1/extensions", "/v1/extension-directs", "/v1/contacts", "/v1/trunks"):
        assert (await world.rpc("GET", uri, {**of, "extension": "1001"})).data == []
    asked = world.asked(customer_id=str(world.customer).upper())

    made = (await world.rpc("POST", "/v1/extensions", asked)).data
    (listed,) = (await world.rpc("GET", "/v1/extensions", of)).data
    got = (await world.rpc("GET", f"/v1/extensions/{made['id'].upper()}")).data

    assert listed == got == {**made, "password": ""}
    assert made["customer_id"] == str(world.customer)
    assert UUID(made["id"]).version == 4
    assert made["id"] == made["id"].lower()
    assert (made["tm_update"], made["tm_delete"]) == (None, None)
    assert (made["direct_id"], made["direct_hash"]) == (str(UUID(int=0)), "")
    assert made["tm_create"] == "2026-02-11T09:30:05.123456Z"


@pytest.mark.contract("registrar R-10")
@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"hello",
        b"{",
        b"[]",
        b"null",
        b'"/v1/extensions"',
        b'{"method":"GET"}',
        b'{"uri":"/v1/extensions"}',
        b'{"uri":7,"method":"GET"}',
        b'{"uri":"/v1/extensions","method":null}',
        *(
            b'{"uri":"/v1/extensions","method":"GET","%b":%b}' % (name, value)
            for name in (b"publisher", b"data_type", b"request_id")
            for value in (b"7", b"null", b"{}")
        ),
        b'{"uri":"/v1/extensions","method":"GET","data":{}',
        b'{"uri":"/v1/extensions","method":"GET"} x',
        b'{"uri":"/v1/\xff\xfe","method":"GET"}',
        b'{"uri":"\\ud800","method":"GET"}',
        b'{"uri":"/v1/extensions","method":"GET","data":{"customer_id":1e999}}',
        b'{"uri":"/v1/extensions","method":"GET","data":{"name":"\xff"}}',
        b'{"uri":"/v1/extensions","method":"GET","data":{"name":"\\ud800"}}',
        b'{"uri":"/v1/extensions","method":"GET","data":"{}"}',
        b'{"uri":"/v1/extensions","method":"GET","data":[]}',
        b'{"uri":"/v1/extensions","method":"GET","data":7}',
        b'{"uri":"/v1/extensions","method":"GET","data":false}',
        b'{"uri":"/v1/extensions","method":"GET","data":' + b"[" * 100_000,
        b'{"uri":"/v1/extensions","method":"GET","data":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b'{"uri":"/v1/extensions","method":"GET","more":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda envelope: repr(envelope[:70]),
)
async def test_an_unreadable_envelope_or_body_is_a_typed_400_and_the_next_is_served(
    world: World, envelope: bytes
) -> None:
    assert (await world.serve(envelope)).refusal == (400, "INVALID_JSON_BODY")
    assert (await world.rpc("GET", "/v1/extensions", OF)).data == []


@pytest.mark.contract("registrar R-10")
async def test_null_data_is_absent_unknown_keys_are_ignored_and_the_last_of_two_keys_counts(world: World) -> None:
    assert (await world.rpc("GET", "/v1/nothing", extra={"deep": [1]}, priority=9)).status_code == 404
    absent = await world.serve(b'{"uri":"/v1/extensions/count_by_customer","method":"GET","data": null }')
    assert absent.faulty == ["customer_id"]

    twice = json.dumps(world.asked("1001", unknown={"x": 1}, domain_id=str(uuid4())))[:-1] + ',"extension":"1002"}'
    made = await world.serve(b'{"uri":"/v1/extensions","method":"POST","data":%s}' % twice.encode())

    assert made.data["extension"] == "1002"
    assert made.raw.keys() == {"status_code", "data_type", "data"}
    assert made.data_type == "application/json"


@pytest.mark.contract("registrar R-10")
async def test_a_defect_is_in_the_log_under_the_callers_request_id(world: World, logged: Callable[[], str]) -> None:
    for request_id in ({"request_id": "req_mine"}, {}):
        world.fail_at(0, RuntimeError("disk on fire"))
        await world.rpc("GET", f"/v1/extensions/{SOMEBODY}", **request_id)

    lines = [json.loads(line) for line in logged().splitlines()]
    failed, answered = [[line for line in lines if line["message"] == word] for word in ("failed", "answered")]
    for mine, other in (failed, answered):
        assert mine["request_id"] == "req_mine"
        assert other["request_id"].startswith("req_")
        assert mine["action"] == "GET /v1/extensions/<extension-id>"
    assert "disk on fire" in failed[0]["exception"]
    assert answered[0]["status"] == 500


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["", SOMEBODY, SOMEBODY.upper(), "1001", "direct.0123456789ab", "9999-12-31T23:59:60Z", "\x00"])
    | st.sampled_from([["basic"], ["ip"], ["203.0.113.7/8"], ["::ffff:1.2.3.4/97"], "pbx01", "carrier-a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "customer_id",
    "extension",
    "username",
    "password",
    "name",
    "detail",
    "direct",
    "password_regenerate",
    "direct_regenerate",
    "id",
    "extension_id",
    "endpoint_id",
    "aor_id",
    "auth_id",
    "domain_name",
    "realm",
    "deleted",
    "auth_types",
    "allowed_ips",
]
ANY_URI = st.sampled_from([filled(route.pattern) for route in RPC]) | st.text().map(lambda text: f"/v1/{text}")
QUERY = st.sampled_from(["", "?page_size=", "?page_token=", "?hash=", "?source=", "?%"])


@pytest.mark.contract("registrar R-10, R-12, R-20")
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    uri=ANY_URI,
    query=QUERY,
    value=st.text(),
    data=JSON | st.dictionaries(st.sampled_from(FIELDS), JSON),
)
@pytest.mark.long
async def test_no_request_is_a_500(world: World, method: str, uri: str, query: str, value: str, data: Any) -> None:
    reply = await world.rpc(method, f"{uri}{query}{value if query else ''}", data)

    assert reply.status_code in (200, 405) or reply.refusal[0] < 500
