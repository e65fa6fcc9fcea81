"""Logs without secrets."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import structlog

from ringback.kit.log import REDACTED, Lines, Redact, Rewrite, as_json, clean, new_request_id, request_id_of, set_up
from ringback.kit.secret import Secret
from ringback.registrar.directs.model import IN_LOGS
from ringback.router.pii import masked

HASH = "7c09e1b4d2f8"


def shown(**event: Any) -> Any:
    return Redact(IN_LOGS)(None, "info", event)


@pytest.mark.contract("registrar R-56")
@pytest.mark.parametrize(
    "key",
    [
        "password",
        "secret",
        "Token",
        "credential",
        "ha1",
        "direct_hash",
        "hash",
        "token_hash",
        "new_password",
        "X-API-Key",
        "bearer",
    ],
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
        ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "Bearer [REDACTED]"),
        ("1001@acme.example.com", "1001@acme.example.com"),
    ],
)
def test_secrets_within_texts_are_cut(text: str, clean: str) -> None:
    assert shown(event=text, list=[text]) == {"event": clean, "list": [clean]}


@pytest.mark.contract("router S-4")
def test_lines_of_one_package_are_looked_through_for_what_tells_of_people() -> None:
    redact = Redact(scans={"ringback.router": masked})
    told = {"event": "1001@acme.example.com", "data": [{"text": "card 4111 1111 1111 1111"}], "number": 7}
    hidden = {"event": "[EMAIL_MASKED]", "data": [{"text": "card [CARD_MASKED]"}], "number": 7}

    for name in ("ringback.router", "ringback.router.invoking.invoker"):
        assert redact(logging.getLogger(name), "info", dict(told)) == hidden
    for name in ("ringback.routes", "ringback.registrar.extensions"):
        assert redact(logging.getLogger(name), "info", dict(told)) == told
    assert redact(None, "info", dict(told)) == told


@pytest.mark.contract("router S-4")
@pytest.mark.parametrize("key", ["credit_card", "SSN", "Email", "phone"])
def test_values_that_tell_of_people_by_name_are_hidden_however_deep(key: str) -> None:
    assert shown(a=[{"b": {key: "x"}}]) == {"a": [{"b": {key: "[REDACTED]"}}]}
    assert shown(emails=1, phone_count=1) == {"emails": 1, "phone_count": 1}


def test_a_secret_under_any_key_is_hidden() -> None:
    assert shown(value=Secret("x"), values=[Secret("x")]) == {"value": "[REDACTED]", "values": ["[REDACTED]"]}


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level

    def logged(level: str, *say: Callable[[], None], rewrite: Rewrite = IN_LOGS) -> list[dict[str, Any]]:
        set_up("registrar-manager", level, "json", rewrite)
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


def test_what_every_line_has_is_told_as_it_is_and_costs_no_look(lines: Callable[..., list[dict[str, Any]]]) -> None:
    every = Rewrite(re.compile("(?s).+"), "hidden")

    (line,) = lines("info", lambda: structlog.get_logger().info("said", who="x"), rewrite=every)

    assert (line["message"], line["who"]) == ("hidden", "hidden")
    assert (line["severity"], line["service"], line["time"][-1]) == ("INFO", "registrar-manager", "Z")


def test_request_ids_are_taken_over_when_usable_and_made_when_not() -> None:
    assert request_id_of("abc-DEF_1") == "abc-DEF_1"
    for bad in (None, "", "x" * 65, "a b", "a\n"):
        assert request_id_of(bad) != bad
    made = new_request_id()
    assert re.fullmatch("req_[A-Z2-7]{26}", made)


def test_what_tells_of_people_is_hidden_in_logs_alone_and_not_where_it_is_kept_on_purpose() -> None:
    assert clean("person", {"email": "a@b.example", "password": "x"}) == {"email": "a@b.example", "password": REDACTED}


class Gone(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_line_that_nobody_takes_is_lost_and_stops_no_work() -> None:
    Lines(Gone())("ringback.somewhere").info("lost")


def test_a_line_has_the_name_of_whose_it_is() -> None:
    assert Lines(io.StringIO())().name == __name__


def test_a_line_has_spaces_behind_commas_and_colons_for_those_who_search_in_it() -> None:
    assert as_json(None, "info", {"severity": "ERROR", "n": [1, 2]}) == '{"severity": "ERROR", "n": [1, 2]}'


def test_what_json_has_no_word_for_is_shown_all_the_same() -> None:
    event = {"event": "half a letter \ud800", "set": {1}, "id": UUID(int=1), "error": ValueError("x")}

    line = json.loads(as_json(None, "info", event))

    assert (line["event"], line["error"]) == (event["event"], "ValueError('x')")


def test_a_library_is_heard_but_for_what_every_end_of_a_tls_connection_says(lines: Callable[..., Any]) -> None:
    library = logging.getLogger("asyncio")

    found = lines(
        "info",
        lambda: library.warning("returning true from eof_received() has no effect when using ssl"),
        lambda: library.warning("Executing %s took %.3f seconds", "it", 1.5),
    )

    assert [line["message"] for line in found] == ["Executing it took 1.500 seconds"]
