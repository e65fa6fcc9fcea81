"""What has to change so that a customer has what a file wants: pure, and every fault of it at once."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ringback.kit.errors import Fault
from ringback.kit.networks import canonical
from ringback.registrar.extensions.model import Extension
from ringback.registrar.plans.model import GENERATE, Change, FieldChange, Kind, State, changed_at, fields_of
from ringback.registrar.plans.wire import ExtensionInFile, Item, TrunkInFile, Wanted
from ringback.registrar.trunks.model import Trunk, lacking


@dataclass(slots=True)
class Compared:
    """The changes in the order in which they are done: what goes makes room for what comes."""

    deletes: list[Change] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    creates: list[Change] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def all(self) -> tuple[Change, ...]:
        return (*self.deletes, *self.changes, *self.creates)

    def unnamed(self, kind: Kind, one: Extension | Trunk, key: str, *, prune: bool) -> None:
        """What the file does not name goes only where that was asked for."""
        if not prune:
            self.kept.append(f"{kind} {key}")
            return
        gone = tuple(FieldChange(name, value, None) for name, value in fields_of(one).items())
        self.deletes.append(Change("delete", kind, key, one.id, gone, changed_at(one)))

    def changed(self, kind: Kind, one: Extension | Trunk, key: str, fields: Iterable[FieldChange]) -> None:
        if found := tuple(fields):
            self.changes.append(Change("change", kind, key, one.id, found, changed_at(one)))

    def created(self, kind: Kind, key: str, values: Mapping[str, Any]) -> None:
        fields = (FieldChange(name, None, value) for name, value in values.items() if value is not None)
        self.creates.append(Change("create", kind, key, fields=tuple(fields)))


def compare(state: State, wanted: Wanted, *, prune: bool) -> Compared:
    """The difference; a kind of objects of which the file says nothing is left alone."""
    compared = Compared()
    if wanted.extensions is not None:
        _extensions(compared, state, wanted.extensions, wanted, prune=prune)
    if wanted.trunks is not None:
        _trunks(compared, state, wanted.trunks, wanted, prune=prune)
    compared.changes.sort(key=_becomes_the_way_out)  # another may have to cease to be it first
    return compared


def _becomes_the_way_out(change: Change) -> bool:
    return any(one.field == "outbound" and one.new for one in change.fields)


def _extensions(
    compared: Compared, state: State, items: Collection[Item[ExtensionInFile]], wanted: Wanted, *, prune: bool
) -> None:
    named = {item.asked.extension.lower() for item in items}
    stays = {key: one for key, one in state.extensions.items() if key in named or not prune}
    names = {one.username.lower(): key for key, one in stays.items()}
    for key, one in state.extensions.items():
        if key not in named:
            compared.unnamed("extension", one, one.number, prune=prune)
    for item in items:
        asked, key = item.asked, item.asked.extension.lower()
        if current := state.extensions.get(key):
            compared.faults += _fixed(item, current)
            compared.changed("extension", current, current.number, _of_extension(asked, current, wanted))
            continue
        username = asked.username or asked.extension
        if (other := names.setdefault(username.lower(), key)) != key:
            compared.faults.append(Fault(f"{item.path}.username", f"is that of extension {other}"))
        values = {"extension": asked.extension, "username": username, **asked.given()}
        compared.created("extension", asked.extension, {**values, "password": asked.password or GENERATE})


def _fixed(item: Item[ExtensionInFile], current: Extension) -> Iterator[Fault]:
    if item.asked.username not in (None, current.username):
        yield Fault(f"{item.path}.username", f"cannot change: it is {current.username}")


def _of_extension(asked: ExtensionInFile, current: Extension, wanted: Wanted) -> Iterator[FieldChange]:
    now = fields_of(current)
    for name in ("name", "detail", "direct"):
        value = getattr(asked, name)
        if value is not None and value != now[name]:
            yield FieldChange(name, now[name], value)
    secret = wanted.secrets.get(asked.password or "")
    if secret and current.kept.renewed(current.username, current.realm, secret, "digest") is not current.kept:
        yield FieldChange("password", None, asked.password)


def _trunks(
    compared: Compared, state: State, items: Collection[Item[TrunkInFile]], wanted: Wanted, *, prune: bool
) -> None:
    named = {item.asked.domain_name.lower() for item in items}
    for key, one in state.trunks.items():
        if key not in named:
            compared.unnamed("trunk", one, one.domain_name, prune=prune)
    for item in items:
        asked, key = item.asked, item.asked.domain_name.lower()
        values = _values(asked)
        current = state.trunks.get(key)
        whole = {**(fields_of(current) if current else {"username": "", "allowed_ips": []}), **values}
        given = asked.password in wanted.secrets
        faults = lacking(whole["auth_types"], whole["username"], whole["allowed_ips"], password=given)
        compared.faults += (Fault(f"{item.path}.{fault.field}", fault.description) for fault in faults)
        if current:
            compared.faults += _renamed(item, current, whole["username"])
            compared.changed("trunk", current, current.domain_name, _of_trunk(asked, current, values, whole, wanted))
            continue
        source = asked.password or (GENERATE if "basic" in whole["auth_types"] else None)
        compared.created("trunk", key, {"domain_name": key, **values, "password": source})


def _values(asked: TrunkInFile) -> dict[str, Any]:
    """What the file says of a trunk, as it would be kept."""
    values = {name: value for name, value in asked.given().items() if name not in ("domain_name", "password")}
    values["auth_types"] = list(dict.fromkeys(asked.auth_types))
    if asked.allowed_ips is not None:
        values["allowed_ips"] = list(dict.fromkeys(map(canonical, asked.allowed_ips)))
    return values


def _renamed(item: Item[TrunkInFile], current: Trunk, username: str) -> Iterator[Fault]:
    if username not in ("", current.username) and current.kept.ha1 and not item.asked.password:
        yield Fault(f"{item.path}.password", "is required with a new username, or generate: the digest holds both")


def _of_trunk(
    asked: TrunkInFile, current: Trunk, values: Mapping[str, Any], whole: Mapping[str, Any], wanted: Wanted
) -> Iterator[FieldChange]:
    now = fields_of(current)
    for name, value in values.items():
        if (set(value) != set(now[name])) if isinstance(value, list) else value != now[name]:
            yield FieldChange(name, now[name], value)
    username = whole["username"]
    if not username:
        return
    if secret := wanted.secrets.get(asked.password or ""):
        if current.kept.renewed(username, current.realm, secret, "digest") is not current.kept:
            yield FieldChange("password", None, asked.password)
    elif (username != current.username and current.kept.ha1) or (
        "basic" in whole["auth_types"] and not current.has_password
    ):
        yield FieldChange("password", None, GENERATE)
