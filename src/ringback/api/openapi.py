"""The API's description in OpenAPI 3.1, made from the routes and the shapes they declare."""

import re
import sys
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ringback import __version__
from ringback.api.bulk_examples import DOWNLOADS, UPLOADS
from ringback.api.call import Nothing, Route, is_object
from ringback.api.examples import ABOUT, ANSWERS, EVENTS, EXAMPLES, PATH
from ringback.api.news import WEBHOOKS
from ringback.api.parts import HEADERS, KEYS, PARAMETERS, REFUSALS, Error
from ringback.api.repeat import takes_key
from ringback.api.setup_examples import SETUP_FORMS
from ringback.kit.reading import fields_of
from ringback.kit.routing import Route as Entry
from ringback.kit.routing import Routes, key
from ringback.kit.secret import Secret
from ringback.registrar.extensions.wire import NewExtension
from ringback.registrar.imports.model import MOST_ROWS
from ringback.registrar.trunks.wire import NewTrunk

REF: Final = "#/components/schemas/{name}"
JSON: Final = "application/json"
EVERYWHERE: Final = ("X-Request-Id", "RateLimit", "RateLimit-Policy")
READ_ONLY: Final = ("id", "customer_id", "direct_hash", "direct_uri", "tm_create", "tm_update", "tm_delete")
"""Fields of an object that no request sets."""
UPLOADED: Final[dict[str, type[msgspec.Struct]]] = {"extension": NewExtension, "trunk": NewTrunk}
"""What a file of rows is made of."""
TAGS: Final = {
    "extensions": "Phones that can register, and where they are.",
    "setup": "Setting up phones by a link that works once.",
    "trunks": "Connections to carriers and PBXs, by digest or by address.",
    "customers": "The platform's customers, for its operator.",
    "customer": "Who you are.",
    "customer_domain": "The domain that your phones live under.",
    "calls": "Who called whom, when, for how long, and how it ended.",
    "drift": "What SIP servers read, and what it should be.",
    "audit": "Who changed what, when and from where.",
    "accesskeys": "Who may ask, for whom, and what.",
    "events": "What happens, as it happens.",
    "people": "Who may sign in.",
    "auth": "Signing in and out.",
    "router": "The registry of router extensions: processors that requests go through.",
}


def description(routes: Routes[Route]) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(_path(route.pattern), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ringback",
            "version": __version__,
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"accessKey": []}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "webhooks": {name: _webhook(name, shape) for name, shape in WEBHOOKS.items()},
        "components": {
            "schemas": _schemas(routes),
            "responses": {_refusal_name(code): _refusal(code) for code in REFUSALS},
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": {"accessKey": {"type": "http", "scheme": "bearer", "description": KEYS}},
        },
    }


def _schemas(routes: Routes[Route]) -> dict[str, Any]:
    """All shapes by name. Bodies refuse unknown fields, and say by `limits` what their fields alone cannot."""
    shapes = {route.about[kind] for route in routes for kind in ("body", "answers") if kind in route.about}
    news = dict.fromkeys(WEBHOOKS.values())
    wanted = [*sorted(shapes, key=lambda shape: str(shape.__name__)), Error, *news]
    _, schemas = msgspec.json.schema_components(wanted, schema_hook=_hook, ref_template=REF)
    for schema in schemas.values():
        schema["description"] = _words(schema["description"])
    for route in routes:
        if "body" in route.about:
            schema = schemas[route.about["body"].__name__]
            schema["additionalProperties"] = False
            _merge(schema, route.about.get("limits", {}))
        for name, field in schemas[route.about["answers"].__name__]["properties"].items():
            if is_object(route.about["answers"]) and name in READ_ONLY:
                field["readOnly"] = True
    return dict(schemas)


def _merge(schema: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, Mapping) and isinstance(schema.get(name), dict):
            _merge(schema[name], value)
        else:
            schema[name] = value


def _hook(kind: type) -> dict[str, Any]:
    if kind is Secret:
        return {"type": "string"}
    raise NotImplementedError(kind)


def _path(pattern: str) -> str:
    return "/".join("{" + key(part) + "}" if part.startswith("<") else part for part in pattern.split("/"))


def _operation(route: Entry[Route]) -> dict[str, Any]:
    about = route.about
    sentence, _, more = (route.answer.__doc__ or "").strip().partition("\n")
    operation: dict[str, Any] = {
        "operationId": about["name"],
        "summary": sentence.rstrip("."),
        "description": " ".join(more.split()),
        "tags": [route.pattern.split("/")[2].partition(":")[0]],
        "parameters": _parameters(route),
        **({} if about["right"] else {"security": []}),
        "responses": {str(about.get("status", 200)): _success(route), **_refusals(route)},
    }
    if _checks_state(route):
        operation["description"] += " Send the object's `ETag` as `If-Match` to act on that state of it only."
    if "body" in about:
        required = any(field.required for field in fields_of(about["body"]))
        examples = {title: {"value": value} for title, value in EXAMPLES[about["name"]].items()}
        content = {JSON: {"schema": _ref(about["body"]), "examples": examples}}
        operation["requestBody"] = {"required": required, "content": content}
    if "uploads" in about:
        operation["requestBody"] = {"required": True, "content": _upload(about["name"], UPLOADED[about["uploads"]])}
    operation["description"] = operation["description"].strip()
    return {name: value for name, value in operation.items() if value or name == "security"}


def _upload(name: str, row: type[msgspec.Struct]) -> dict[str, Any]:
    """A file of rows: the JSON array has a schema, the others are text."""
    rows = {"type": "array", "items": _ref(row), "maxItems": MOST_ROWS}
    schemas = {JSON: rows, "text/csv": {"type": "string"}, "application/x-ndjson": {"type": "string"}}
    return {
        media: {"schema": schemas[media], "examples": {title: {"value": value} for title, value in examples.items()}}
        for media, examples in UPLOADS[name].items()
    }


def _checks_state(route: Entry[Route]) -> bool:
    return route.method != "GET" and "status" not in route.about and is_object(route.about["answers"])


def _parameters(route: Entry[Route]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": key(part),
            "in": "path",
            "required": True,
            "schema": {"type": "string", "format": "uuid"} if part.endswith("-id>") else {"type": "string"},
            "example": PATH[key(part)],
        }
        for part in route.segments
        if part.startswith("<")
    ]
    shape = route.about.get("query", Nothing)
    _, components = msgspec.json.schema_components([shape], schema_hook=_hook)
    required = components[shape.__name__].get("required", ())
    for name, field in components[shape.__name__].get("properties", {}).items():
        found.append({"name": name, "in": "query", **({"required": True} if name in required else {}), **_plain(field)})
    if route.method == "GET" and is_object(route.about["answers"]):
        found.append({"$ref": "#/components/parameters/if_none_match"})
    if "media" in route.about:
        found.append({"$ref": "#/components/parameters/last_event_id"})
    if takes_key(route):
        found.append({"$ref": "#/components/parameters/idempotency_key"})
    return found if route.about.get("whose") == "all" else [*found, {"$ref": "#/components/parameters/customer_id"}]


def _plain(field: Mapping[str, Any]) -> dict[str, Any]:
    """A field of a query as a parameter: it may be left out, but it is never null."""
    choice = next((choice for choice in field.get("anyOf", ()) if choice.get("type") != "null"), field)
    schema = {
        name: value for name, value in choice.items() if name != "description" and (name, value) != ("default", None)
    }
    schema |= {"type": "string"} if "enum" in schema else {}
    return {"schema": schema, **({"description": choice["description"]} if "description" in choice else {})}


def _success(route: Entry[Route]) -> dict[str, Any]:
    shape = route.about["answers"]
    headers = [
        *(EVERYWHERE if route.about["right"] else EVERYWHERE[:1]),
        *(["ETag"] if is_object(shape) else []),
        *(["X-Registry-Revision"] if route.about.get("service") == "router-manager" else []),
        *(["Location"] if "status" in route.about else []),
        *(["Idempotent-Replay"] if takes_key(route) else []),
    ]
    return {
        "description": _words(shape.__doc__),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": _content(route),
    }


def _content(route: Entry[Route]) -> dict[str, Any]:
    shape = route.about["answers"]
    if media := route.about.get("media"):
        return {media: {"example": ANSWERS[shape.__name__]}}  # a stream has no end that a schema could judge
    if "downloads" in route.about:
        return {
            JSON: {"schema": {"type": "array", "items": _ref(shape)}, "example": [ANSWERS[shape.__name__]]},
            "text/csv": {"schema": {"type": "string"}, "example": DOWNLOADS[shape.__name__]},
        }
    found: dict[str, Any] = {JSON: {"schema": _ref(shape), "example": ANSWERS[shape.__name__]}}
    return found | {
        media: {"schema": {"type": "string"}, "example": SETUP_FORMS[media]} for media in route.about.get("forms", ())
    }


def _refusals(route: Entry[Route]) -> dict[str, Any]:
    codes = {400, 401, 403, 429, 503, *route.about.get("refuses", ())}
    if "<" in route.pattern:
        codes |= {404}
    if _checks_state(route):
        codes |= {412}
    if route.method in ("POST", "PUT", "PATCH"):
        codes |= {409, 413, 415}
    if takes_key(route):
        codes |= {422}
    codes |= set(route.about.get("fails", ()))
    found: dict[str, Any] = {
        str(code): {"$ref": f"#/components/responses/{_refusal_name(code)}"} for code in sorted(codes)
    }
    if route.method == "GET" and is_object(route.about["answers"]):
        found["304"] = {"description": "You have this state of the object already."}
    return dict(sorted(found.items()))


def _refusal_name(code: int) -> str:
    return f"Refusal{code}"


def _refusal(code: int) -> dict[str, Any]:
    headers = [*EVERYWHERE, *(["Retry-After"] if code == 429 else [])]
    return {
        "description": REFUSALS[code],
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {JSON: {"schema": _ref(Error)}},
    }


def _webhook(name: str, shape: type[msgspec.Struct]) -> dict[str, Any]:
    content = {"schema": _ref(shape), "example": EVENTS[shape.__name__]}
    return {
        "post": {
            "operationId": name,
            "summary": f"The data of the event {name}",
            "description": _words(shape.__doc__),
            "requestBody": {"content": {JSON: content}},
            "responses": {"200": {"description": "Taken."}},
            "security": [],
        }
    }


def _words(text: str | None) -> str:
    """A docstring for customers: without the places of our contracts."""
    return re.sub(r" \((?:registrar|router) [0-9.]+\)", "", text or "").strip()


def _ref(shape: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": REF.format(name=shape.__name__)}


def pretty(document: Mapping[str, Any]) -> bytes:
    """The document as it is committed: `python -m ringback.api.openapi > docs/openapi.json`."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


if __name__ == "__main__":
    from ringback.routes import REST

    sys.stdout.buffer.write(pretty(description(REST)))
