"""What a router extension must be (router 3): every fault at once, each with the name of its rule."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from ringback.kit.errors import Fault, ValidationFailed
from ringback.router.depth import DEEPEST, is_deep
from ringback.router.extensions.model import TYPES, RouterExtension
from ringback.router.secrets import is_credential, is_reference

ID: Final = re.compile(r"[a-z0-9_]{1,255}")
SUBJECTS: Final = {
    "pre": re.compile(r"beamline\.ext\.pre\.[a-z0-9_]+\.v[1-9][0-9]*"),
    "validator": re.compile(r"beamline\.ext\.validate\.[a-z0-9_]+\.v[1-9][0-9]*"),
    "post": re.compile(r"beamline\.ext\.post\.[a-z0-9_]+\.v[1-9][0-9]*"),
    "provider": re.compile(r"beamline\.provider\.[a-z0-9_]+\.v[1-9][0-9]*"),
}
LONGEST_SUBJECT: Final = 255
TIMEOUTS: Final = {"provider": (10, 300_000)}
"""Milliseconds; of the other types `OTHER_TIMEOUTS`."""
OTHER_TIMEOUTS: Final = (10, 5_000)
RETRIES: Final = {"provider": (0, 5)}
OTHER_RETRIES: Final = (0, 3)
LARGEST: Final = 64 << 10
"""Bytes of config, and of metadata, as JSON."""
MOST_TAGS, LONGEST_TAG = 20, 64
TEXTS: Final = ("description", "owner", "lifecycle", "docs_url", "author", "semver", "health_endpoint")
SIZES: Final = ("max_payload_size", "max_metadata_size", "max_response_size")
MOST_AT_ONCE: Final = 1024


def timeouts(type: str) -> tuple[int, int]:
    """The least and the most milliseconds of an extension of that type."""
    return TIMEOUTS.get(type, OTHER_TIMEOUTS)


def retries(type: str) -> tuple[int, int]:
    return RETRIES.get(type, OTHER_RETRIES)


def faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with the fields that are there; those that are absent or `None` are passed over."""
    if (id := values.get("id")) is not None and not ID.fullmatch(id):
        yield Fault("id", "must be 1 to 255 of a-z, 0-9 and _", "invalid_id")
    type = values.get("type")
    if type is not None and type not in TYPES:
        yield Fault("type", f"must be one of {', '.join(TYPES)}", "invalid_type")
        type = None
    if (subject := values.get("subject")) is not None:
        yield from _subject_faults(subject, type)
    for field, bounds, rule in (
        ("timeout_ms", timeouts, "timeout_out_of_range"),
        ("retry", retries, "retry_limit_exceeded"),
    ):
        if (number := values.get(field)) is not None:
            least, most = bounds(type or "provider")
            if not least <= number <= most:
                yield Fault(field, f"must be {least} to {most}" + (f" for {type}" if type else ""), rule)
    for field in ("config", "metadata"):
        if (document := values.get(field)) is not None:
            yield from document_faults(field, document)
    yield from _metadata_faults(values.get("metadata") or {})
    for field in ("config", "metadata"):
        if not is_deep(document := values.get(field) or {}):
            yield from _literals(field, document)


def _subject_faults(subject: str, type: str | None) -> Iterator[Fault]:
    fitting = [name for name, grammar in SUBJECTS.items() if grammar.fullmatch(subject)]
    if not fitting or len(subject) > LONGEST_SUBJECT:
        yield Fault(
            "subject", "must be beamline.ext.pre|validate|post.NAME.vN or beamline.provider.NAME.vN", "subject_grammar"
        )
    elif type and type not in fitting:
        yield Fault("subject", f"is one of type {fitting[0]}, and type is {type}", "subject_type_mismatch")


def document_faults(field: str, document: Mapping[str, Any]) -> Iterator[Fault]:
    """What no JSON object of the registry may be: too large, too deep, or nothing that every engine can keep."""
    if is_deep(document):
        yield Fault(field, f"must be at most {DEEPEST} levels deep", "too_large")
        return
    text = msgspec.json.encode(document)
    if len(text) > LARGEST:
        yield Fault(field, f"must be at most {LARGEST} bytes", "too_large")
    if b"\\u0000" in text.replace(b"\\\\", b""):
        yield Fault(field, "must not hold the character NUL", "wrong_type")


def _metadata_faults(metadata: Mapping[str, Any]) -> Iterator[Fault]:
    for name in TEXTS:
        if name in metadata and not isinstance(metadata[name], str):
            yield Fault(f"metadata.{name}", "must be a string", "wrong_type")
    for name, most in (*((name, None) for name in SIZES), ("max_concurrency", MOST_AT_ONCE)):
        if name in metadata and not (type(metadata[name]) is int and 1 <= metadata[name] <= (most or metadata[name])):
            yield Fault(
                f"metadata.{name}", "must be a whole number, " + (f"1 to {most}" if most else "1 or more"), "wrong_type"
            )
    tags = metadata.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        yield Fault("metadata.tags", "must be a list of strings", "wrong_type")
    elif len(tags) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in tags):
        yield Fault("metadata.tags", f"must be at most {MOST_TAGS}, of at most {LONGEST_TAG} characters", "too_large")
    tenants = metadata.get("allowed_tenants", [])
    if not isinstance(tenants, list) or not all(isinstance(one, str) for one in tenants):
        yield Fault("metadata.allowed_tenants", "must be a list of strings", "wrong_type")


def _literals(place: str, value: object) -> Iterator[Fault]:
    """Secrets that stand there themselves instead of a reference to them (S-7)."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            if is_credential(name) and not is_reference(one):
                yield Fault(
                    f"{place}.{name}", "must be env:NAME or file:NAME, never the secret itself", "secret_literal"
                )
            else:
                yield from _literals(f"{place}.{name}", one)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _literals(f"{place}[{number}]", one)


def is_good(record: RouterExtension) -> bool:
    """Whether a record that somebody has kept breaks no rule of ours."""
    return next(faults(record.document()), None) is None


def record_of(row: Mapping[str, Any]) -> RouterExtension:
    """The record of a row; `ValidationFailed` names what somebody has broken in it by hand."""
    kinds = {"config": Mapping, "metadata": Mapping, "timeout_ms": int, "retry": int, "revision": int}
    wrong = [
        Fault(name, "is not what it must be", "wrong_type")
        for name, kind in kinds.items()
        if not isinstance(row[name], kind)
    ]
    if wrong := wrong or list(faults(row)):
        raise ValidationFailed(*wrong)
    return RouterExtension(**{name: row[name] for name in RouterExtension.__slots__})
