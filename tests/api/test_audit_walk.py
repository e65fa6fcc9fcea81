"""Every operation of the API's description that changes something, with secrets planted in it: what the log tells.

A new operation is walked without being asked for.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import httpx
import jsonschema_rs
import msgspec
import pytest

from ringback.kit.log import REDACTED
from ringback.kit.secret import SHOWN_ONCE
from tests.api.test_openapi import UNAUDITED, conforms, examples, prepared, resolved
from tests.registrar.test_audit import log
from tests.world import World

pytestmark = [pytest.mark.sqlite, pytest.mark.long]

PLANTED: Final = "Planted-Secret-4711"
RIGHT: Final = ("login", "refresh", "logout")
"""Operations whose secrets must be the right ones."""
PROVEN: Final = "current_password"
"""The same of a field."""
NEEDED: Final = {"username": "pbx99"}
"""What some secrets do not go without."""
BESIDE: Final = ("tm_update",)
"""Fields that are others after every change."""
CHANGING: Final = [
    one for one in examples() if one.values[0] != "GET" and one.values[2]["operationId"] not in UNAUDITED
]


def shape_of(operation: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of its body, or of one row of it."""
    schema = resolved(operation["requestBody"]["content"]["application/json"]["schema"])
    return resolved(schema["items"]) if schema.get("type") == "array" else schema


def secrets_of(operation: Mapping[str, Any]) -> list[str]:
    """The fields of its body that are written and never read."""
    if "requestBody" not in operation:
        return []
    fields = shape_of(operation)["properties"].items()
    return [name for name, field in fields if any(one.get("writeOnly") for one in (field, *field.get("anyOf", ())))]


def planted(operation: Mapping[str, Any], body: Any) -> Any:
    """The body with a secret in each of them, where any secret will do."""
    if operation["operationId"] in RIGHT or not isinstance(body, dict | list):
        return body
    if isinstance(body, list):
        return [planted(operation, row) for row in body]
    full = body | {name: PLANTED for name in secrets_of(operation) if name != PROVEN}
    return next(one for one in (full, full | NEEDED, body) if one is body or fits(operation, one))


def fits(operation: Mapping[str, Any], body: dict[str, Any]) -> bool:
    """Whether the description lets that stand together."""
    try:
        conforms(body, shape_of(operation))
    except jsonschema_rs.ValidationError:
        return False
    return True


def sent(operation: Mapping[str, Any], body: Any) -> Iterator[str]:
    """The secrets that stand in it."""
    for row in body if isinstance(body, list) else [body or {}]:
        yield from (row[name] for name in secrets_of(operation) if row.get(name))


def shown(answer: httpx.Response) -> Iterator[str]:
    """The secrets that are told this once."""
    data = answer.json() if answer.headers["content-type"].startswith("application/json") else {}
    yield from (data[name] for name in SHOWN_ONCE if isinstance(data, dict) and data.get(name))


def others(entry: Mapping[str, Any]) -> set[str]:
    """The fields that are others before and after."""
    old, new = entry["old_values"] or {}, entry["new_values"] or {}
    return {name for name in {*old, *new} if old.get(name) != new.get(name)} - {*BESIDE}


def is_told(entry: Mapping[str, Any]) -> None:
    """It says what was before and after; what it names as changed is another, or hidden."""
    old, new = entry["old_values"], entry["new_values"]
    assert old or new, entry
    if old and new:
        hidden = {name for name in entry["changed"] if old.get(name) == new.get(name)}
        assert entry["changed"], entry
        assert others(entry) | hidden == set(entry["changed"]), entry
        assert {old[name] for name in hidden} <= {REDACTED}, entry
    else:
        assert entry["changed"] == [], entry
    if entry["action"] == "created":
        assert old is None, entry
    if entry["action"] == "deleted":
        assert new is None or "status" in entry["changed"], entry  # of a customer it is kept that there was one


@pytest.mark.contract("registrar R-75")
@pytest.mark.parametrize(("method", "path", "operation", "body"), CHANGING)
async def test_a_change_is_told_with_before_and_after_and_without_a_secret(
    http: httpx.AsyncClient,
    operator: httpx.AsyncClient,
    world: World,
    logged: Callable[[], str],
    method: str,
    path: str,
    operation: dict[str, Any],
    body: Any,
) -> None:
    asked = planted(operation, body)
    client, place, more = await prepared(http, operator, world, path, operation, asked)
    known = len(log(world))
    revisions = len(world.sql("SELECT * FROM extension_audit_log"))

    answer = await client.request(method, place, **more)

    assert answer.is_success, answer.text
    entries = log(world)[known:]
    for entry in entries:
        is_told(entry)
    if operation["tags"] == ["router"]:
        entries = world.sql("SELECT old_values, new_values FROM extension_audit_log ORDER BY id")[revisions:]
    if answer.status_code == 201:
        assert [entry for entry in entries if entry["new_values"] and not entry["old_values"]]
    if method == "DELETE":
        assert [entry for entry in entries if entry["old_values"]]
        assert not [entry for entry in entries if entry["new_values"] and not entry["old_values"]]
    told = {
        "audit": str(world.sql("SELECT * FROM ringback_audit")) + str(world.sql("SELECT * FROM extension_audit_log")),
        "events": str(world.sql("SELECT * FROM registrar_outbox")),
        "rows": str(world.everything()),
        "logs": logged(),
    }
    for secret in {*sent(operation, more.get("json")), *shown(answer)}:
        assert [name for name, text in told.items() if secret in text] == []


def test_every_secret_of_the_description_is_planted() -> None:
    found = {(one.values[2]["operationId"], name) for one in CHANGING for name in secrets_of(one.values[2])}

    assert {"create_extension", "patch_trunk", "create_person", "change_own_password"} <= {name for name, _ in found}
    free = {(operation, name) for operation, name in found if operation not in RIGHT and name != PROVEN}
    sown = {
        (operation["operationId"], name)
        for _, _, operation, body in (one.values for one in CHANGING)
        for name in secrets_of(operation)
        if PLANTED in msgspec.json.encode(planted(operation, body)).decode()
    }
    assert free <= sown
