"""What a policy's document says: every word of it known, or every fault of it named at once (router 3, 5.1)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args
from uuid import UUID

from ringback.kit.errors import Fault, ValidationFailed
from ringback.router.depth import is_deep
from ringback.router.extensions import rules
from ringback.router.extensions.model import RouterExtension, Type
from ringback.router.policies import conditions
from ringback.router.policies.deadlines import LONGEST, deadline_ms, longest_ms
from ringback.router.policies.fields import Fields
from ringback.router.policies.model import Declared, Fallback, Mode, OnFail, Provider, Purpose, Step
from ringback.router.secrets import is_credential, is_reference

VERSION: Final = "1.0"
STAGES: Final[dict[str, tuple[Type, str]]] = {
    "pre": ("pre", "too_many_pre_processors"),
    "validators": ("validator", "too_many_validators"),
    "post": ("post", "too_many_post_processors"),
}
"""The type of the router extensions of a stage, and the rule of how many there may be."""
MOST_STEPS, MOST_OF_STAGE, MOST_DISTINCT, MOST_FALLBACKS = 10, 5, 10, 3
MOST_FAULTS: Final = 100
"""That one answer names."""
HEAVIEST: Final = 1_000_000_000
STATUSES: Final = (
    "timeout", "no_responders", "error", "malformed", "unavailable", "overloaded", "disabled", "not_configured", "any",
)  # fmt: skip
"""Why a provider failed, in the words of a fallback (P-3)."""
Warned = Literal["deadline_below_sum", "when_on_client_value", "requires_disabled"]
STEP: Final = ("id", "config", "when", "timeout_ms", "retry")
PROVIDER: Final = ("name", "id", "weight", "config", "timeout_ms", "retry")
WHOLE: Final = ("version", "deadline_ms", "sticky", "extensions", *STAGES, "providers", "fallbacks")


def declared(document: object, place: str = "document") -> Declared:
    """What a document says by itself, whatever router extensions there are; `ValidationFailed` names all faults."""
    reading = Reading(place)
    found = reading.whole(document)
    reading.end()
    return found


def understood(
    document: object,
    extensions: Mapping[str, RouterExtension],
    customer_id: UUID | None,
    *,
    purpose: Purpose | None = None,
    place: str = "document",
) -> tuple[Declared, list[str]]:
    """The same where all that it names is there for the customer, and what they should know besides.

    `ValidationFailed` names all faults; no other exception, whatever JSON it is.
    """
    reading = Reading(place)
    found = reading.whole(document)
    reading.faults += _strangers(reading.named, extensions, customer_id)
    reading.end()
    return found, list(_warnings(found, extensions, purpose))


def _strangers(
    named: list[tuple[str, Type, str]], extensions: Mapping[str, RouterExtension], customer_id: UUID | None
) -> Iterator[Fault]:
    """What is not there for the customer (S-3), or of another type."""
    for place, type, id in named:
        known = extensions.get(id)
        if known is None or not known.serves(customer_id):
            yield Fault(place, "names no router extension", "unknown_extension")
        elif known.type != type:
            yield Fault(place, f"must be of type {type}: it is of type {known.type}", "wrong_type")


def _warnings(found: Declared, extensions: Mapping[str, RouterExtension], purpose: Purpose | None) -> Iterator[Warned]:
    if deadline_ms(found, extensions, purpose) < longest_ms(found, extensions):
        yield "deadline_below_sum"
    if any(conditions.asks_the_client(one.when) for one in found.validators):
        yield "when_on_client_value"
    if any(not extensions[id].enabled and found.requires(id) for id in found.ids):
        yield "requires_disabled"


@dataclass(slots=True)
class Reading:
    """One document as it is read: what is wrong with it, and where it names which router extension, of which type."""

    place: str
    faults: list[Fault] = field(default_factory=list)
    named: list[tuple[str, Type, str]] = field(default_factory=list)

    def end(self) -> None:
        if self.faults:
            raise ValidationFailed(*self.faults[:MOST_FAULTS])

    def whole(self, raw: object) -> Declared:
        fields = Fields(self.faults, self.place, raw, WHOLE)
        if not isinstance(raw, Mapping):
            return Declared()
        self.faults += rules.document_faults(self.place, raw)
        if is_deep(raw):
            return Declared()
        self.faults += _secrets(self.place, raw)
        fields.word("version", (VERSION,), VERSION, "wrong_type")
        within = Fields(self.faults, fields.at("extensions"), fields.object("extensions"), STAGES)
        pre, validators, post = (self._stage(fields, within, stage) for stage in STAGES)
        found = Declared(
            pre=pre,
            validators=validators,
            providers=tuple(self._provider(*item) for item in fields.items("providers")),
            fallbacks=tuple(self._fallback(*item) for item in fields.items("fallbacks")),
            post=post,
            sticky=fields.text("sticky"),
            deadline_ms=fields.whole("deadline_ms", (1, LONGEST), "timeout_out_of_range"),
        )
        self.faults += _limits(self.place, found)
        self.faults += _choices(self.place, found)
        return found

    def _stage(self, whole: Fields, within: Fields, stage: str) -> tuple[Step, ...]:
        """Its items stand in the document itself, or in its `extensions`."""
        if whole.has(stage) and within.has(stage):
            self.faults.append(Fault(whole.at(stage), "stands in extensions, too", "wrong_type"))
        source = within if within.has(stage) else whole
        return tuple(self._step(place, item, stage) for place, item in source.items(stage))

    def _step(self, place: str, raw: Any, stage: str) -> Step:
        is_validator = stage == "validators"
        type, _ = STAGES[stage]
        fields = Fields(self.faults, place, raw, (*STEP, "on_fail" if is_validator else "mode"))
        when = fields.object("when")
        self.faults += conditions.faults(fields.at("when"), when)
        modes, outcomes = get_args(Mode), get_args(OnFail)
        return Step(
            id=self._id(fields, "id", type),
            mode="required" if is_validator else fields.word("mode", modes, "required", "unknown_mode"),
            on_fail=fields.word("on_fail", outcomes, "block", "unknown_on_fail") if is_validator else "block",
            config=fields.object("config"),
            when=when,
            timeout_ms=fields.whole("timeout_ms", rules.timeouts(type), "timeout_out_of_range"),
            retry=fields.whole("retry", rules.retries(type), "retry_limit_exceeded"),
        )

    def _provider(self, place: str, raw: Any) -> Provider:
        fields = Fields(self.faults, place, raw, PROVIDER)
        if fields.has("name") and fields.has("id"):
            self.faults.append(Fault(fields.at("name"), "stands for id: give one of them", "wrong_type"))
        return Provider(
            id=self._id(fields, "name" if fields.has("name") else "id", "provider"),
            weight=fields.number("weight", HEAVIEST, 1),
            config=fields.object("config"),
            timeout_ms=fields.whole("timeout_ms", rules.timeouts("provider"), "timeout_out_of_range"),
            retry=fields.whole("retry", rules.retries("provider"), "retry_limit_exceeded"),
        )

    def _fallback(self, place: str, raw: Any) -> Fallback:
        fields = Fields(self.faults, place, raw, ("when", "retry", "to"))
        when = Fields(self.faults, fields.at("when"), fields.object("when"), ("status",))
        return Fallback(
            to=self._id(fields, "to", "provider"),
            statuses=when.words("status", STATUSES) or ("any",),
            retry=fields.whole("retry", rules.retries("provider"), "retry_limit_exceeded"),
        )

    def _id(self, fields: Fields, name: str, type: Type) -> str:
        if fields.is_object and not fields.has(name):
            self.faults.append(Fault(fields.at(name), "is required", "invalid_id"))
        id = fields.text(name, "invalid_id") or ""
        if id:
            self.named.append((fields.at(name), type, id))
        return id


def _limits(place: str, found: Declared) -> Iterator[Fault]:
    stages = {"pre": found.pre, "validators": found.validators, "post": found.post}
    for stage, steps in stages.items():
        if len(steps) > MOST_OF_STAGE:
            yield Fault(f"{place}.{stage}", f"must be at most {MOST_OF_STAGE}", STAGES[stage][1])
    if sum(map(len, stages.values())) > MOST_STEPS:
        yield Fault(place, f"must have at most {MOST_STEPS} steps", "pipeline_too_deep")
    if len(found.fallbacks) > MOST_FALLBACKS:
        yield Fault(f"{place}.fallbacks", f"must be at most {MOST_FALLBACKS}", "too_large")
    if len(found.ids - {""}) > MOST_DISTINCT:
        yield Fault(place, f"must name at most {MOST_DISTINCT} router extensions", "too_large")


def _choices(place: str, found: Declared) -> Iterator[Fault]:
    """Providers among whom nobody can choose, and fallbacks that nobody would ever be sent to."""
    ids = [one.id for one in found.providers]
    for number, id in enumerate(ids):
        if id and id in ids[:number]:
            yield Fault(f"{place}.providers[{number}]", "is named twice", "wrong_type")
    if ids and not any(one.weight for one in found.providers):
        yield Fault(f"{place}.providers", "must have a weight above 0 among them", "zero_weights")
    if found.fallbacks and not ids:
        yield Fault(f"{place}.fallbacks", "must come with providers", "wrong_type")
    for number, one in enumerate(found.fallbacks):
        if one.to and ids == [one.to]:
            yield Fault(f"{place}.fallbacks[{number}].to", "is the only provider, which has failed then", "wrong_type")


def _secrets(place: str, value: object) -> Iterator[Fault]:
    """A policy holds no secret, and no reference to one: those are the registry's (S-7)."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            if is_credential(name):
                yield Fault(f"{place}.{name}", "belongs to the config of the router extension", "secret_literal")
            else:
                yield from _secrets(f"{place}.{name}", one)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _secrets(f"{place}[{number}]", one)
    elif is_reference(value):
        yield Fault(place, "must not refer to a secret", "secret_literal")
