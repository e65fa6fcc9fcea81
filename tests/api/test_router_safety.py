"""What an admin of the registry cannot do to it, or by it: sizes, depth, secrets, subjects, addresses."""

import socket
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.api.test_router import ROOT, UPPER, client
from tests.world import World, refusal

pytestmark = [pytest.mark.sqlite, pytest.mark.long]
SENT = {"content-type": "application/json"}
PLANTED = "sk-live-4242"


@pytest.fixture
async def ops(world: World, operator: httpx.AsyncClient) -> httpx.AsyncClient:
    """The operator's client, of a registry that is loaded."""
    assert (await world.ringback.router.loader.reload()).ok
    return operator


def nested(levels: int) -> Any:
    """Objects and lists in each other, so many of them."""
    return {"a": nested(levels - 1)} if levels % 2 else [nested(levels - 1)] if levels else 1


def rules(answer: httpx.Response) -> set[tuple[str, str]]:
    return {(detail["field"], detail.get("rule")) for detail in answer.json()["error"]["details"]}


@pytest.mark.contract("router S-1")
async def test_a_body_over_1_mib_is_413_and_a_document_over_64_kib_names_its_field(
    ops: httpx.AsyncClient, world: World
) -> None:
    before = world.everything()
    body = httpx.Request("POST", "http://x", json=UPPER).content
    for method, path in (("POST", ROOT), ("PUT", f"{ROOT}/pii_guard"), ("PATCH", f"{ROOT}/pii_guard")):
        answer = await ops.request(method, path, content=body.ljust((1 << 20) + 1), headers=SENT)
        assert refusal(answer) == (413, "BODY_TOO_LARGE")
    fitting, larger = {"a": "x" * ((64 << 10) - 8)}, {"a": "x" * ((64 << 10) - 7)}
    answer = await ops.post(ROOT, json={**UPPER, "config": larger, "metadata": larger})
    assert (refusal(answer)[0], rules(answer)) == (400, {("config", "too_large"), ("metadata", "too_large")})
    assert world.everything() == before

    made = await ops.post(ROOT, json={**UPPER, "config": fitting, "metadata": fitting})
    assert made.status_code == 201


@pytest.mark.contract("router S-2")
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
async def test_a_number_that_is_none_is_refused(ops: httpx.AsyncClient, world: World, number: str) -> None:
    before = world.everything()
    text = f'{{"id":"upper","type":"pre","subject":"beamline.ext.pre.upper.v1","config":{{"a":{number}}}}}'

    assert refusal(await ops.post(ROOT, content=text, headers=SENT)) == (400, "INVALID_JSON_BODY")
    assert world.everything() == before


@pytest.mark.contract("router S-2")
async def test_a_document_has_ten_levels(ops: httpx.AsyncClient) -> None:
    eleven = {"config": {"a": nested(10)}, "metadata": {"a": nested(10)}}
    answer = await ops.post(ROOT, json={**UPPER, **eleven})
    assert (refusal(answer)[0], rules(answer)) == (400, {("config", "too_large"), ("metadata", "too_large")})
    endless = f'{{"id":"upper","config":{"[" * 100_000}{"]" * 100_000}}}'
    assert refusal(await ops.post(ROOT, content=endless, headers=SENT)) == (400, "INVALID_JSON_BODY")

    ten = {"config": {"a": nested(9)}, "metadata": {"a": nested(9)}}
    assert (await ops.post(ROOT, json={**UPPER, **ten})).status_code == 201
    merged = await ops.patch(f"{ROOT}/upper", json={"config": {"b": nested(10)}})
    assert rules(merged) == {("config", "too_large")}


@pytest.mark.contract("router S-7")
@pytest.mark.parametrize(
    "value",
    [
        PLANTED, "", "env:", "ENV:NAME", "env:A-B", "env:1A", "env: A", "env:A\n", "file:", "file:a/b", "file:/a",
        "file:../a", "file:..", "file:a\\b", "file:a b", "file:.a", 7, True, None, ["env:A"], {"a": "env:A"},
    ],
    ids=repr,
)  # fmt: skip
async def test_a_secret_stands_in_a_document_by_its_name_alone(
    ops: httpx.AsyncClient, world: World, value: Any
) -> None:
    before = world.everything()
    hidden = {"a": [{"API_Key": value}]}

    answer = await ops.post(ROOT, json={**UPPER, "config": hidden, "metadata": hidden})

    assert refusal(answer) == (400, "VALIDATION_FAILED")
    assert rules(answer) == {("config.a[0].API_Key", "secret_literal"), ("metadata.a[0].API_Key", "secret_literal")}
    assert world.everything() == before


@pytest.mark.contract("router S-7")
@pytest.mark.parametrize("value", ["env:RINGBACK_SECRET_A", "env:_a1", "file:openai.key", "file:a-b_c.1"])
async def test_a_reference_is_kept_and_served_unresolved(ops: httpx.AsyncClient, value: str) -> None:
    config = {"token": value, "max_tokens": 5, "tokens": "none"}

    made = await ops.post(ROOT, json={**UPPER, "config": config})

    assert (made.status_code, made.json()["config"]) == (201, config)


@pytest.mark.contract("router S-4, F-24")
async def test_a_credential_is_in_no_answer_no_log_no_audit_and_no_event(ops: httpx.AsyncClient, world: World) -> None:
    with capture_logs() as lines:
        refused = await ops.post(ROOT, json={**UPPER, "config": {"x": {"Authorization": PLANTED}}})
        reference = {"a": [{"X-API-Key": "env:RINGBACK_SECRET_A"}], "max_tokens": 5}
        made = await ops.post(ROOT, json={**UPPER, "config": reference})
        await ops.patch(f"{ROOT}/upper", json={"config": {"a": [{"X-API-Key": "env:RINGBACK_SECRET_B"}]}})
        await ops.delete(f"{ROOT}/upper")

    assert (refused.status_code, made.status_code) == (400, 201)
    assert PLANTED not in refused.text
    audit = world.sql("SELECT old_values, new_values FROM extension_audit_log WHERE extension_id = 'upper'")
    events = [payload for kind, payload in world.events() if kind.startswith("extension_")][6:]
    assert (len(audit), len(events)) == (3, 3)
    shown = (await (await client(world, "auditor", of_customer=False)).get("/v1.0/router/audit")).text
    for text in (str(lines), str(audit), str(events), shown):
        assert (PLANTED in text, "RINGBACK_SECRET" in text) == (False, False)
    for text in (str(audit), str(events), shown):
        assert ("[REDACTED]" in text, "max_tokens" in text) == (True, True)


@pytest.mark.contract("router S-10, F-7")
@pytest.mark.parametrize(
    "subject",
    [
        "$SRV.PING", "$JS.API.INFO", "_INBOX.abc", "beamline.router.v1.admin.dry_run_pipeline",
        "beamline.extensions.events.extension_created", "beamline.ext.pre.*.v1", "beamline.ext.pre.>", ">",
        "beamline.ext.pre..v1", "beamline.ext.pre.a b.v1", "beamline.ext.pre.upper.v1\n", "beamline.ext.pre.upper.v1 ",
        "BEAMLINE.ext.pre.upper.v1", "beamline.ext.pre.upper", "beamline.ext.pre.upper.v0", "",
    ],
)  # fmt: skip
async def test_no_extension_listens_where_the_router_does(ops: httpx.AsyncClient, world: World, subject: str) -> None:
    before = world.everything()
    for answer in (
        await ops.post(ROOT, json={**UPPER, "subject": subject}),
        await ops.put(f"{ROOT}/normalize_text", json={"subject": subject, "share_subject": True}),
        await ops.patch(f"{ROOT}/normalize_text", json={"subject": subject}),
    ):
        assert (refusal(answer), rules(answer)) == ((400, "VALIDATION_FAILED"), {("subject", "subject_grammar")})
    assert world.everything() == before

    world.sql("UPDATE extensions SET subject = ? WHERE id = 'normalize_text'", subject)
    done = (await ops.post("/v1.0/router/registry:reload")).json()
    assert [one["id"] for one in done["rejected"]] == ["normalize_text"]
    assert world.ringback.router.registry.lookup("normalize_text").subject == "beamline.ext.pre.normalize_text.v1"


@pytest.mark.contract("router F-27, S-6")
async def test_no_address_of_a_record_is_ever_opened(ops: httpx.AsyncClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        at = f"http://127.0.0.1:{listening.getsockname()[1]}/health"
        addresses = {"health_endpoint": at, "docs_url": at, "url": at}
        for answer in (
            await ops.post(ROOT, json={**UPPER, "metadata": addresses, "config": {"endpoint": at, "base_url": at}}),
            await ops.patch(f"{ROOT}/upper", json={"metadata": {"health_endpoint": f"{at}/new"}}),
            await ops.post(f"{ROOT}/upper/disable"),
            await ops.post(f"{ROOT}/upper/enable"),
            await ops.get(f"{ROOT}/upper/health"),
            await ops.post("/v1.0/router/registry:reload"),
            await ops.delete(f"{ROOT}/upper"),
        ):
            assert answer.is_success

        with pytest.raises(BlockingIOError):
            listening.accept()
