"""A plan: the difference between what is there and what a file wants, and what it says of an apply."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from ringback.kit.errors import FailedPrecondition, InvalidArgument, NotFound
from ringback.kit.secret import Secret
from ringback.registrar.extensions.model import Extension
from ringback.registrar.trunks.model import Trunk

Kind = Literal["extension", "trunk"]
Action = Literal["create", "change", "delete", "restore"]

MOST: Final = 500
"""Changes of one apply: it is one transaction, which on a SQLite file keeps every other writer waiting."""
GENERATE: Final = "generate"
"""In place of a password: make one, where one is needed."""
EXTENSION_FIELDS: Final = ("extension", "username", "name", "detail", "direct")
TRUNK_FIELDS: Final = ("domain_name", "username", "name", "detail", "auth_types", "allowed_ips", "outbound")
INVERSE: Final[Mapping[Action, Action]] = {
    "create": "delete",
    "change": "change",
    "delete": "restore",
    "restore": "delete",
}


class FieldChange(msgspec.Struct, frozen=True):
    """One field, as it was and as it is to be. Of a password it says only where the new one comes from."""

    field: str
    old: Any = None
    new: Any = None


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """What becomes of one object; `before` and `after` are when it was changed, so that nobody's change is lost."""

    action: Action
    kind: Kind
    key: str
    id: UUID | None = None
    fields: tuple[FieldChange, ...] = ()
    before: datetime | None = None
    after: datetime | None = None

    def inverse(self) -> "Change":
        """What takes it back. A password that was replaced is gone: only a trunk's new user name needs one more."""
        fields = [FieldChange(one.field, one.new, one.old) for one in self.fields if one.field != "password"]
        if self.action == "change" and any(one.field == "username" and one.new for one in fields):
            fields.append(FieldChange("password", None, GENERATE))
        return replace_change(self, action=INVERSE[self.action], fields=tuple(fields))

    def wanted(self) -> dict[str, Any]:
        """The new value of each field."""
        return {one.field: one.new for one in self.fields}


def replace_change(change: Change, **fields: Any) -> Change:
    return msgspec.structs.replace(change, **fields)


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is to be done for one customer, from one state of theirs; `kept` is what the file does not name."""

    customer_id: UUID
    fingerprint: str
    changes: tuple[Change, ...]
    kept: tuple[str, ...] = ()
    prune: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What a customer has: live objects by their key, an extension's number or a trunk's domain name in lower case."""

    customer_id: UUID
    extensions: Mapping[str, Extension]
    trunks: Mapping[str, Trunk]

    @property
    def fingerprint(self) -> str:
        """Another one after each change of an object: which there are, what they hold, when they were changed."""
        objects: list[Extension | Trunk] = [*self.extensions.values(), *self.trunks.values()]
        said = [[one.id, changed_at(one), fields_of(one)] for one in objects]
        return sha256(msgspec.json.encode([self.customer_id, said])).hexdigest()

    def at(self, kind: Kind, id: UUID | None) -> Extension | Trunk | None:
        found: Mapping[str, Extension | Trunk] = self.extensions if kind == "extension" else self.trunks
        return next((one for one in found.values() if one.id == id), None)


@dataclass(frozen=True, slots=True)
class Apply:
    """An apply as it is remembered: what it has done, without secrets, and whether it was taken back."""

    id: UUID
    customer_id: UUID
    number: int
    actor: str
    changes: tuple[Change, ...]
    tm_create: datetime
    tm_undo: datetime | None = None


@dataclass(frozen=True, slots=True)
class Password:
    """A password that an apply has made, to be shown once."""

    change: Change
    secret: Secret


@dataclass(frozen=True, slots=True)
class Done:
    """What an apply or an undo has done, and the passwords that it had to make."""

    apply: Apply | None
    changes: tuple[Change, ...] = ()
    passwords: tuple[Password, ...] = field(default=(), repr=False)


def changed_at(one: Extension | Trunk) -> datetime:
    return one.tm_delete or one.tm_update or one.tm_create


def fields_of(one: Extension | Trunk) -> dict[str, Any]:
    """What a file may say of it, but for the password."""
    if isinstance(one, Trunk):
        return {name: _plain(getattr(one, name)) for name in TRUNK_FIELDS}
    said = (one.number, one.username, one.name, one.detail, one.direct is not None)
    return dict(zip(EXTENSION_FIELDS, said, strict=True))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def undone(apply: Apply, now: datetime) -> Apply:
    return replace(apply, tm_undo=now)


class StateMoved(FailedPrecondition):
    """Something of the customer's has changed since the plan was made: plan again."""

    reason = "PLAN_STATE_MOVED"


class OtherPlan(FailedPrecondition):
    """The file does not say what it said when the plan was made: plan again."""

    reason = "PLAN_DIFFERS"


class TooManyChanges(InvalidArgument):
    """That is too much for one apply."""

    reason = "PLAN_TOO_LARGE"


class NothingToUndo(NotFound):
    """The customer has no apply that could be undone."""

    reason = "APPLY_NOT_FOUND"


class ChangedSince(FailedPrecondition):
    """Somebody has changed since what that apply did; --force undoes it all the same."""

    reason = "APPLY_CHANGED_SINCE"
