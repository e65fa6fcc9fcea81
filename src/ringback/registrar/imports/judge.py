"""What each row of an import would do, and what is wrong with it, before anything is done."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.reading import Asked, read
from ringback.kit.rows import Row, Unreadable
from ringback.kit.secret import Secret
from ringback.kit.uow import Work
from ringback.registrar.imports.kinds import Rows, There
from ringback.registrar.imports.model import MOST_ROWS, Mode, OnConflict, Passwords
from ringback.registrar.realms import service as realms
from ringback.registrar.work import Uow

Action = Literal["create", "update", "unchanged", "skip", "fail"]


class ImportQuery(Asked, frozen=True, kw_only=True):
    """How rows become extensions or trunks."""

    dry_run: Annotated[bool, msgspec.Meta(description="true: only tell what would be done")] = False
    mode: Annotated[Mode, msgspec.Meta(description="all rows or none, or each that is right")] = "all_or_nothing"
    on_conflict: Annotated[OnConflict, msgspec.Meta(description="what to do with what is there and differs")] = "fail"
    passwords: Annotated[
        Passwords, msgspec.Meta(description="whether rows without a password get one, or are refused")
    ] = "generate"
    columns: (
        Annotated[
            str,
            msgspec.Meta(
                description="columns of another program's CSV and what they are here, "
                "`Number:extension,First+Last:name`; or the program: freepbx, 3cx, wazo"
            ),
        ]
        | None
    ) = None


class Judged(msgspec.Struct, frozen=True):
    """A row and what is to be done with it: `asked` is what to make or to change, `id` of what."""

    line: int
    action: Action
    asked: Any = None
    id: UUID | None = None
    name: str = ""
    there: Any = None
    faults: tuple[Fault, ...] = ()
    made: Secret | None = None
    """The password that was made for it."""


class Judge:
    """Knows the rows so far: what they have in common, and how many more the customer may have."""

    def __init__(self, kind: Rows, customer_id: UUID, query: ImportQuery) -> None:
        self._kind = kind
        self._customer_id = customer_id
        self._query = query
        self._seen: dict[tuple[str, str], int] = {}
        self._room: int | None = None

    async def begin(self, uow: Uow) -> None:
        """The customer is active; this is how many more they may have."""
        of = partial(self._kind.service().count, uow, self._customer_id)
        self._room = await realms.room(uow, self._kind.kind, self._customer_id, of)

    async def all(self, work: Work[Uow], rows: AsyncIterator[Row]) -> AsyncIterator[list[Judged]]:
        """The rows in parts; the last one says so where the rest cannot be read."""
        some: list[Row] = []
        count, together = 0, work.database.together
        try:
            async for row in rows:
                if (count := count + 1) > MOST_ROWS:
                    raise Unreadable(row.line, f"is one too many: an import has at most {MOST_ROWS} rows")
                some.append(row)
                if len(some) == together:
                    yield await self._part(work, some)
                    some = []
        except Unreadable as end:
            some.append(Row(end.line, {}, end.faults))
        if some:
            yield await self._part(work, some)

    async def _part(self, work: Work[Uow], some: list[Row]) -> list[Judged]:
        first = [self._alone(row) for row in some]
        asking = [one for one in first if one.action != "fail"]
        if not asking:
            return first

        async def compare(uow: Uow) -> list[Judged]:
            there = await self._kind.there(uow, self._customer_id, [one.asked for one in asking])
            return [self._beside(uow, one, found) for one, found in zip(asking, there, strict=True)]

        rest = iter(await work.read(compare))
        return [self._within_limits(next(rest)) if one.action != "fail" else one for one in first]

    def _alone(self, row: Row) -> Judged:
        """The row by itself and among those before it."""
        if row.faults:
            return Judged(row.line, "fail", faults=row.faults)
        try:
            asked = read(self._kind.shape, row.fields, refuse_unknown=True)
        except ValidationFailed as failure:
            return Judged(row.line, "fail", faults=failure.faults)
        mine = self._kind.unique(asked)
        before = {field: self._seen[field, value] for field, value in mine.items() if (field, value) in self._seen}
        if self._kind.key in before:
            before = {self._kind.key: before[self._kind.key]}
        if before:
            faults = tuple(Fault(field, f"stands in line {line} already") for field, line in before.items())
            return Judged(row.line, "fail", faults=faults)
        self._seen.update(dict.fromkeys(mine.items(), row.line))
        return Judged(row.line, "create", asked, name=getattr(asked, self._kind.key))

    def _beside(self, uow: Uow, row: Judged, found: There) -> Judged:
        """The row beside what is in the database."""
        if found.faults:
            return replace(row, action="fail", faults=found.faults)
        if found.same is None:
            return self._new(uow, row)
        differing = self._differing(uow, row.asked, found.same)
        if not differing:
            return replace(row, action="unchanged")
        if self._query.on_conflict == "skip":
            return replace(row, action="skip")
        if self._query.on_conflict == "fail":
            text = f"is taken, and not the same: {', '.join(differing)}"
            return replace(row, action="fail", faults=(Fault(self._kind.key, text),))
        try:
            change = self._kind.change(row.asked, found.same, uow)
        except ValidationFailed as failure:
            return replace(row, action="fail", faults=failure.faults)
        made = change.password if row.asked.password is None else None
        return replace(row, action="update", asked=change, id=found.same.id, there=found.same, made=made)

    def _differing(self, uow: Uow, asked: Any, there: Any) -> list[str]:
        """Fields that are given, and not as they are."""
        found = self._kind.differing(asked, there)
        if asked.password and self._kind.kept(asked, asked.password, there.realm, uow, there) != there.kept:
            found.append("password")
        return found

    def _new(self, uow: Uow, row: Judged) -> Judged:
        if not self._kind.needs_password(row.asked):
            return replace(row, id=uow.new_id())
        if self._query.passwords == "given":
            return replace(row, action="fail", faults=(Fault("password", "is required"),))
        made = Secret.generate()
        return replace(row, asked=replace(row.asked, password=made), id=uow.new_id(), made=made)

    def _within_limits(self, row: Judged) -> Judged:
        if row.action != "create" or self._room is None:
            return row
        self._room -= 1
        if self._room < 0:
            fault = Fault(f"limit_{self._kind.kind}", "is reached")
            return replace(row, action="fail", faults=(fault,))
        return row
