"""Policies that have come or gone between the moment when Asterisk has read of them and its question."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from ringback.kit.bus import Letter
from ringback.kit.errors import DatabaseUnavailable
from ringback.router.invoking.invoker import Invoker
from ringback.router.pipelines.running import Pipelines
from ringback.router.pipelines.screening import Passed, Question, Rejected, screen
from ringback.router.policies import service, wire
from ringback.router.policies.model import PolicyNotFound
from ringback.transports.memory import MemoryServices
from tests.router.conftest import Node
from tests.router.pipelines.stand import CUSTOMER, STRANGER

pytestmark = pytest.mark.contract("router P-6")

BLOCKING = {"validators": [{"id": "pii_guard"}]}
QUESTION = Question(
    customer_id=CUSTOMER,
    policy_id="calls",
    extension_id=UUID("7a7f9e2c-98aa-44cf-8d1e-2f1a3a5d8f55"),
    deadline_ms=500,
    caller="4930",
)


@pytest.fixture
async def node(node: Node) -> Node:
    """It answers Asterisk; its validator rejects whoever calls."""

    async def rejects(letter: Letter) -> Letter:
        return Letter(b'{"status": "reject"}')

    services = MemoryServices()
    await services.serve("pii_guard", "beamline.ext.validate.pii_guard.v1", rejects)
    node.registry.pipelines = Pipelines(node.registry, Invoker(services))
    return node


async def declare(node: Node, id: str = "calls", customer: UUID = CUSTOMER, **more: Any) -> None:
    asked = wire.NewRouterPolicy(policy_id=id, document=BLOCKING, **{"purpose": "direct_call", **more})
    await node.do(lambda uow: service.create(uow, customer, asked))


async def end(node: Node) -> None:
    await node.do(lambda uow: service.delete(uow, CUSTOMER, "calls"))


async def disable(node: Node) -> None:
    change = wire.ChangeRouterPolicy(enabled=False)
    await node.do(lambda uow: service.update(uow, CUSTOMER, "calls", change))


@pytest.mark.parametrize("go", [end, disable])
async def test_a_call_passes_when_its_policy_has_gone_meanwhile(node: Node, go: Callable[..., Any]) -> None:
    await declare(node)
    await declare(node, customer=STRANGER)
    with pytest.raises(Rejected):
        await screen(node.registry, node.work, QUESTION)

    await go(node)

    assert await screen(node.registry, node.work, QUESTION) == Passed()


async def test_a_call_goes_through_the_policy_that_stands_in_the_place_of_one_that_has_gone(node: Node) -> None:
    await declare(node)
    await end(node)
    await declare(node, "calls.new")

    with pytest.raises(Rejected):
        await screen(node.registry, node.work, QUESTION)


@pytest.mark.parametrize("is_screened", [True, False])
async def test_a_policy_that_is_not_for_calls_is_not_run_for_one(node: Node, *, is_screened: bool) -> None:
    await declare(node, "calls" if not is_screened else "other", purpose=None)
    if is_screened:
        await declare(node)
        with pytest.raises(Rejected):
            await screen(node.registry, node.work, replace(QUESTION, policy_id="other"))
    else:
        assert await screen(node.registry, node.work, QUESTION) == Passed()


async def test_a_policy_that_another_node_has_made_just_now_is_run(node: Node, make_node: Callable[[], Node]) -> None:
    other = make_node()
    await other.loader.reload()
    await declare(other)
    assert node.registry.snapshot.policies == {}

    with pytest.raises(Rejected):
        await screen(node.registry, node.work, QUESTION)


async def test_whether_a_policy_has_gone_is_unknown_while_the_database_is_away(node: Node) -> None:
    await declare(node)
    await end(node)
    node.fail_from(0)

    with pytest.raises(DatabaseUnavailable):
        await screen(node.registry, node.work, QUESTION)


async def test_a_policy_that_cannot_be_served_lets_nobody_pass(node: Node, make_node: Callable[[], Node]) -> None:
    await declare(node)
    node.sql("UPDATE router_policies SET document = '{}', policy_id = 'not an id'")
    fresh = make_node()
    fresh.registry.pipelines = Pipelines(fresh.registry, Invoker(MemoryServices()))
    await fresh.loader.reload()
    assert (len(fresh.loader.rejected), fresh.registry.snapshot.policies) == (1, {})

    with pytest.raises(PolicyNotFound):
        await screen(fresh.registry, fresh.work, QUESTION)


async def test_a_policy_that_is_there_costs_no_statement(node: Node) -> None:
    await declare(node)
    node.fail_from(0)

    with pytest.raises(Rejected):
        await screen(node.registry, node.work, QUESTION)
