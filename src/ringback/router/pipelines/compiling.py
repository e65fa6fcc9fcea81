"""A policy and a snapshot of the registry become a pipeline: all that does not depend on the request is done once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import msgspec

from ringback.kit.merging import merged
from ringback.router.extensions.model import RouterExtension, Type
from ringback.router.extensions.registry import EMPTY, Registry
from ringback.router.policies.deadlines import LONGEST, deadline_ms, longest_ms
from ringback.router.policies.document import declared
from ringback.router.policies.model import Declared, Policy, PolicyNotFound, Provider, Purpose, Stage, Step

LARGEST: Final = 1 << 20
"""Bytes of a message (S-1)."""
LARGEST_METADATA: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Prepared:
    """One step of a pipeline. `record` is `None` where there is none of that type for the customer.

    `lenient` is how the trace calls it when it failed and the request goes on; `None` where it must not go on.
    `tail` is the end of what it is asked, as JSON: the effective config (P-2), and who is asked.
    """

    stage: Stage
    type: Type
    id: str
    record: RouterExtension | None
    timeout_ms: int
    retry: int
    tail: bytes
    revision: int | None = None
    effective: Mapping[str, Any] = field(default_factory=dict, hash=False)
    when: Mapping[str, Any] = field(default_factory=dict, hash=False)
    lenient: str | None = None
    weight: float = 0.0
    largest: int = LARGEST
    largest_metadata: int = LARGEST_METADATA
    missing: str | None = None
    """The reason why it cannot be called at all."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a request goes through, in this order. Of `fallbacks` each has the words for which it is there."""

    customer_id: UUID | None
    policy_id: str | None
    pre: tuple[Prepared, ...]
    validators: tuple[Prepared, ...]
    providers: tuple[Prepared, ...]
    fallbacks: tuple[tuple[tuple[str, ...], Prepared], ...]
    post: tuple[Prepared, ...]
    sticky: str | None
    deadline_ms: int
    longest_ms: int
    """What all steps together may take."""
    tenant_id: str | None
    """The customer, as router extensions are told."""


class PolicyDisabled(PolicyNotFound):
    """The policy is disabled."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A pipeline, and the records that it was made of: as long as they are the same ones, so is it."""

    policy: Policy
    records: tuple[RouterExtension | None, ...]
    pipeline: Pipeline


class Compiler:
    """Makes pipelines of what the registry holds, each once; the next time it is one mapping access away."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._snapshot = EMPTY
        self._kept: dict[tuple[UUID | None, str], Kept] = {}
        self._before: dict[tuple[UUID | None, str], Kept] = {}

    @property
    def extensions(self) -> Mapping[str, RouterExtension]:
        """All there are; `NotReady` before anything is loaded."""
        return self._registry.served().by_id

    def pipeline(self, customer_id: UUID | None, policy_id: str, *, or_disabled: bool = False) -> Pipeline:
        """That of a customer's policy; `PolicyNotFound`, also of one that is disabled, unless that does not matter."""
        snapshot = self._registry.served()
        if snapshot is not self._snapshot:
            self._snapshot, self._before, self._kept = snapshot, self._kept, {}
        known = self._kept.get((customer_id, policy_id)) or self._make(customer_id, policy_id)
        if not (known.policy.enabled or or_disabled):
            raise PolicyDisabled
        return known.pipeline

    def _make(self, customer_id: UUID | None, policy_id: str) -> Kept:
        if customer_id is None:
            raise PolicyNotFound
        key, extensions = (customer_id, policy_id), self._snapshot.by_id
        policy = self._snapshot.policy(customer_id, policy_id)
        before = self._before.get(key)
        if (
            before is None
            or before.policy is not policy
            or any(
                extensions.get(id) is not record
                for id, record in zip(_ids(before.pipeline), before.records, strict=True)
            )
        ):
            pipeline = compiled(declared(policy.document), extensions, customer_id, policy_id, policy.purpose)
            before = Kept(policy, tuple(map(extensions.get, _ids(pipeline))), pipeline)
        self._kept[key] = before
        return before


def _ids(pipeline: Pipeline) -> list[str]:
    steps = (*pipeline.pre, *pipeline.validators, *pipeline.providers, *pipeline.post)
    return [one.id for one in (*steps, *(step for _, step in pipeline.fallbacks))]


def compiled(
    declared: Declared,
    extensions: Mapping[str, RouterExtension],
    customer_id: UUID | None,
    policy_id: str | None,
    purpose: Purpose | None = None,
) -> Pipeline:
    """The pipeline of a policy over these records; of them it sees what is there for the customer (S-3)."""
    visible = {
        id: record for id in declared.ids if (record := extensions.get(id)) is not None and record.serves(customer_id)
    }
    fallbacks = (
        (one.statuses, _prepared("providers", "provider", declared.target(one), visible, retry=one.retry))
        for one in declared.fallbacks
    )
    return Pipeline(
        customer_id=customer_id,
        policy_id=policy_id,
        pre=tuple(_prepared("pre", "pre", one, visible) for one in declared.pre),
        validators=tuple(_prepared("validators", "validator", one, visible) for one in declared.validators),
        providers=tuple(_prepared("providers", "provider", one, visible) for one in declared.providers),
        fallbacks=tuple(fallbacks),
        post=tuple(_prepared("post", "post", one, visible) for one in declared.post),
        sticky=declared.sticky,
        deadline_ms=deadline_ms(declared, extensions, purpose) or LONGEST,
        longest_ms=longest_ms(declared, extensions),
        tenant_id=str(customer_id) if customer_id else None,
    )


def _prepared(
    stage: Stage,
    type: Type,
    item: Step | Provider,
    extensions: Mapping[str, RouterExtension],
    *,
    retry: int | None = None,
) -> Prepared:
    record = extensions.get(item.id)
    if record is None or record.type != type:
        record = None
    config = merged(record.config if record else {}, item.config)
    limits = record.metadata if record else {}
    tries = item.retry if retry is None else retry
    told = {"id": item.id, "type": type, "version": record and record.version, "revision": record and record.revision}
    return Prepared(
        stage=stage,
        type=type,
        id=item.id,
        record=record,
        timeout_ms=_given(item.timeout_ms, record.timeout_ms if record else 0),
        retry=_given(tries, record.retry if record else 0),
        tail=b',"config":%b,"extension":%b}' % (msgspec.json.encode(config), msgspec.json.encode(told)),
        revision=record.revision if record else None,
        effective=config,
        when=item.when if isinstance(item, Step) else {},
        lenient=_lenient(item) if isinstance(item, Step) else None,
        weight=float(item.weight) if isinstance(item, Provider) else 0.0,
        largest=min(limits.get("max_payload_size", LARGEST), LARGEST),
        largest_metadata=min(limits.get("max_metadata_size", LARGEST_METADATA), LARGEST_METADATA),
        missing="EXTENSION_NOT_FOUND" if record is None else None if record.enabled else "EXTENSION_DISABLED",
    )


def _given(own: int | None, of_record: int) -> int:
    return of_record if own is None else own


def _lenient(step: Step) -> str | None:
    """`warn` of what is optional, and what a validator's policy says."""
    if step.on_fail != "block":
        return step.on_fail
    return "warn" if step.mode == "optional" else None
