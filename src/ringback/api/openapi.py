"""The API's description in OpenAPI 3.1, made from the routes and the shapes they declare."""

from typing import Any, Final

import msgspec

from ringback import __version__
from ringback.api.call import Nothing, Route
from ringback.api.examples import EXAMPLES, example_of
from ringback.kit.reading import fields_of
from ringback.kit.routing import Route as Entry
from ringback.kit.routing import Routes, key
from ringback.kit.secret import Secret
from ringback.registrar.directs.wire import DirectNews
from ringback.registrar.extensions.wire import ExtensionNews

REF: Final = "#/components/schemas/{name}"
WEBHOOKS: Final[dict[str, type[msgspec.Struct]]] = {
    **{f"extension_{action}": ExtensionNews for action in ("created", "updated", "deleted")},
    **{f"extension_direct_{action}": DirectNews for action in ("created", "updated", "deleted")},
}
"""Event type → payload."""


class ErrorDetail(msgspec.Struct, frozen=True):
    """One field that is wrong."""

    field: str
    description: str


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong: `reason` is for programs, `message` for people."""

    status: str
    reason: str
    message: str
    request_id: str
    details: list[ErrorDetail] = []


class Error(msgspec.Struct, frozen=True):
    """The envelope of every error."""

    error: ErrorBody


def description(routes: Routes[Route]) -> dict[str, Any]:
    """The whole document."""
    shapes = {
        about[kind] for route in routes for about in (route.about,) for kind in ("body", "answers") if kind in about
    }
    _, components = msgspec.json.schema_components(
        [*sorted(shapes, key=lambda shape: str(shape.__name__)), Error, ExtensionNews, DirectNews],
        schema_hook=_hook,
        ref_template=REF,
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(_path(route.pattern), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ringback",
            "version": __version__,
            "description": "Extensions, direct addresses and contacts of SIP phones.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"accessKey": []}],
        "paths": paths,
        "webhooks": {name: _webhook(name, shape) for name, shape in WEBHOOKS.items()},
        "components": {
            "schemas": components,
            "securitySchemes": {
                "accessKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access key: rb_ and 43 characters.",
                }
            },
        },
    }


def _hook(kind: type) -> dict[str, Any]:
    if kind is Secret:
        return {"type": "string"}
    raise NotImplementedError(kind)


def _path(pattern: str) -> str:
    return "/".join("{" + key(part) + "}" if part.startswith("<") else part for part in pattern.split("/"))


def _operation(route: Entry[Route]) -> dict[str, Any]:
    about = route.about
    name = route.answer.__name__
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{name}",
        "summary": (route.answer.__doc__ or "").strip().splitlines()[0],
        "tags": [route.pattern.split("/")[2]],
        "parameters": _parameters(route),
        "responses": {str(about.get("status", 200)): _success(route), **_errors(route)},
    }
    if "body" in about:
        required = any(field.required for field in fields_of(about["body"]))
        content: dict[str, Any] = {"schema": _ref(about["body"])}
        if examples := EXAMPLES.get((route.method, route.pattern)):
            content["examples"] = {title: {"value": value} for title, value in examples.items()}
        operation["requestBody"] = {"required": required, "content": {"application/json": content}}
    return operation


def _parameters(route: Entry[Route]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": key(part), "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
        for part in route.segments
        if part.startswith("<")
    ]
    shape = route.about.get("query", Nothing)
    _, components = msgspec.json.schema_components([shape], schema_hook=_hook)
    for name, property in components[shape.__name__].get("properties", {}).items():
        plain = next((choice for choice in property.get("anyOf", [property]) if choice.get("type") != "null"), property)
        found.append({"name": name, "in": "query", "schema": {k: v for k, v in plain.items() if k != "default"}})
    found.append(
        {
            "name": "customer_id",
            "in": "query",
            "description": "which customer; with the operator's key only, and required there",
            "schema": {"type": "string", "format": "uuid"},
        }
    )
    return found


def _success(route: Entry[Route]) -> dict[str, Any]:
    shape = route.about["answers"]
    content: dict[str, Any] = {"schema": _ref(shape)}
    if (example := example_of(shape)) is not None:
        content["example"] = example
    return {"description": (shape.__doc__ or "").strip(), "content": {"application/json": content}}


def _errors(route: Entry[Route]) -> dict[str, Any]:
    codes = {"400": "The request is wrong; every faulty field is named.", "401": "No valid access key."}
    codes |= {"403": "The account is frozen.", "503": "The database does not answer."}
    if "<" in route.pattern:
        codes["404"] = "There is no such thing here."
    if route.method != "GET":
        codes |= {
            "409": "The state of things does not allow this.",
            "412": "The object is not what If-Match says.",
            "413": "The body is larger than 1 MiB.",
            "415": "The body is not sent as application/json.",
        }
    content = {"application/json": {"schema": _ref(Error)}}
    return {code: {"description": text, "content": content} for code, text in sorted(codes.items())}


def _webhook(name: str, shape: type[msgspec.Struct]) -> dict[str, Any]:
    summary = (shape.__doc__ or "").strip()
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "requestBody": {"content": {"application/json": {"schema": _ref(shape)}}},
            "responses": {"200": {"description": "Taken."}},
        }
    }


def _ref(shape: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": REF.format(name=shape.__name__)}
