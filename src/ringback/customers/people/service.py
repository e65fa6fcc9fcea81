"""The rules of people: who is there, what their passwords must be, and when their sessions end."""

from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from ringback.customers.keys.model import FREE, Limits
from ringback.customers.keys.service import require_roles
from ringback.customers.people import store
from ringback.customers.people.model import Person, PersonNotFound
from ringback.customers.people.wire import ChangePerson, NewPerson, audited, is_email
from ringback.customers.sessions import service as sessions
from ringback.kit.errors import Fault, PermissionDenied, ValidationFailed
from ringback.kit.reading import Faults
from ringback.kit.secret import Secret
from ringback.kit.uow import UnitOfWork
from ringback.registrar.work import Uow

KIND: Final = "person"

page = store.page


async def create(
    uow: Uow, customer_id: UUID | None, asked: NewPerson, by: Limits = FREE
) -> tuple[Person, Secret | None]:
    """A new person, and the password if it was made for them. Whoever is limited themselves makes nobody."""
    _require_free(by)
    faults = Faults()
    faults.of(lambda: require_roles(asked.roles, of_customer=customer_id is not None))
    faults.of(lambda: _require_good(asked.password, asked.email))
    if faults.found:
        raise ValidationFailed(*faults.found)
    password, hash = uow.outside("password", lambda: uow.memory.passwords.new(asked.password))
    roles = tuple(dict.fromkeys(asked.roles))
    person = Person(uow.new_id(), customer_id, asked.email.lower(), asked.name, roles, hash, uow.now)
    await store.add(uow.session, person)
    uow.audited(KIND, None, audited(person))
    return person, None if asked.password else password


async def get(uow: UnitOfWork, id: UUID, *, of: UUID | None, lock: bool = False) -> Person:
    """A person of that customer, or of the platform; another's is not there."""
    person = await store.by_id(uow.session, id, lock=lock)
    if person is None or person.customer_id != of:
        raise PersonNotFound
    return person


async def by_email(uow: UnitOfWork, email: str) -> Person | None:
    """The person of an address in whatever letter case, of whichever customer."""
    return await store.by_email(uow.session, email.lower()) if is_email(email) else None


async def change(uow: Uow, id: UUID, asked: ChangePerson, *, of: UUID | None, by: Limits = FREE) -> Person:
    """The person as they are then. A new password, or none that lets them in any more, ends their sessions."""
    _require_free(by)
    before = await get(uow, id, of=of, lock=True)
    faults = Faults()
    faults.of(lambda: require_roles(asked.roles or (), of_customer=of is not None))
    faults.of(lambda: _require_good(asked.password, before.email))
    if faults.found:
        raise ValidationFailed(*faults.found)
    fields: dict[str, Any] = asked.plain()
    if given := asked.password:
        _, fields["password_hash"] = uow.outside("password", lambda: uow.memory.passwords.new(given))
    after = replace(before, **fields)
    if after == before:
        return before
    after = replace(after, tm_update=uow.now)
    await store.change(uow.session, after)
    uow.audited(KIND, audited(before), audited(after))
    if asked.password or after.status == "disabled":
        await sessions.end_all(uow, id)
    return after


async def delete(uow: UnitOfWork, id: UUID, *, of: UUID | None) -> Person:
    """The person as they were: nothing is left of them here, and their sessions end."""
    person = await get(uow, id, of=of, lock=True)
    await sessions.end_all(uow, id)
    await store.drop(uow.session, id)
    uow.audited(KIND, audited(person), None)
    return person


async def delete_all(uow: UnitOfWork, customer_id: UUID) -> None:
    """The same for everybody of a customer."""
    for id in await store.of_customer(uow.session, customer_id):
        await delete(uow, id, of=customer_id)


async def signed_in(uow: UnitOfWork, id: UUID) -> Person | None:
    """The person of a session, if they may be signed in."""
    person = await store.by_id(uow.session, id)
    return person if person and person.status == "active" else None


def _require_free(by: Limits) -> None:
    """People are held to their roles alone, so a key that is held to more would make more than it is."""
    if by != FREE:
        raise PermissionDenied


def _require_good(password: Secret | None, email: str) -> None:
    if password and password.reveal().lower() == email.lower():
        raise ValidationFailed(Fault("password", "must not be the e-mail address"))
