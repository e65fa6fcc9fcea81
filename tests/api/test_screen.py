"""What Asterisk is told of a call before a direct address rings, over HTTP as its dialplan asks."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest

from ringback.api.admission import Admission
from ringback.api.gateway import Gateway
from ringback.api.screen import METHODS, pages
from ringback.kit.bus import NoResponders, TooLate
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.routing import Routes
from ringback.router.pipelines.screening import screen
from tests.router.pipelines.stand import CUSTOMER, Stand
from tests.world import World

pytestmark = pytest.mark.contract("router P-6")

EXTENSION = "7a7f9e2c-98aa-44cf-8d1e-2f1a3a5d8f55"
DOCUMENT = {"version": "1.0", "pre": [{"id": "names"}], "validators": [{"id": "guard"}]}


def nobody(token: str) -> None:
    raise DatabaseUnavailable


@pytest.fixture
def stand() -> Stand:
    """A node of the router: `names` makes of a caller what a test says, `guard` lets them pass."""
    one = Stand()
    one.add("names", "pre", {})
    one.add("guard", "validator", {"status": "ok"})
    one.declare(DOCUMENT, "calls.en", purpose="direct_call")
    return one


@pytest.fixture
async def asterisk(world: World, stand: Stand) -> AsyncIterator[httpx.AsyncClient]:
    stand.registry.pipelines = stand.pipelines
    site = pages(lambda asked: screen(stand.registry, world.ringback.router.work, asked))
    app = Gateway(Routes(), {}, site, Admission(world.ringback.work, nobody), site_methods=METHODS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://screen") as client:
        yield client


async def ask(asterisk: httpx.AsyncClient, caller: str = "4930", name: str = "Bob", **more: str) -> httpx.Response:
    """What its dialplan asks, with the caller's texts escaped already."""
    said = {"customer_id": str(CUSTOMER), "policy_id": "calls.en", "extension_id": EXTENSION, "deadline_ms": "500"}
    address = "/screen?" + "&".join(f"{name}={value}" for name, value in (said | more).items())
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return await asterisk.post(address, content=f"caller={caller}&caller_name={name}", headers=headers)


async def told(asterisk: httpx.AsyncClient, stand: Stand, makes: Any) -> list[str | None]:
    """Number and name, where the policy makes that of the payload; `None` where they stay."""
    stand.add("names", "pre", {"payload": {"message_type": "direct_call", "payload": makes}})
    answer = await ask(asterisk)
    word, *fields = answer.text.split("|")
    assert (answer.status_code, word, len(fields)) == (200, "pass", 2)
    return [unquote(text[1:]) if text else None for text in fields]


async def test_the_policy_of_the_called_customer_gets_caller_name_and_extension(
    asterisk: httpx.AsyncClient, stand: Stand
) -> None:
    answer = await ask(asterisk)

    assert (answer.status_code, answer.text) == (200, "pass||")
    (request,) = stand.sent("names")
    assert request["tenant_id"] == str(CUSTOMER)
    assert request["payload"] == {
        "message_type": "direct_call",
        "payload": {"caller": "4930", "caller_name": "Bob", "extension_id": EXTENSION},
    }
    assert request["metadata"]["policy_id"] == "calls.en"


async def test_what_it_makes_of_number_and_name_goes_back_and_all_else_stays(
    asterisk: httpx.AsyncClient, stand: Stand
) -> None:
    assert await told(asterisk, stand, {"caller": "110", "caller_name": "Ärzte, (Ost) & Söhne"}) == [
        "110", "Ärzte, (Ost) & Söhne",
    ]  # fmt: skip
    assert await told(asterisk, stand, {"caller": "4930", "caller_name": "Alice"}) == [None, "Alice"]
    assert await told(asterisk, stand, {"caller": "", "caller_name": ""}) == ["anonymous", ""]
    nothings: list[Any] = ["text", [], 7, {}, {"caller": None, "caller_name": 7}, {"caller": ["1"], "more": "x"}]
    for nothing in nothings:
        assert await told(asterisk, stand, nothing) == [None, None], nothing


@pytest.mark.parametrize("sign", ["\n", "\r", "\0", "\x7f", "\u2028", *'"\\<>${}[]|'])
async def test_nothing_goes_back_that_would_mean_something_there(
    asterisk: httpx.AsyncClient, stand: Stand, sign: str
) -> None:
    assert await told(asterisk, stand, {"caller": f"1{sign}2", "caller_name": sign + "x" * 500}) == ["12", "x" * 80]


async def test_whatever_bytes_a_caller_sends_are_asked_as_text(asterisk: httpx.AsyncClient, stand: Stand) -> None:
    await ask(asterisk, "%ff%0a%00" + "9" * 100, quote("Ä")[:3])

    payload = stand.sent("names")[0]["payload"]["payload"]
    assert (payload["caller"], payload["caller_name"]) == ("\ufffd" + "9" * 79, "\ufffd")


async def test_signs_that_the_policy_has_not_seen_reach_no_phone(asterisk: httpx.AsyncClient, stand: Stand) -> None:
    """What cannot be printed is taken away before the policy sees it: what has passed is the rest."""
    stand.add("names", "pre", {})

    answer = await ask(asterisk, "49%0d%0a30", quote("A\u202elice\u200b"))

    payload = stand.sent("names")[0]["payload"]["payload"]
    assert (payload["caller"], payload["caller_name"]) == ("4930", "Alice")
    assert answer.text == "pass|:4930|:Alice"


@pytest.mark.parametrize("said", [{"status": "reject"}, {"valid": False, "reason": "validator_failed"}], ids=str)
async def test_a_reject_is_a_word(asterisk: httpx.AsyncClient, stand: Stand, said: dict[str, Any]) -> None:
    stand.add("guard", "validator", said)

    answer = await ask(asterisk)

    assert (answer.status_code, answer.text) == (200, "reject")


@pytest.mark.parametrize("who", ["names", "guard"])
@pytest.mark.parametrize("answer", [NoResponders(), TooLate(), b"{", {"error": {"code": "x", "message": "4930"}}])
async def test_a_failed_run_is_an_error_without_a_word_of_the_caller(
    asterisk: httpx.AsyncClient, stand: Stand, who: str, answer: Any
) -> None:
    stand.add(who, "pre" if who == "names" else "validator", answer)

    said = await ask(asterisk)

    assert said.status_code >= 400
    assert not [text for text in ("pass|", "reject|", "4930", "Bob") if text in said.text]


async def test_the_deadline_of_who_waits_counts(asterisk: httpx.AsyncClient, stand: Stand) -> None:
    stand.desk.took["beamline.ext.pre.names.v1"] = 0.3

    assert (await ask(asterisk, deadline_ms="299")).status_code == 504
    assert (await ask(asterisk, deadline_ms="301")).text == "pass||"


@pytest.mark.parametrize(
    "wrong",
    [{"customer_id": "x"}, {"extension_id": ""}, {"deadline_ms": "0"}, {"deadline_ms": "330001"}, {"more": "x"}],
    ids=str,
)
async def test_what_no_dialplan_of_ours_asks_is_400_and_runs_nothing(
    asterisk: httpx.AsyncClient, stand: Stand, wrong: dict[str, str]
) -> None:
    assert (await ask(asterisk, **wrong)).status_code == 400
    assert (await asterisk.post("/other")).status_code == 404
    assert (await asterisk.get("/screen")).status_code == 405
    assert stand.order == []
