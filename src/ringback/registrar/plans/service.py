"""The rules of plans: look, compare, do as a whole what was planned, and take it back."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.secret import Secret
from ringback.registrar.extensions import service as extensions
from ringback.registrar.plans import store
from ringback.registrar.plans.comparing import compare
from ringback.registrar.plans.doing import do
from ringback.registrar.plans.model import (
    MOST,
    Apply,
    Change,
    ChangedSince,
    Done,
    NothingToUndo,
    OtherPlan,
    Password,
    Plan,
    State,
    StateMoved,
    TooManyChanges,
    changed_at,
    replace_change,
    undone,
)
from ringback.registrar.plans.wire import Wanted
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import RealmNotFound
from ringback.registrar.trunks import service as trunks
from ringback.registrar.work import Uow
from ringback.sip import names


async def look(uow: Uow, customer_id: UUID, *, lock: bool = False) -> State:
    """What the customer has."""
    phones = await extensions.of_customer(uow, customer_id, lock=lock)
    lines = await trunks.of_customer(uow, customer_id, lock=lock)
    return State(
        customer_id, {one.number.lower(): one for one in phones}, {one.domain_name.lower(): one for one in lines}
    )


async def named(uow: Uow, text: str) -> UUID:
    """The customer of that label or realm."""
    realm = text if "." in text else names.realm_of(text, uow.settings.domain_name_extension)
    try:
        return (await realms.find(uow, realm)).customer_id
    except RealmNotFound:
        raise ValidationFailed(customer="must be the customer's id, label or realm") from None


async def plan(uow: Uow, customer_id: UUID, wanted: Wanted, *, prune: bool, lock: bool = False) -> Plan:
    """What would be done; nothing is written."""
    state = await look(uow, customer_id, lock=lock)
    compared = compare(state, wanted, prune=prune)
    faults = [*compared.faults, *await _of_others(uow, wanted, compared.creates)]
    if faults:
        raise ValidationFailed(*faults)
    return Plan(customer_id, state.fingerprint, compared.all, tuple(compared.kept), prune)


async def apply(uow: Uow, wanted: Wanted, planned: Plan) -> Done:
    """Do exactly what was planned, all of it or nothing."""
    if len(planned.changes) > MOST:
        raise TooManyChanges(changes=f"are {len(planned.changes)}, and may be {MOST}")
    await realms.require_active(uow, planned.customer_id)
    now = await plan(uow, planned.customer_id, wanted, prune=planned.prune, lock=True)
    if now.fingerprint != planned.fingerprint:
        raise StateMoved
    if msgspec.json.encode(now.changes) != msgspec.json.encode(planned.changes):
        raise OtherPlan
    if not now.changes:
        return Done(None)
    done = await _all(uow, planned.customer_id, now.changes, wanted.secrets)
    number = await store.next_number(uow.session, planned.customer_id)
    made = Apply(uow.new_id(), planned.customer_id, number, uow.by.name, done.changes, uow.now)
    await store.add(uow.session, made)
    return Done(made, done.changes, done.passwords)


async def last(uow: Uow, customer_id: UUID) -> Apply:
    """The newest apply of the customer that was not undone."""
    if found := await store.newest(uow.session, customer_id):
        return found
    raise NothingToUndo


async def undo(uow: Uow, customer_id: UUID, number: int, *, force: bool = False) -> Done:
    """Take the newest apply back, which must be the one of that number.

    What others have changed since is left alone: all of it is refused, or with `force` what is still there goes back.
    """
    await realms.require_active(uow, customer_id)
    apply = await last(uow, customer_id)
    if apply.number != number:
        raise StateMoved(apply=f"must be {apply.number}, the newest one that was not undone")
    state = await look(uow, customer_id, lock=True)
    moved = [change for change in apply.changes if not _is_as_left(state, change)]
    if moved and not force:
        raise ChangedSince(*(Fault(f"{one.kind} {one.key}", "was changed since") for one in moved))
    back = [change.inverse() for change in reversed(apply.changes) if _can_go_back(state, change)]
    done = await _all(uow, customer_id, back, {})
    await store.change(uow.session, apply.id, apply.changes, uow.now)
    if not moved:
        await _carry(uow, apply, done.changes)
    return Done(undone(apply, uow.now), done.changes, done.passwords)


async def forget(uow: Uow, customer_id: UUID) -> None:
    """Remember nothing of what was applied for a customer who is no more."""
    await store.forget(uow.session, customer_id)


async def _of_others(uow: Uow, wanted: Wanted, creates: Iterable[Change]) -> list[Fault]:
    """Domain names that another customer's trunks have."""
    paths = {item.asked.domain_name.lower(): item.path for item in wanted.trunks or ()}
    found = [one.key for one in creates if one.kind == "trunk" and await trunks.is_taken(uow, one.key)]
    return [Fault(f"{paths[key]}.domain_name", "is taken") for key in found]


async def _all(uow: Uow, customer_id: UUID, changes: Iterable[Change], secrets: Mapping[str, Secret]) -> Done:
    done, passwords = list[Change](), list[Password]()
    for change in changes:
        made, secret = await do(uow, customer_id, change, secrets)
        done.append(made)
        if secret:
            passwords.append(Password(made, secret))
    return Done(None, tuple(done), tuple(passwords))


def _is_as_left(state: State, change: Change) -> bool:
    """Whether the object is what the apply has made of it."""
    if change.action == "delete":
        return change.key.lower() not in (state.extensions if change.kind == "extension" else state.trunks)
    one = state.at(change.kind, change.id)
    return one is not None and changed_at(one) == change.after


def _can_go_back(state: State, change: Change) -> bool:
    """What was made or changed is still there, and nobody is in the place of what was deleted."""
    return _is_as_left(state, change) if change.action == "delete" else state.at(change.kind, change.id) is not None


async def _carry(uow: Uow, apply: Apply, done: Iterable[Change]) -> None:
    """Objects have another time of change now: say so to the applies before, lest they take it for somebody else's."""
    was = {change.id: change.before for change in apply.changes}
    moments: dict[UUID | None, datetime | None] = {change.id: change.after for change in done}
    below = apply.number
    while moments and (earlier := await store.newest(uow.session, apply.customer_id, below=below)):
        below = earlier.number
        changes = tuple(
            replace_change(change, after=moments[change.id])
            if change.id in moments and change.after == was[change.id]
            else change
            for change in earlier.changes
        )
        if changes != earlier.changes:
            await store.change(uow.session, earlier.id, changes, None)
        for change in earlier.changes:
            moments.pop(change.id, None)
