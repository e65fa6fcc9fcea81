"""What the registry was, in a file: served when a start finds no database (R-1d, R-1e)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from ringback.kit import files
from ringback.kit.errors import Failure
from ringback.kit.uow import Work
from ringback.router import store as heads
from ringback.router.audit import service as audit
from ringback.router.audit.model import Mark
from ringback.router.canonical import checksum_of, text_of, time_of
from ringback.router.extensions.following import Pause, woken_or_late
from ringback.router.extensions.loading import Loader
from ringback.router.extensions.model import RouterExtension
from ringback.router.extensions.registry import Snapshot
from ringback.router.policies.model import Policy
from ringback.router.work import Uow

log = structlog.get_logger()

FORMAT: Final = 2
WITHOUT_POLICIES: Final = 1
"""A format of before; such a file is read, too."""
EVERY: Final = 10.0
"""Seconds between two writes, at least."""
NAME: Final = "router-snapshot.json"

Keys = Callable[[Uow], AsyncIterator[dict[str, Any]]]
"""The access keys that work, as JSON objects: hash, customer, roles, end; never a key itself."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The content of the file, besides extensions and policies themselves."""

    taken_at: datetime
    revision: int
    checksum: str
    audit_id: int
    audit_hash: str
    keys: Sequence[dict[str, Any]]


class Keeper:
    """Writes the file after a change, at most every `EVERY` seconds, and at the end; reads it at the start.

    Keys that come and go make no noise, so every `EVERY` seconds it is seen whether the file still says what is so.

    The file is one line with `format` and the SHA-256 of the rest, and the rest: one JSON object.
    """

    def __init__(
        self,
        work: Work[Uow],
        loader: Loader,
        path: Path,
        keys: Keys,
        *,
        pause: Pause = woken_or_late,
    ) -> None:
        self._work = work
        self._loader = loader
        self._path = path
        self._keys = keys
        self._pause = pause
        self._woken = asyncio.Event()
        self._written = ""
        self.kept: Kept | None = None
        """What the file says."""
        loader.registry.watchers.append(self._woken.set)

    async def run(self) -> None:
        """Until cancelled; then once more, if anything has changed."""
        try:
            while True:
                await self._pause(self._woken, EVERY)
                self._woken.clear()
                if await self.keep():
                    await self._pause(asyncio.Event(), EVERY)
        finally:
            await self.keep()

    async def keep(self) -> bool:
        """Write the file, unless it says so already, or what is served comes from the file itself; whether it was."""
        if self._loader.source != "database":
            return False
        now = self._loader.registry.snapshot
        try:
            kept = await self._work.read(lambda uow: self._of(uow, now))
        except Failure:
            if not self.kept or self.kept.checksum == now.checksum:
                return False
            kept = Kept(
                self._work.now(), now.revision, now.checksum, self.kept.audit_id, self.kept.audit_hash, self.kept.keys
            )
        try:
            is_new = await asyncio.to_thread(self._write, kept, now)
        except OSError as error:
            log.error("the registry is not kept", action="registry", file=str(self._path), error=error.strerror)
            return False
        self._remember(kept)
        return is_new

    async def recall(self) -> None:
        """What the file of an earlier run says: it is proof of what the audit log was."""
        if self.kept is None and (found := await asyncio.to_thread(read, self._path)):
            self._remember(found[0])

    async def restore(self) -> bool:
        """Serve what the file says; whether there is a file that is whole."""
        found = await asyncio.to_thread(read, self._path)
        if found is None:
            return False
        kept, snapshot = found
        self._remember(kept)
        self._loader.serve_kept(snapshot, kept.taken_at)
        log.warning("the registry is served from its file", action="registry", revision=snapshot.revision)
        return True

    async def _of(self, uow: Uow, snapshot: Snapshot) -> Kept:
        head = await heads.read(uow.session)
        mark = await audit.still(uow, self._loader.registry.audited, Mark(head.audit_id, head.audit_hash))
        keys = [key async for key in self._keys(uow)]
        return Kept(uow.now, snapshot.revision, snapshot.checksum, mark.id, mark.hash, keys)

    def _remember(self, kept: Kept) -> None:
        self.kept = kept
        self._loader.registry.audited = Mark(kept.audit_id, kept.audit_hash)

    def _write(self, kept: Kept, snapshot: Snapshot) -> bool:
        head = {**asdict(kept), "taken_at": None}
        state = checksum_of(text_of(head))
        if state == self._written and self._path.exists():
            return False
        extensions = [text_of(record.document()) for record in snapshot.by_id.values()]
        policies = [text_of(policy.record()) for policy in snapshot.policies.values()]
        lists = f',"extensions":[{",".join(extensions)}],"policies":[{",".join(policies)}]}}'
        body = text_of({**head, "taken_at": time_of(kept.taken_at)})[:-1] + lists
        line = text_of({"format": FORMAT, "sha256": checksum_of(body)})
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        files.replace(self._path, f"{line}\n{body}".encode(), mode=0o600)
        self._written = state
        return True


def read(path: Path) -> tuple[Kept, Snapshot] | None:
    """What a file says; `None` where there is none, or none of this format that is as it was written."""
    try:
        line, _, body = path.read_text().partition("\n")
        sha256 = checksum_of(body)
        if msgspec.json.decode(line) not in ({"format": one, "sha256": sha256} for one in (FORMAT, WITHOUT_POLICIES)):
            return None
        content = msgspec.json.decode(body)
        content["taken_at"] = datetime.fromisoformat(content["taken_at"])
        kept = Kept(**{field.name: content[field.name] for field in fields(Kept)})
        extensions, policies = content["extensions"], content.get("policies", ())
        snapshot = Snapshot.of(kept.revision, map(RouterExtension.of, extensions), map(Policy.of, policies))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (kept, snapshot) if snapshot.checksum == kept.checksum else None
