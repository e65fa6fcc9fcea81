"""Who may do what, by the table alone: each role has the rights that are written here, and no other."""

import pytest

from ringback.customers.rights import OF_CUSTOMERS, PLATFORM, RIGHTS, RUN, SCOPES, Right, may, require, scope_of
from ringback.kit.errors import PermissionDenied

ALLOWED: dict[str, set[Right]] = {
    "viewer": {"read phones", "read extensions"},
    "manager": {"read phones", "write phones", "read extensions", "write policies", "run a pipeline"},
    "operator": set(RIGHTS) - {"know oneself"},
    "auditor": {"read phones", "read extensions", "read the audit", "read changes"},
    "stranger": set(),
}
ALLOWED["admin"] = ALLOWED["manager"] | {"keep the account", "manage access", "read changes"}

pytestmark = pytest.mark.contract("router R-11a, X-28")


@pytest.mark.parametrize("role", ALLOWED)
def test_a_role_has_its_rights_and_no_other(role: str) -> None:
    assert {right for right in RIGHTS if may({role}, right)} == ALLOWED[role] | {"know oneself"}
    for right in RIGHTS:
        if may({role}, right):
            require({role}, right)
        else:
            with pytest.raises(PermissionDenied):
                require({role}, right)


def test_several_roles_have_the_rights_of_each_and_none_has_but_what_everybody_has() -> None:
    both = {right for right in RIGHTS if may({"viewer", "auditor"}, right)}

    assert both == ALLOWED["viewer"] | ALLOWED["auditor"] | {"know oneself"}
    assert {right for right in RIGHTS if may(set(), right)} == {"know oneself"}


@pytest.mark.parametrize("role", ALLOWED)
def test_scopes_take_rights_away_and_give_none_but_the_one_to_run_pipelines(role: str) -> None:
    for right in RIGHTS:
        alone = {scope_of(right)}
        expected = (ALLOWED[role] & {right}) | {"know oneself"} | ({"run a pipeline"} if alone == {RUN} else set())
        assert {one for one in RIGHTS if may({role}, one, alone)} == expected
    assert {one for one in RIGHTS if may({role}, one, set())} == {"know oneself"}


def test_roles_and_scopes_are_those_that_are_written_here() -> None:
    assert set(PLATFORM) == {"operator", "auditor", "viewer"}
    assert set(OF_CUSTOMERS) == {"admin", "manager", "viewer", "auditor"}
    assert {scope_of(right) for right in RIGHTS if right != "know oneself"} == set(SCOPES)
