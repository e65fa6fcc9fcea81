"""Bytes to a typed request, all faults at once: for RPC, REST and the command line."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from ringback.kit.errors import Fault, InvalidJsonBody, ValidationFailed
from ringback.kit.secret import Secret

SHAPES: Final[dict[Any, str]] = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    UUID: "a UUID",
    dict[str, Any]: "an object",
}
MOST: Final = 100
"""Wrong items of one list that are named, and fields that there are not."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request. A shape with rules over several fields overrides `faults_together`."""

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        """Faults between fields; `values` holds those that were given, as `None` where they are wrong by themselves."""
        return ()

    @staticmethod
    def ruled(fault: Fault) -> Fault:
        """The same fault with the name of its rule, for requests whose contract has names for them."""
        return fault

    def given(self) -> dict[str, Any]:
        """The fields that were said; `None` is among them only where null is a value of its own."""
        fields = msgspec.structs.asdict(self).items()
        can_be_null = {field.name for field in fields_of(type(self)) if field.is_nullable}
        return {
            name: value for name, value in fields if value is not UNSET and (value is not None or name in can_be_null)
        }


def not_nil(id: UUID) -> bool:
    return id.int != 0


def rule(description: str, holds: Callable[[Any], bool], **schema: Any) -> msgspec.Meta:
    """A rule that JSON Schema cannot say by itself; `schema` is what of it it can. That of a list sees it unread."""
    return msgspec.Meta(description=description, extra={"holds": holds}, extra_json_schema=schema or None)


Identity = Annotated[UUID, rule("a UUID, not nil", not_nil)]


class Field(msgspec.Struct, frozen=True):
    """How one field is read: its type without null, the same without its rules, what it must be in words.

    `items` is how each item is read where the field is a list, `tuple[…, ...]`. `is_nullable`: null is a value of it,
    and `UNSET` says that it is absent.
    """

    name: str
    type: Any
    bare: Any
    description: str
    holds: Callable[[Any], bool] | None
    required: bool
    items: "Field | None" = None
    is_nullable: bool = False

    def read(self, raw: object) -> object:
        """The value, or `ValidationFailed` with what is wrong with it."""
        return self._one(raw) if self.items is None else self._list(raw, self.items)

    def _one(self, raw: object) -> object:
        try:
            value = msgspec.convert(raw, type=self.type, dec_hook=decode)
        except msgspec.ValidationError:
            is_text = self.bare in (str, Secret)
            raise self._failed("must be a string" if is_text and not isinstance(raw, str) else "") from None
        if isinstance(raw, str) and isinstance(value, UUID) and len(raw) != 36:
            raise self._failed()
        if self.holds and not self.holds(value):
            raise self._failed()
        return value

    def _list(self, raw: object, items: "Field") -> tuple[object, ...]:
        if not isinstance(raw, list):
            raise self._failed("must be a list")
        if self.holds and not self.holds(raw):
            raise self._failed()
        faults: list[Fault] = []
        values = []
        for number, item in enumerate(raw):
            try:
                values.append(items.read(item))
            except ValidationFailed as failure:
                faults += (Fault(f"{self.name}[{number}]{field}", *more) for field, *more in failure.faults)
            if len(faults) >= MOST:
                break
        if faults:
            raise ValidationFailed(*faults)
        return tuple(values)

    def _failed(self, description: str = "") -> ValidationFailed:
        return ValidationFailed(Fault(self.name, description or self.description))


def _choice(bare: Any) -> str:
    """What it may be, where that is one of a few: their description says what for."""
    if get_origin(bare) is Literal:
        return "one of " + ", ".join(map(str, get_args(bare)))
    return SHAPES[bool] if bare is bool else ""


def decode(kind: type, raw: object) -> object:
    """The types that msgspec does not know by itself."""
    if kind is Secret and isinstance(raw, str):
        return Secret(raw)
    raise ValueError(f"{kind.__name__} is not read")


@cache
def fields_of(shape: type[msgspec.Struct]) -> tuple[Field, ...]:
    hints = get_type_hints(shape, include_extras=True)
    return tuple(
        _field(info.encode_name, hints[info.name], required=info.required) for info in msgspec.structs.fields(shape)
    )


def _field(name: str, hint: Any, *, required: bool) -> Field:
    choices = get_args(hint) if get_origin(hint) in (Union, UnionType) else ()
    if choices:
        (hint,) = (choice for choice in choices if choice not in (NoneType, UnsetType))
    metas = (
        [item for item in get_args(hint)[1:] if isinstance(item, msgspec.Meta)] if get_origin(hint) is Annotated else []
    )
    bare = get_args(hint)[0] if metas else hint
    described = [meta.description for meta in metas if meta.description]
    holds = [meta.extra["holds"] for meta in metas if meta.extra and "holds" in meta.extra]
    return Field(
        name=name,
        type=hint,
        bare=bare,
        description="must be " + (_choice(bare) or (described[-1] if described else SHAPES.get(bare, "right"))),
        holds=holds[-1] if holds else None,
        required=required,
        items=_field("", get_args(bare)[0], required=True) if get_origin(bare) is tuple else None,
        is_nullable=UnsetType in choices,
    )


T = TypeVar("T", bound=Asked)
V = TypeVar("V")


@dataclass(slots=True)
class Faults:
    """What is wrong with a request so far, so that all of it can be told at once."""

    found: list[Fault] = field(default_factory=list)

    def of(self, reading: Callable[[], V]) -> V | None:
        """What could be read, or its faults noted down."""
        try:
            return reading()
        except ValidationFailed as failure:
            self.found += failure.faults
            return None


def object_of(body: bytes | msgspec.Raw | None) -> dict[str, object]:
    """The JSON object in a body; nothing at all is the empty one."""
    if not body or not bytes(body).strip():
        return {}
    try:
        raw = msgspec.json.decode(body)
    except RecursionError:
        raise InvalidJsonBody.too_deep() from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidJsonBody from None
    if not isinstance(raw, dict):
        raise InvalidJsonBody
    return raw


def read(shape: type[T], raw: Mapping[str, object], *, refuse_unknown: bool = False, refuse_null: bool = False) -> T:
    """A `shape` from a JSON object; `ValidationFailed` names every fault.

    Null means absent, unless it is refused or a value of the field.
    """
    fields = fields_of(shape)
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for one in fields:
        given = raw.get(one.name)
        if given is None and not (refuse_null and one.name in raw):
            if one.required:
                faults.append(Fault(one.name, "is required"))
            elif one.is_nullable and one.name in raw:
                values[one.name] = None
            continue
        try:
            values[one.name] = one.read(given)
        except ValidationFailed as failure:
            values[one.name] = None
            faults += failure.faults
    if refuse_unknown:
        known = {one.name for one in fields}
        unknown = [name for name in raw if name not in known]
        faults += [Fault(name, "is not a field of this request") for name in unknown[:MOST]]
    faults += shape.faults_together(values)
    if faults:
        raise ValidationFailed(*map(shape.ruled, faults))
    attributes = _attributes(shape)
    return shape(**{attributes[name]: value for name, value in values.items()})


@cache
def _attributes(shape: type[msgspec.Struct]) -> Mapping[str, str]:
    """Name in JSON → name in Python, of a field whose name is a word of the language."""
    return {info.encode_name: info.name for info in msgspec.structs.fields(shape)}
