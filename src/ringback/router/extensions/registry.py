"""The registry in memory: one immutable snapshot, always whole, swapped in one step (R-1a)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ringback.router.audit.model import Mark
from ringback.router.canonical import moved_checksum, whole_checksum
from ringback.router.extensions.model import (
    TYPES,
    ExtensionDisabled,
    ExtensionNotFound,
    NotReady,
    RouterExtension,
    Type,
)
from ringback.router.invoking.circuits import Circuits
from ringback.router.policies.model import Policy, PolicyNotFound

if TYPE_CHECKING:
    from ringback.router.extensions.loading import Loader
    from ringback.router.extensions.reports import RouterReloaded, RouterStats
    from ringback.router.nodes.model import Applied
    from ringback.router.nodes.presence import Presence
    from ringback.router.pipelines.running import Pipelines


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every record that is not deleted, at one registry revision; readers keep what they got, whatever follows."""

    revision: int
    checksum: str
    by_id: Mapping[str, RouterExtension]
    by_type: Mapping[Type, tuple[RouterExtension, ...]]
    """The enabled ones, by id."""
    policies: Mapping[tuple[UUID, str], Policy]
    """By customer and id; disabled ones, too."""

    @classmethod
    def of(cls, revision: int, records: Iterable[RouterExtension], policies: Iterable[Policy] = ()) -> "Snapshot":
        """Of all records there are; that takes its time, so it belongs off the loop's thread."""
        live = {record.id: record for record in records if record.is_live}
        kept = {policy.place: policy for policy in policies if policy.is_live}
        parts = [*(one.part for one in live.values()), *(one.part for one in kept.values())]
        by_type = {type: _ordered(type, live.values()) for type in TYPES}
        return cls(
            revision, whole_checksum(parts), MappingProxyType(live), MappingProxyType(by_type), MappingProxyType(kept)
        )

    def policy(self, customer_id: UUID, policy_id: str) -> Policy:
        """One that is not deleted, or `PolicyNotFound`."""
        found = self.policies.get((customer_id, policy_id))
        if found is None:
            raise PolicyNotFound
        return found

    def with_changes(
        self, revision: int, changed: Iterable[RouterExtension], policies: Iterable[Policy] = ()
    ) -> "Snapshot":
        """The next one: deleted records go, all others come or are replaced, in the order in which they are given."""
        live, kept = dict(self.by_id), dict(self.policies)
        parts: list[int] = []
        types, ids = set[Type](), set[str]()
        for record in changed:
            ids.add(record.id)
            before = live.pop(record.id, None)
            types |= {one.type for one in (before, record) if one}
            parts += [one.part for one in (before, record) if one]
            if record.is_live:
                live[record.id] = record
        for policy in policies:
            earlier = kept.pop(policy.place, None)
            parts += [one.part for one in (earlier, policy) if one]
            if policy.is_live:
                kept[policy.place] = policy
        come = [live[id] for id in ids if id in live]
        by_type = dict(self.by_type)
        for type in types:
            by_type[type] = _ordered(type, [*(one for one in by_type[type] if one.id not in ids), *come])
        return Snapshot(
            revision,
            moved_checksum(self.checksum, parts),
            MappingProxyType(live),
            MappingProxyType(by_type),
            MappingProxyType(kept),
        )


def _ordered(type: Type, records: Iterable[RouterExtension]) -> tuple[RouterExtension, ...]:
    """The enabled ones of that type, by id."""
    found = (one for one in records if one.enabled and one.type == type)
    return tuple(sorted(found, key=lambda one: one.id))


EMPTY: Final = Snapshot.of(0, ())


class Registry:
    """What a process knows of the router extensions. Reading is one mapping access: no lock, no await, no log."""

    keeper: "Loader"
    """What loads it, and counts its loads."""
    presence: "Presence"
    """What knows the other nodes."""
    pipelines: "Pipelines"
    """What runs requests by it."""

    def __init__(self, node: str = "", circuits: Circuits | None = None) -> None:
        self.node = node
        self.snapshot = EMPTY
        self.circuits = circuits or Circuits()
        """What this node knows of those that it calls; it follows what is served."""
        self.hits = 0
        self.misses = 0
        self.audited: Mark | None = None
        """The newest entry of the audit log that a file of this node remembers, where it keeps one."""
        self.watchers: list[Callable[[], None]] = [self._follow]
        """Called after each new snapshot, in the thread of whoever installs it; they must be quick and not raise."""

    def served(self) -> Snapshot:
        """What is served; `NotReady` before anything is."""
        now = self.snapshot
        if now is EMPTY:
            raise NotReady
        return now

    def lookup(self, id: str) -> RouterExtension:
        """The enabled record, or `ExtensionNotFound`; of a disabled one `ExtensionDisabled`, which is one too.

        Before anything is loaded nobody can say: `NotReady`, as with all that follows.
        """
        record = self.snapshot.by_id.get(id)
        if record is None:
            self.served()
            self.misses += 1
            raise ExtensionNotFound
        self.hits += 1
        if not record.enabled:
            raise ExtensionDisabled
        return record

    def lookup_by_type(self, type: Type) -> tuple[RouterExtension, ...]:
        """The enabled records of a type, by id."""
        return self.served().by_type[type]

    def get_cached(self, id: str) -> RouterExtension | None:
        """Any record that is not deleted."""
        return self.served().by_id.get(id)

    def require(self, id: str) -> RouterExtension:
        """Any record that is not deleted, or `ExtensionNotFound`."""
        record = self.get_cached(id)
        if record is None:
            raise ExtensionNotFound
        return record

    def install(self, snapshot: Snapshot) -> None:
        """From now on this is what readers find, even if it is older."""
        self.snapshot = snapshot
        for watcher in self.watchers:
            watcher()

    def _follow(self) -> None:
        self.circuits.follow(self.snapshot.by_id.values())

    def swap(self, snapshot: Snapshot) -> None:
        """From now on this is what readers find; an older one than theirs is not taken."""
        if snapshot.revision >= self.snapshot.revision:
            self.install(snapshot)

    def follow(self, revision: int, changed: Iterable[RouterExtension], policies: Iterable[Policy] = ()) -> None:
        """Take over what a transaction of ours has changed, if nothing is missing in between."""
        if revision == self.snapshot.revision + 1:
            self.swap(self.snapshot.with_changes(revision, changed, policies))

    async def reload(self) -> "RouterReloaded":
        """Read everything anew. Never raises: what cannot be read is told, and the old content stays."""
        return await self.keeper.reload()

    def stats(self) -> "RouterStats":
        """What there is and how often it was loaded; nothing is waited for."""
        return self.keeper.stats()

    async def wait_applied(self, revision: int, timeout: float) -> "Applied":  # noqa: ASYNC109
        """Wait until all nodes that are there serve this revision or a newer one, or for `timeout` seconds (R-2c)."""
        return await self.presence.wait_applied(revision, timeout)
