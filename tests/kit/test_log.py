"""Logs without secrets."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from ringback.kit.log import Redact, new_request_id, request_id_of, set_up
from ringback.kit.secret import Secret
from ringback.registrar.directs.model import IN_LOGS

HASH = "7c09e1b4d2f8"


def shown(**event: Any) -> Any:
    return Redact(IN_LOGS)(None, "info", event)


@pytest.mark.contract("registrar R-56")
@pytest.mark.parametrize(
    "key", ["password", "secret", "Token", "credential", "ha1", "direct_hash", "hash", "token_hash", "new_password"]
)
def test_the_values_of_telling_keys_are_hidden_however_deep(key: str) -> None:
    for value in ("x", 7, ["x"], {"a": "x"}):
        assert shown(**{key: value}) == {key: "[REDACTED]"}
    assert shown(data={"list": [{key: "x", "name": "n"}]}) == {"data": {"list": [{key: "[REDACTED]", "name": "n"}]}}


@pytest.mark.contract("registrar R-56")
@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"GET /v1/extensions/by-direct-hash/{HASH}", "GET /v1/extensions/by-direct-hash/7c09…"),
        (f"/v1/extension-directs?hash=direct.{HASH}&source=x", "/v1/extension-directs?hash=direct.7c09…&source=x"),
        (f"sip:direct.{HASH.upper()}@sip.example.com", "sip:direct.7C09…@sip.example.com"),
        ("amqp://guest:gu@est@rabbit:5672/ is down", "amqp://rabbit:5672/ is down"),
        ("cannot reach root:p@ss:/w@tcp(db:3306)/bin", "cannot reach tcp(db:3306)/bin"),
        ("Bearer rb_0123456789abcdefghijABCDEFGHIJ", "Bearer [REDACTED]"),
        ("1001@acme.example.com", "1001@acme.example.com"),
    ],
)
def test_secrets_within_texts_are_cut(text: str, clean: str) -> None:
    assert shown(event=text, list=[text]) == {"event": clean, "list": [clean]}


def test_a_secret_under_any_key_is_hidden() -> None:
    assert shown(value=Secret("x"), values=[Secret("x")]) == {"value": "[REDACTED]", "values": ["[REDACTED]"]}


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level

    def logged(level: str, *say: Callable[[], None]) -> list[dict[str, Any]]:
        set_up("registrar-manager", level, "json", IN_LOGS)
        for one in say:
            one()
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield logged
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.contract("registrar R-56")
def test_a_line_is_one_json_object_and_a_traceback_in_it_has_no_secret(
    lines: Callable[..., list[dict[str, Any]]],
) -> None:
    password, wrapped = "Marker-" + "Pass-4711", Secret("Marker-" + "Pass-4711")

    def fail() -> None:
        try:
            raise RuntimeError(f"{wrapped} at mysql://root:{password}@db/x")
        except RuntimeError as error:
            structlog.get_logger().error("failed", request_id="req_1", exc_info=error)
            logging.getLogger("library").exception("for %s", wrapped)

    ours, theirs = lines("info", fail, lambda: structlog.get_logger().debug("not shown"))

    assert (ours["severity"], ours["message"], ours["service"]) == ("ERROR", "failed", "registrar-manager")
    assert ours["logging.googleapis.com/trace"] == ours["request_id"] == "req_1"
    assert ours["time"].endswith("Z")
    assert theirs["message"] == "for [REDACTED]"
    for line in (ours, theirs):
        assert "Traceback" in line["exception"]
        assert "mysql://db/x" in line["exception"]
        assert "Marker-Pass" not in json.dumps(line)


def test_request_ids_are_taken_over_when_usable_and_made_when_not() -> None:
    assert request_id_of("abc-DEF_1") == "abc-DEF_1"
    for bad in (None, "", "x" * 65, "a b", "a\n"):
        assert request_id_of(bad) != bad
    made = new_request_id()
    assert (made[:4], len(made)) == ("req_", 30)
