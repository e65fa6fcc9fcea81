"""What an import makes: extensions or trunks, each by the service that makes single ones."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.networks import canonical
from ringback.kit.rows import Cell
from ringback.kit.secret import Secret
from ringback.registrar.billing import Kind
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.model import Extension
from ringback.registrar.extensions.wire import ChangeExtension, NewExtension
from ringback.registrar.trunks import service as trunks
from ringback.registrar.trunks.model import Trunk
from ringback.registrar.trunks.wire import ChangeTrunk, NewTrunk
from ringback.registrar.work import Uow
from ringback.sip import names
from ringback.sip.digest import Kept

FLAGS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Rows(Protocol):
    """How rows of one kind are read, compared with what there is, and done."""

    @property
    def kind(self) -> Kind: ...

    @property
    def key(self) -> str:
        """The field that names one."""

    @property
    def shape(self) -> type[Any]: ...

    @property
    def change_shape(self) -> type[Any]: ...

    @property
    def cells(self) -> Mapping[str, Cell]:
        """Column → what its text says."""

    def unique(self, asked: Any) -> dict[str, str]:
        """Field → what no two rows may have in common."""

    async def there(self, uow: Uow, customer_id: UUID, some: list[Any]) -> "list[There]":
        """What is there already at the place of each of some."""

    def differing(self, asked: Any, there: Any) -> list[str]:
        """Fields that are given, and not as they are; of the password one says so with `kept`."""

    def needs_password(self, asked: Any) -> bool: ...

    def change(self, asked: Any, there: Any, uow: Uow) -> Any:
        """What makes it so; `ValidationFailed` where nothing can."""

    def kept(self, asked: Any, password: Secret, realm: str, uow: Uow, there: Any = None) -> Kept:
        """What is kept of a password: in that realm, or as it is there if it is that one already."""

    def service(self) -> Any:
        """The module with `create_all`, `change`, `delete` and `count`."""


class There:
    """What stands where a row wants to be: `same` under its key, or faults where it is in another's way."""

    def __init__(self, same: Any = None, faults: Iterable[Fault] = ()) -> None:
        self.same = same
        self.faults = tuple(faults)


def _trimmed(text: str) -> str | None:
    return text.strip() or None


def _as_it_is(text: str) -> str:
    return text


def _flag(text: str) -> object:
    """What is none stays text, and is refused by the rule of the field."""
    return FLAGS.get(text.strip().lower(), _trimmed(text))


def _items(text: str) -> list[str] | None:
    return [item for item in re.split(r"[\s,;|]+", text) if item] or None


COMMON: Final[Mapping[str, Cell]] = {
    "username": _trimmed,
    "password": _as_it_is,
    "name": _as_it_is,
    "detail": _as_it_is,
}


def _differing(asked: Any, there: Any) -> list[str]:
    """Fields that both kinds have."""
    given = {name: getattr(asked, name) for name in COMMON if name != "password"}
    return [name for name, value in given.items() if value is not None and value != getattr(there, name)]


def _kept(username: str, password: Secret, realm: str, uow: Uow, there: Extension | Trunk | None) -> Kept:
    return (there.kept if there else Kept()).renewed(username, realm, password, uow.settings.secret_storage)


class Extensions:
    """Rows of extensions; the number is the key."""

    kind: Final[Kind] = "extension"
    key = "extension"
    shape = NewExtension
    change_shape = ChangeExtension
    cells: Final[Mapping[str, Cell]] = {
        "extension": _trimmed,
        **COMMON,
        "direct": _flag,
    }

    def unique(self, asked: NewExtension) -> dict[str, str]:
        return {"extension": asked.extension.lower(), "username": (asked.username or asked.extension).lower()}

    async def there(self, uow: Uow, customer_id: UUID, some: list[NewExtension]) -> list[There]:
        wanted = [self.unique(asked) for asked in some]
        numbers, usernames = ([one[field] for one in wanted] for field in ("extension", "username"))
        found = await extensions.at_numbers(uow, customer_id, numbers, usernames)
        at_number = {one.number.lower(): one for one in found}
        at_username = {one.username.lower(): one for one in found}
        return [
            There(same)
            if (same := at_number.get(one["extension"]))
            else There(faults=[Fault("username", "is another extension's")] if one["username"] in at_username else ())
            for one in wanted
        ]

    def differing(self, asked: NewExtension, there: Extension) -> list[str]:
        is_other = asked.direct is not None and asked.direct != bool(there.direct)
        return [*_differing(asked, there), *(["direct"] if is_other else [])]

    def needs_password(self, asked: NewExtension) -> bool:
        return asked.password is None

    def change(self, asked: NewExtension, there: Extension, uow: Uow) -> ChangeExtension:
        if asked.username not in (None, there.username):
            raise ValidationFailed(username="cannot change")
        return ChangeExtension(name=asked.name, detail=asked.detail, password=asked.password, direct=asked.direct)

    def kept(self, asked: NewExtension, password: Secret, realm: str, uow: Uow, there: Extension | None = None) -> Kept:
        username = there.username if there else asked.username or asked.extension
        return _kept(username, password, realm, uow, there)

    def service(self) -> Any:
        return extensions


class Trunks:
    """Rows of trunks; the domain name is the key, of all customers together."""

    kind: Final[Kind] = "trunk"
    key = "domain_name"
    shape = NewTrunk
    change_shape = ChangeTrunk
    cells: Final[Mapping[str, Cell]] = {
        "domain_name": _trimmed,
        "auth_types": _items,
        "allowed_ips": _items,
        "outbound": _flag,
        **COMMON,
    }

    def unique(self, asked: NewTrunk) -> dict[str, str]:
        return {"domain_name": asked.domain_name.lower(), **({"outbound": "true"} if asked.outbound else {})}

    async def there(self, uow: Uow, customer_id: UUID, some: list[NewTrunk]) -> list[There]:
        found = await trunks.at_domains(uow, [asked.domain_name.lower() for asked in some])
        by_name = {one.domain_name.lower(): one for one in found}
        at = [by_name.get(asked.domain_name.lower()) for asked in some]
        out = await trunks.way_out(uow, customer_id)
        return [There(one, self._in_the_way(asked, one, customer_id, out)) for asked, one in zip(some, at, strict=True)]

    def _in_the_way(
        self, asked: NewTrunk, there: Trunk | None, customer_id: UUID, out: Trunk | None
    ) -> Iterator[Fault]:
        if there is not None and there.customer_id != customer_id:
            yield Fault(self.key, "is taken")
        elif asked.outbound and out is not None and (there is None or there.id != out.id):
            yield Fault("outbound", f"is {out.domain_name}'s already")

    def differing(self, asked: NewTrunk, there: Trunk) -> list[str]:
        found = _differing(asked, there)
        if set(asked.auth_types) != set(there.auth_types):
            found.append("auth_types")
        if asked.allowed_ips is not None and {canonical(text) for text in asked.allowed_ips} != set(there.allowed_ips):
            found.append("allowed_ips")
        if asked.outbound is not None and asked.outbound != there.outbound:
            found.append("outbound")
        return found

    def needs_password(self, asked: NewTrunk) -> bool:
        return asked.password is None and "basic" in asked.auth_types

    def change(self, asked: NewTrunk, there: Trunk, uow: Uow) -> ChangeTrunk:
        change = ChangeTrunk(
            **{name: getattr(asked, name) for name in ChangeTrunk.__struct_fields__ if name in self.cells}
        )
        _, made = trunks.changed(there, change, uow.settings.secret_storage)
        return msgspec.structs.replace(change, password=made) if made else change

    def kept(self, asked: NewTrunk, password: Secret, realm: str, uow: Uow, there: Trunk | None = None) -> Kept:
        username = asked.username or (there.username if there else "")
        realm = realm or names.realm_of(asked.domain_name.lower(), uow.settings.domain_name_trunk)
        return _kept(username, password, realm, uow, there)

    def service(self) -> Any:
        return trunks


KINDS: Final[dict[str, Rows]] = {"extension": Extensions(), "trunk": Trunks()}
