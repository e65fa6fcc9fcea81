"""The page of the wire: current, whole, readable by programs, and without anything random or secret."""

import asyncio
import json
import re
from pathlib import Path
from uuid import UUID

import pytest

from ringback.api.events import STREAM
from ringback.api.news import WEBHOOKS
from ringback.api.parts import REFUSALS
from ringback.kit.pages import Cursor, cursor_of
from ringback.kit.routing import parse_id
from ringback.registrar.heard import HEARD
from ringback.routes import CUSTOMER_RPC, REST, RPC
from tests import wire
from tests.exchanges import Exchanges, StandIns
from tests.wire_story import story
from tests.world import CODES, START

BLOCK = re.compile(r"^```(json|http)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^### `(.+)`$", re.MULTILINE)


@pytest.fixture(scope="module")
def made(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Exchanges:
    """What the story sent to and fro today."""
    return asyncio.run(story(template, tmp_path_factory.mktemp("wire")))


@pytest.mark.contract("router X-29")
def test_every_route_and_every_event_has_an_example(made: Exchanges) -> None:
    assert wire.missing(made) == [], "tell of it in tests/wire_story.py"


def test_the_page_is_current(made: Exchanges) -> None:
    assert wire.PAGE.read_text() == wire.page(made), f"rewrite it: {wire.REWRITE}"


def test_each_kind_of_refusal_has_an_example(made: Exchanges) -> None:
    typed = [exchange.answered.body for exchange in made.rpc_refusals.values()]
    statuses = {reply["data"]["status"] for reply in typed if "data" in reply}

    assert statuses == CODES.keys() - {"UNAVAILABLE", "INTERNAL"}
    assert {code for code, _ in made.rpc_refusals} == {400, 404, 405, 409, 429}
    assert {code for code, _ in made.rest_refusals} == {*REFUSALS, 405, 429} - {413, 503}


def test_the_page_has_every_route_and_event_once_and_its_links_lead_to_them() -> None:
    text = wire.PAGE.read_text()
    headings = HEADING.findall(text)
    routes = [f"{route.method} {route.pattern}" for table in (RPC, CUSTOMER_RPC, REST) for route in table]

    assert sorted(headings) == sorted([*routes, *WEBHOOKS, *(f"{type} from {publisher}" for publisher, type in HEARD)])
    assert re.findall(r"\(#(.+)\)", text) == [wire.anchor(heading) for heading in headings]


def test_every_block_of_the_page_is_json_or_http_with_json() -> None:
    blocks = BLOCK.findall(wire.PAGE.read_text())

    assert wire.PAGE.read_text().count("```") == 2 * len(blocks) > 200
    for kind, text in blocks:
        head, _, body = text.rpartition("\n\n") if kind == "http" and "\n\n" in text else ("", "", text)
        if STREAM in text:
            assert all(json.loads(line) for line in re.findall("^data: (.*)$", text, re.MULTILINE))
        elif kind == "json" or head:
            json.loads(body)


def test_the_page_shows_no_key_and_no_password_but_samples() -> None:
    text = wire.PAGE.read_text()

    assert re.findall(r"rb_[\w-]+", text) == []
    assert set(re.findall(r'"password": "(?!short|Sample-Pass-|GeneratedPassword)(.*?)"', text)) == {""}


def test_a_stand_in_is_of_the_form_of_what_it_stands_for_and_always_the_same() -> None:
    one, other = "0d4f6a55-7b0e-4f0c-b7a1-62f0a9f4e6d8", "b1d7c2aa-0f35-4c0e-8a66-5d0c9b7e4f21"
    stand_ins = StandIns(other)
    said = f'{one} {other} direct.7c09e1b4d2f8@sip {one} "password":"{"a1B2" * 6}" page_token={{}} ETag: "{"0a" * 16}"'
    said = said.format(Cursor(START, UUID(one)).token())

    shown = stand_ins.within(said)

    id, known, hash, again, password, token, _, state = shown.split()
    assert id == again != one
    assert parse_id(id).version == 4
    assert known == other
    assert re.fullmatch(r"direct\.(?!7c09)[0-9a-f]{12}@sip", hash)
    assert re.fullmatch(r'"password":"GeneratedPassword[a-z2-9]{7}"', password)
    assert cursor_of(token.partition("=")[2]) == Cursor(START, UUID(id))
    assert re.fullmatch(r'"(?!0a0a)[0-9a-f]{32}"', state)
    assert stand_ins.within(said) == shown == StandIns(other).within(said)
