"""Requests that nobody would write by hand: Schemathesis tries the description against the gateway."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from ringback.api.repeat import HEADER, KEY
from ringback.customers import service as customers
from ringback.customers.wire import NewCustomer
from ringback.routes import REST, ROUTER_REST
from tests.world import World

JUDGED_AS_A_WHOLE = ("put_trunk", "patch_trunk")
OTHERWISE_JUDGED = (
    "create_accesskey", "create_person", "patch_person", "login", "create_customer", "put_customer", "patch_customer",
    "create_extension_setup_link", "list_audit", "list_calls"
)  # fmt: skip
"""By for whom it is, how often it has failed, whether a whole number has a point, or a time is too long ago."""
OF_ANOTHER = ("delete_customer", "freeze_customer", "recover_customer")
"""What ends a customer, who is of no use to the other operations then."""
FILES = ("import_extensions", "import_trunks")


@schemathesis.serializer("text/csv", "application/x-ndjson")
def as_it_is(context: Any, value: Any) -> bytes:
    """A file is the text that it is."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


def checks_of(name: str) -> dict[str, Any]:
    """What an operation is not held to."""
    found: dict[str, Any] = {
        "positive_data_acceptance": {"expected-statuses": ["2xx", 304, 400, 401, 403, 404, 409, 429]}
    }
    if name not in JUDGED_AS_A_WHOLE:
        found["use_after_free"] = {"enabled": False}  # a deleted one has a history, and can be restored
    if name in FILES:
        found["negative_data_rejection"] = {"enabled": False}  # each fault is told by its line, where it was asked for
    return found


SETTINGS: dict[str, Any] = {
    "seed": 1,
    "generation": {"max-examples": 3, "deterministic": True, "database": "none"},
    "operations": [
        {"include-operation-id": name, "checks": checks_of(name)}
        for name in sorted(
            {*JUDGED_AS_A_WHOLE, *OTHERWISE_JUDGED, *FILES, *(route.about["name"] for route in ROUTER_REST)}
        )
    ],
}
"""All of its checks and phases (examples, coverage, fuzzing, stateful), the same requests at each run of the same code:
Hypothesis tries what it reads in the modules that are loaded, too.

A change of a trunk is judged by what the trunk is afterwards (registrar 6), what is asked of the router by rules that
each have a name (router 3), a whole number with a point among them, a file by its rows: no schema can say that.
"""


def another(world: World) -> str:
    """A further customer, who may end."""
    new = NewCustomer(name="Another", email="ops@another.example")
    return str(asyncio.run(world.ringback.work.write(lambda uow: customers.create(uow, new))).id)


def run(world: World) -> Iterator[events.EngineEvent]:
    """What happens while the whole description is tried with the operator's key, for one customer.

    With a customer's own key most requests would end at 403, since `customer_id` is among the parameters.
    """
    world.sql("DELETE FROM extensions")  # the initial ones: it would try to change those that it has deleted
    assert asyncio.run(world.ringback.router.loader.reload()).ok
    world.ringback.gateway.end_streams()
    key = asyncio.run(world.key(None))
    asyncio.run(world.name())
    ended = [{"include-operation-id": name, "parameters": {"customer_id": another(world)}} for name in OF_ANOTHER]
    settings: dict[str, Any] = {
        **SETTINGS,
        "operations": [*SETTINGS["operations"], *ended],
        "parameters": {"customer_id": str(world.customer)},
    }
    config = SchemathesisConfig.from_dict(settings)
    schema = schemathesis.openapi.from_asgi("/openapi.json", world.ringback.gateway, config=config)

    numbers = count()

    @schema.auth()
    class Key:
        """Not a header of the session: the transport would send that one also where a check leaves the key out."""

        def get(self, case: Any, context: Any) -> str:
            return key

        def set(self, case: Any, data: str, context: Any) -> None:
            """An idempotency key that is one becomes the request's own: all would be one and the same otherwise."""
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}
            if re.fullmatch(KEY, str(case.headers.get(HEADER, ""))):
                case.headers[HEADER] = f"order-{next(numbers)}"

    yield from from_schema(schema).execute()


OUT_OF_REACH = {
    "change_own_password",
    "delete_extension_contact",
    "delete_extension_setup_link",
    "dry_run_pipeline",
    "end_own_session",
    "end_person_session",
    "get_call",
    "login",
    "open_setup_link",
    "open_setup_link_by_hand",
    "put_customer_domain",
    "refresh",
    "run_pipeline",
}
"""Operations that need what nobody can guess: a password, a token, a policy, a phone that has registered or called."""


@dataclass
class Look:
    """What was found, what of that was 503, which phases ended how, what each operation answered."""

    found: list[str] = field(default_factory=list)
    away: int = 0
    cases: int = 0
    phases: set[tuple[str, str]] = field(default_factory=set)
    answers: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


def look(world: World) -> Look:
    seen = Look()
    for event in run(world):
        assert not isinstance(event, events.FatalError | events.NonFatalError), event
        if isinstance(event, events.PhaseFinished):
            seen.phases.add((event.phase.name.value, event.status.value))
        if isinstance(event, events.ScenarioFinished):
            seen.cases += len(event.recorder.cases)
            for id, exchange in event.recorder.interactions.items():
                if exchange.response:
                    operation = event.recorder.cases[id].value.operation
                    seen.answers[operation.definition.raw["operationId"]].add(exchange.response.status_code)
            for id, checks in event.recorder.checks.items():
                failures = [check.failure_info for check in checks if check.failure_info]
                seen.found += [f"{info.failure}\n{info.code_sample}" for info in failures]
                answer = event.recorder.interactions[id].response
                seen.away += len(failures) if answer and answer.status_code == 503 else 0
    return seen


@pytest.mark.long
@pytest.mark.sqlite
def test_schemathesis_finds_nothing(make_world: Any) -> None:
    seen = look(make_world())
    if seen.found and len(seen.found) == seen.away:  # the machine stood still for longer than a request may take
        seen = look(make_world())

    assert not seen.found, "\n\n".join(seen.found)
    assert seen.phases >= {(name, "success") for name in ("examples", "coverage", "fuzzing", "stateful")}
    assert len(seen.answers) == len(list(REST))
    assert seen.cases > 200
    refused = {name for name, codes in seen.answers.items() if not codes & {200, 201}}
    assert refused <= OUT_OF_REACH, dict(seen.answers)
