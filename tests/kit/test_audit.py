"""What an entry of the audit log is made of: what was before and after, and nothing that is a secret."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from ringback.kit.audit import change
from ringback.kit.secret import Secret

ID, OWNER = uuid4(), uuid4()
THING = {"id": ID, "customer_id": OWNER, "name": "a", "tm_update": None}


@dataclass(frozen=True, slots=True)
class Account:
    """Something with a secret in it."""

    id: UUID
    customer_id: UUID | None
    password: Secret | None
    seen: datetime | None = None


def test_made_changed_and_ended() -> None:
    made, changed, ended = change("thing", None, THING), change("thing", THING, {**THING, "name": "b"}), change(
        "thing", THING, None
    )  # fmt: skip

    assert made
    assert changed
    assert ended
    assert (made.action, made.old, made.new, made.changed) == ("created", None, {"name": "a", "tm_update": None}, ())
    assert (changed.action, changed.changed) == ("updated", ("name",))
    assert (changed.old, changed.new) == ({"name": "a", "tm_update": None}, {"name": "b", "tm_update": None})
    assert (ended.action, ended.old, ended.new) == ("deleted", {"name": "a", "tm_update": None}, None)
    assert {(one.kind, one.object_id, one.owner_id) for one in (made, changed, ended)} == {("thing", ID, OWNER)}


def test_what_is_the_same_is_no_change_also_when_it_was_touched() -> None:
    assert change("thing", THING, THING) is None
    assert change("thing", THING, {**THING, "tm_update": datetime(2026, 1, 1, tzinfo=UTC)}) is None


def test_an_action_may_have_a_word_of_its_own() -> None:
    named = change("thing", THING, {**THING, "name": "b"}, "renamed")

    assert named
    assert (named.action, named.changed) == ("renamed", ("name",))


def test_whose_it_is() -> None:
    platforms = change("account", None, Account(ID, None, None))
    theirs = change("customer", None, {"id": ID})
    realm = change("realm", None, {"customer_id": OWNER, "label": "acme"})

    assert platforms
    assert theirs
    assert realm
    assert [(one.object_id, one.owner_id) for one in (platforms, theirs, realm)] == [
        (ID, None),
        (ID, ID),
        (OWNER, OWNER),
    ]


def test_a_secret_is_hidden_and_its_change_is_seen() -> None:
    found = change("account", Account(ID, None, Secret("Planted-0001")), Account(ID, None, Secret("Planted-0002")))

    assert found
    assert found.changed == ("password",)
    assert (found.old, found.new) == (
        {"password": "[REDACTED]", "seen": None},
        {"password": "[REDACTED]", "seen": None},
    )


@pytest.mark.parametrize(
    "value", [{"ha1": {"md5": "Planted"}}, {"token_hash": "Planted"}, {"more": {"api_key": "Planted"}},
              {"more": [{"password": "Planted"}]}, {"direct_hash": "Planted"}, {"note": "rb_" + "Planted" * 5}]
)  # fmt: skip
def test_no_secret_at_any_depth(value: dict[str, Any]) -> None:
    found = change("thing", None, {**THING, **value})

    assert found
    assert "Planted" not in repr(found)
    assert "[REDACTED]" in repr(found)


@pytest.mark.parametrize("nothing", [None, "", {"ha1": None, "password": ""}])
def test_a_secret_that_is_not_there_is_null(nothing: Any) -> None:
    found = change("thing", None, {**THING, "password": nothing})

    assert found
    assert found.new
    assert found.new["password"] is None
