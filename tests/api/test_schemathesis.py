"""Requests that nobody would write by hand: Schemathesis tries the description against the gateway."""

import asyncio
from collections.abc import Iterator
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.world import World

SETTINGS = {
    "seed": 1,
    "generation": {"max-examples": 5, "deterministic": True, "database": "none"},
}
"""All of its checks and phases (examples, coverage, fuzzing, stateful), the same requests at each run."""


def run(world: World) -> Iterator[events.EngineEvent]:
    """What happens while the whole description is tried with a customer's key."""
    key = asyncio.run(world.key(world.customer))
    asyncio.run(world.create("1001"))
    config = SchemathesisConfig.from_dict(SETTINGS)
    schema = schemathesis.openapi.from_asgi("/openapi.json", world.ringback.gateway, config=config)

    @schema.auth()
    class Key:
        """Not a header of the session: the transport would send that one also where a check leaves the key out."""

        def get(self, case: Any, context: Any) -> str:
            return key

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}

    yield from from_schema(schema).execute()


def test_schemathesis_finds_nothing(make_world: Any) -> None:
    found: list[str] = []
    cases = 0
    phases = set()
    for event in run(make_world()):
        assert not isinstance(event, events.FatalError | events.NonFatalError), event
        if isinstance(event, events.PhaseFinished):
            phases.add((event.phase.name.value, event.status.value))
        if isinstance(event, events.ScenarioFinished):
            cases += len(event.recorder.cases)
            for checks in event.recorder.checks.values():
                failures = [check.failure_info for check in checks if check.failure_info]
                found += [f"{info.failure}\n{info.code_sample}" for info in failures]

    assert found == []
    assert phases >= {(name, "success") for name in ("examples", "coverage", "fuzzing", "stateful")}
    assert cases > 200
