"""The frame of every REST answer: routes, methods, bodies, errors, request ids, entity tags."""

import gzip
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import Message

from ringback.kit.db import Statement
from ringback.kit.errors import DatabaseUnavailable
from tests.world import World, faulty, refusal

ROOT = "/v1.0/extensions"
MADE = re.compile(r"req_[A-Z2-7]{26}")
UNKNOWN = "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"
OURS = {"content-type": "application/json"}


async def make(http: httpx.AsyncClient, number: str = "1001", **more: Any) -> httpx.Response:
    answer = await http.post(ROOT, json={"extension": number, **more})
    assert answer.status_code == 201, answer.text
    return answer


# ---- errors and request ids


@pytest.mark.contract("registrar R-73")
async def test_the_envelope_of_an_error(http: httpx.AsyncClient) -> None:
    with_details = await http.get(ROOT, params={"page_size": "0"}, headers={"x-request-id": "mine-1"})
    without = await http.get(f"{ROOT}/{UNKNOWN}", headers={"x-request-id": "mine-2"})

    assert with_details.json() == {
        "error": {
            "status": "INVALID_ARGUMENT",
            "reason": "VALIDATION_FAILED",
            "message": "One or more fields are invalid.",
            "request_id": "mine-1",
            "details": [{"field": "page_size", "description": "must be a whole number from 1 to 100"}],
        }
    }
    assert without.json() == {
        "error": {
            "status": "NOT_FOUND",
            "reason": "EXTENSION_NOT_FOUND",
            "message": "No such extension.",
            "request_id": "mine-2",
        }
    }


@pytest.mark.contract("registrar R-73")
@pytest.mark.parametrize("given", ["a", "A-z_0" * 12, "x" * 64])
async def test_a_usable_request_id_is_echoed(http: httpx.AsyncClient, given: str) -> None:
    for path in (ROOT, "/nowhere", "/health", "/"):
        assert (await http.get(path, headers={"x-request-id": given})).headers["x-request-id"] == given


@pytest.mark.contract("registrar R-73")
@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a/b", "é".encode(), "a\tb", None])
async def test_any_other_request_id_is_replaced(http: httpx.AsyncClient, given: Any) -> None:
    headers = {} if given is None else {"x-request-id": given}

    one, two = [await http.get("/nowhere", headers=headers) for _ in range(2)]

    assert MADE.fullmatch(one.headers["x-request-id"])
    assert one.json()["error"]["request_id"] == one.headers["x-request-id"]
    assert one.headers["x-request-id"] != two.headers["x-request-id"]


async def test_all_faults_of_path_query_and_body_are_named_at_once(http: httpx.AsyncClient) -> None:
    body = {"extension": None, "password": "short", "name": 7, "direct": "true", "colour": "red"}

    answer = await http.post(ROOT, json=body, params={"page": "1"})
    with_bad_id = await http.patch(f"{ROOT}/1001", json={"name": 7}, params={"colour": "red"})

    assert refusal(answer) == (400, "VALIDATION_FAILED")
    assert set(faulty(answer)) == {"extension", "password", "name", "direct", "colour", "page"}
    assert refusal(with_bad_id) == (400, "INVALID_ID")
    assert set(faulty(with_bad_id)) == {"extension_id", "name", "colour"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("extension", 1001), ("extension", ["1001"]), ("extension", None), ("password", 12345678), ("name", True),
        ("detail", 1.5), ("direct", "true"), ("direct", 1), ("direct", 0), ("username", {}),
    ],
)  # fmt: skip
async def test_wrong_types_are_never_coerced(http: httpx.AsyncClient, world: World, field: str, value: object) -> None:
    before = world.everything()

    answer = await http.post(ROOT, json={"extension": "1001", field: value})

    assert refusal(answer) == (400, "VALIDATION_FAILED")
    assert faulty(answer) == [field]
    assert {**world.everything(), "registrar_accesskeys": []} == {**before, "registrar_accesskeys": []}


async def test_what_goes_wrong_on_our_side_tells_nothing(http: httpx.AsyncClient, world: World) -> None:
    def fail(statement: Statement) -> None:
        raise RuntimeError("SELECT secret FROM table")

    world.before_statement = fail
    answer = await http.get(ROOT)

    assert refusal(answer) == (500, "INTERNAL")
    assert answer.json()["error"]["message"] == "Something went wrong on our side."
    assert "SELECT" not in answer.text


async def test_a_database_that_does_not_answer_is_503(http: httpx.AsyncClient, world: World) -> None:
    def fail(statement: Statement) -> None:
        raise DatabaseUnavailable

    world.before_statement = fail
    answer = await http.post(ROOT, json={"extension": "1001"})

    assert (answer.json()["error"]["status"], *refusal(answer)) == ("UNAVAILABLE", 503, "DATABASE_UNAVAILABLE")


# ---- routes and methods


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere", "/v1.0", "/v1.0/", f"{ROOT}/", f"{ROOT}//contacts", "/v1/extensions",
        "/V1.0/extensions", f"{ROOT}/{UNKNOWN}/", f"{ROOT}/{UNKNOWN}/nothing", f"{ROOT}/{UNKNOWN}/contacts/",
        "/v1.0/extensions%2F", "/docs/", "/docs/%2e%2e/%2e%2e/__init__.py", "/docs/index.html",
    ],
)  # fmt: skip
async def test_an_unknown_path_is_404_with_a_key_and_without(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, path: str
) -> None:
    for client in (http, nobody):
        assert refusal(await client.get(httpx.URL(path=path))) == (404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize("sent", [b"%3Fx=1", b"%23", b"%2e", b"%00", b"%ff", b"a%2Fcontacts", b"%7Bid%7D"])
async def test_a_path_segment_is_decoded_once_and_stays_one_segment(http: httpx.AsyncClient, sent: bytes) -> None:
    answer = await http.get(httpx.URL("http://ringback", raw_path=ROOT.encode() + b"/" + sent))

    assert refusal(answer) == (400, "INVALID_ID")


async def test_an_escaped_id_is_the_id_and_one_escaped_twice_is_none(http: httpx.AsyncClient) -> None:
    place = (await make(http)).headers["location"].encode()
    start, last = place[:-1], place[-1]

    async def get(raw_path: bytes) -> httpx.Response:
        return await http.get(httpx.URL("http://ringback", raw_path=raw_path))

    assert (await get(start + b"%%%02x" % last)).status_code == 200
    for other in (start + b"%%25%02x" % last, place + b"%2Fcontacts", place + b"%3Fpage_size=1"):
        assert refusal(await get(other)) == (400, "INVALID_ID")


async def test_the_host_header_does_not_change_the_route(nobody: httpx.AsyncClient) -> None:
    for host in ("a/b", "a/health?", "evil/health#"):
        assert refusal(await nobody.get(ROOT, headers={"host": host})) == (401, "AUTHENTICATION_REQUIRED")


@pytest.mark.contract("registrar R-74")
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", ROOT, "GET, HEAD, POST"),
        ("OPTIONS", ROOT, "GET, HEAD, POST"),
        ("get", ROOT, "GET, HEAD, POST"),
        ("POST", f"{ROOT}/{UNKNOWN}", "DELETE, GET, HEAD, PATCH, PUT"),
        ("POST", f"{ROOT}/1001", "DELETE, GET, HEAD, PATCH, PUT"),
        ("GET", f"{ROOT}/{UNKNOWN}/direct-hash-regenerate", "POST"),
        ("HEAD", f"{ROOT}/{UNKNOWN}/direct-hash-regenerate", "POST"),
        ("PUT", f"{ROOT}/{UNKNOWN}/contacts", "DELETE, GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/health", "GET, HEAD"),
        ("TRACE", "/openapi.json", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_405_and_names_the_right_ones(
    nobody: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    request = httpx.Request(method, f"http://ringback{path}")
    request.method = method
    answer = await nobody.send(request)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    if method != "HEAD":
        error = answer.json()["error"]
        assert (error["status"], error["reason"]) == ("INVALID_ARGUMENT", "METHOD_NOT_ALLOWED")


async def test_a_head_has_no_body_on_the_wire(world: World) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    for path in ("/", "/nowhere", "/docs/swagger-ui.css"):
        await world.ringback.gateway(scope_of("HEAD", path), nothing, send)

    assert {message.get("body", b"") for message in sent} == {b""}


async def nothing() -> Message:
    return {"type": "http.request"}


def scope_of(method: str, path: str, **headers: str) -> dict[str, Any]:
    """A request as the server hands it over."""
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    raw = path.encode()
    return {"type": "http", "method": method, "path": path, "raw_path": raw, "query_string": b"", "headers": named}


async def test_head_is_get_without_the_body(http: httpx.AsyncClient) -> None:
    made = await make(http)

    for path in (made.headers["location"], ROOT, "/", "/openapi.json", f"{ROOT}/{UNKNOWN}", "/nowhere"):
        got, head = await http.get(path), await http.head(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        for name in ("content-length", "content-type", "etag"):
            assert head.headers.get(name) == got.headers.get(name), name


# ---- bodies


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b'"text"', b"1", b"null", b"true", b"{", b"{}x", b'{"extension":"\xff"}', b'{"extension":"\\ud800"}',
        b"\xef\xbb\xbf{}", b'{"extension":1e999}', b"[" * 100_000, b"{'extension':'1001'}", b"extension=1001",
    ],
)  # fmt: skip
async def test_a_body_that_is_no_json_object_is_400(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post(ROOT, content=body, headers=OURS)

    assert refusal(answer) == (400, "INVALID_JSON_BODY")


async def test_a_field_that_is_given_twice_is_a_fault_however_deep(http: httpx.AsyncClient, world: World) -> None:
    before = world.everything()
    answer = await http.post(ROOT, headers=OURS, content=b'{"extension": "1001", "extension": "1002", "name": 1}')
    deep = await http.post(ROOT, headers=OURS, content=b'{"extension": "1001", "x": [{"a": 1, "b": {"a": 1, "a": 2}}]}')

    assert faulty(answer) == ["extension", "name"]
    assert faulty(deep) == ["a", "x"]
    assert world.everything() == before


async def test_of_very_many_wrong_fields_some_are_named(http: httpx.AsyncClient) -> None:
    unknown = await http.post(ROOT, json={"extension": "1001", **{f"x{number}": 1 for number in range(50_000)}})
    repeated = await http.post(ROOT, headers=OURS, content=b"{" + b", ".join([b'"x%d": 1'] * 2) % (1, 1) + b"}")

    assert (unknown.status_code, len(faulty(unknown))) == (400, 100)
    assert faulty(repeated) == ["x1", "extension", "x1"]


@pytest.mark.parametrize("content", [b"", b"  \n"])
async def test_no_body_is_the_empty_object(http: httpx.AsyncClient, content: bytes) -> None:
    made = await make(http)

    created = await http.post(ROOT, content=content, headers=OURS)
    changed = await http.put(made.headers["location"], content=content, headers=OURS)

    assert (refusal(created), faulty(created)) == ((400, "VALIDATION_FAILED"), ["extension"])
    assert changed.json() == {**made.json(), "password": ""}


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}, {"content-type": ""},
        {"content-type": "application/jsonp"}, {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/merge-patch+json"}, {**OURS, "content-encoding": "gzip"},
    ],
)  # fmt: skip
async def test_a_body_that_is_not_sent_as_json_is_415(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    body = b'{"extension":"1001"}'
    packed = gzip.compress(body) if "content-encoding" in headers else body

    assert refusal(await http.post(ROOT, content=packed, headers=headers)) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=UTF-8", "Application/JSON", 'application/json;charset="utf-8"']
)
async def test_json_may_name_its_charset(http: httpx.AsyncClient, kind: str) -> None:
    body = json.dumps({"extension": "1001", "name": "Empfang für é"}, ensure_ascii=False).encode()

    answer = await http.post(ROOT, content=body, headers={"content-type": kind})

    assert (answer.status_code, answer.json()["name"]) == (201, "Empfang für é")


async def test_patch_takes_the_media_type_of_rfc_7396(http: httpx.AsyncClient) -> None:
    made = await make(http)

    answer = await http.patch(
        made.headers["location"], content=b'{"name":"new"}', headers={"content-type": "application/merge-patch+json"}
    )

    assert answer.json()["name"] == "new"


async def test_a_body_over_1_mib_is_413(http: httpx.AsyncClient) -> None:
    fits, more = b'{"extension":"1001"}'.ljust(1 << 20), b'{"extension":"1002"}'.ljust((1 << 20) + 1)

    assert (await http.post(ROOT, content=fits, headers=OURS)).status_code == 201
    assert refusal(await http.post(ROOT, content=more, headers=OURS)) == (413, "BODY_TOO_LARGE")


async def test_a_body_may_come_in_pieces(http: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'{"exten', b"", b'sion":"10', b'01"}'):
            yield piece

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65536

    assert (await http.post(ROOT, content=pieces(), headers=OURS)).status_code == 201
    assert refusal(await http.post(ROOT, content=endless(), headers=OURS)) == (413, "BODY_TOO_LARGE")


async def test_a_get_with_a_body_is_refused_unless_it_is_empty(http: httpx.AsyncClient) -> None:
    empty = await http.request("GET", ROOT, json={})
    full = await http.request("GET", ROOT, json={"extension": "1001"})

    assert empty.status_code == 200
    assert (refusal(full), faulty(full)) == ((400, "VALIDATION_FAILED"), ["extension"])


async def test_a_body_is_not_read_before_the_key_is_known(world: World) -> None:
    async def never() -> Message:
        raise AssertionError("the body was asked for")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await world.ringback.gateway(scope_of("POST", ROOT), never, send)

    assert sent[0]["status"] == 401


async def test_a_client_that_goes_away_leaves_nothing_behind(world: World) -> None:
    heard: list[Message] = [
        {"type": "http.request", "body": b'{"extension":"1001"}', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def gone() -> Message:
        return heard.pop(0)

    async def send(message: Message) -> None: ...

    authorization = f"Bearer {await world.key(world.customer)}"
    before = world.everything()
    await world.ringback.gateway(
        scope_of("POST", ROOT, authorization=authorization, content_type="application/json"), gone, send
    )

    assert world.everything() == before


# ---- entity tags


async def test_every_object_has_an_etag_that_changes_with_it(http: httpx.AsyncClient) -> None:
    made = await make(http, direct=True)
    place = made.headers["location"]

    read = await http.get(place)
    changed = await http.patch(place, json={"name": "new"})
    regenerated = await http.post(f"{place}/direct-hash-regenerate")

    assert read.headers["etag"] == made.headers["etag"]
    assert len({answer.headers["etag"] for answer in (read, changed, regenerated)}) == 3
    assert (await http.get(place)).headers["etag"] == regenerated.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', read.headers["etag"])


@pytest.mark.parametrize(
    ("method", "rest"), [("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/direct-hash-regenerate")]
)
async def test_a_stale_if_match_is_412_and_changes_nothing(
    http: httpx.AsyncClient, world: World, method: str, rest: str
) -> None:
    made = await make(http, direct=True)
    place, tag = made.headers["location"], made.headers["etag"]
    now = (await http.patch(place, json={"name": "second"})).headers["etag"]
    before = world.everything()
    body: dict[str, Any] = {"json": {"name": "third"}} if method in ("PUT", "PATCH") else {}

    for stale in (tag, f"W/{now}", now.strip('"'), '"x"', "", f'{tag}, "x"'):
        answer = await http.request(method, place + rest, headers={"if-match": stale}, **body)
        assert refusal(answer) == (412, "PRECONDITION_FAILED"), stale
        assert answer.json()["error"]["status"] == "FAILED_PRECONDITION"
    assert world.everything() == before
    assert (await http.request(method, place + rest, headers={"if-match": now}, **body)).status_code == 200


@pytest.mark.parametrize("given", ["*", " * ", '"x", {tag}', "{tag}"])
async def test_if_match_may_be_any_or_a_list(http: httpx.AsyncClient, given: str) -> None:
    made = await make(http)
    headers = {"if-match": given.format(tag=made.headers["etag"])}

    assert (await http.patch(made.headers["location"], json={"name": "new"}, headers=headers)).status_code == 200
    assert refusal(await http.patch(f"{ROOT}/{UNKNOWN}", json={}, headers=headers)) == (404, "EXTENSION_NOT_FOUND")


async def test_the_lines_of_a_header_that_is_a_list_are_one_list(http: httpx.AsyncClient) -> None:
    made = await make(http)
    one, tag = made.headers["location"], made.headers["etag"]
    for lines in ((tag, '"x"'), ('"x"', tag)):
        known = await http.get(one, headers=[("if-none-match", line) for line in lines])
        changed = await http.patch(one, json={}, headers=[("if-match", line) for line in lines])
        assert (known.status_code, changed.status_code) == (304, 200), lines


@pytest.mark.parametrize("given", ["{tag}", "W/{tag}", '"x", {tag}', "*"])
async def test_what_the_caller_has_already_is_304(http: httpx.AsyncClient, given: str) -> None:
    made = await make(http)
    tag = made.headers["etag"]

    answer = await http.get(made.headers["location"], headers={"if-none-match": given.format(tag=tag)})

    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert "content-type" not in answer.headers
    assert (await http.get(made.headers["location"], headers={"if-none-match": '"x"'})).status_code == 200


async def test_answers_are_not_stored_on_the_way(http: httpx.AsyncClient) -> None:
    for answer in (await make(http), await http.get(ROOT), await http.get("/nowhere")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
