"""`?wait=applied` on changes of extensions: the answer says which Asterisk may still remember the phone as it was."""

import httpx
import pytest

from tests.world import MakeWorld, World

AT = "127.0.0.1:9"
"""Where nobody answers."""


async def test_without_asterisks_to_tell_a_change_is_applied_at_once(http: httpx.AsyncClient, world: World) -> None:
    made = await world.create()
    path = f"/v1.0/extensions/{made['id']}"

    waited = (await http.patch(f"{path}?wait=applied", json={"name": "x"})).json()
    assert waited["applied"] == {"asterisks": 0, "pending": []}
    assert "applied" not in (await http.patch(path, json={"name": "y"})).json()
    await http.patch(path, json={"direct": True})
    regenerated = (await http.post(f"{path}/direct-hash-regenerate?wait=applied")).json()
    assert regenerated["applied"] == waited["applied"]
    assert (await http.delete(f"{path}?wait=applied&timeout_ms=1")).json()["applied"] == waited["applied"]


@pytest.mark.parametrize("query", ["wait=soon", "wait=applied&timeout_ms=0", "timeout_ms=10001"])
async def test_a_wait_that_makes_no_sense_is_refused(http: httpx.AsyncClient, world: World, query: str) -> None:
    made = await world.create()

    assert (await http.patch(f"/v1.0/extensions/{made['id']}?{query}", json={"name": "x"})).status_code == 400


async def test_an_asterisk_that_is_away_is_named_and_the_change_stays(make_world: MakeWorld) -> None:
    world = make_world(asterisk_ami=f"ami://ringback:Sample-Pass-0001@{AT}")
    made = await world.create()
    async with await world.http() as http:
        path = f"/v1.0/extensions/{made['id']}"
        waits = f"{path}?wait=applied&timeout_ms=1"
        answer = await http.patch(waits, json={"password": "Another-Pass-0002"})

        assert (answer.status_code, answer.json()["applied"]) == (200, {"asterisks": 1, "pending": [AT]})
        assert (await http.patch(waits, json={"name": "x"})).json()["applied"]["pending"] == []
