"""The rules of people: who is there, what their passwords must be, and when their sessions end."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from ringback.customers.audit import service as audit
from ringback.customers.keys.model import FREE, Limits
from ringback.customers.keys.service import require_roles
from ringback.customers.people import store
from ringback.customers.people.model import Person, PersonNotFound
from ringback.customers.people.wire import ChangePerson, NewPerson, audited
from ringback.customers.sessions import service as sessions
from ringback.customers.sessions.model import Session
from ringback.customers.wire import is_email
from ringback.kit.errors import Fault, PermissionDenied, ValidationFailed
from ringback.kit.pages import Cursor, Page
from ringback.kit.reading import Faults
from ringback.kit.secret import Secret
from ringback.kit.uow import UnitOfWork
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import CustomerDeleted
from ringback.registrar.work import Uow

KIND: Final = "person"


async def create(
    uow: Uow, customer_id: UUID | None, asked: NewPerson, by: Limits = FREE
) -> tuple[Person, Secret | None]:
    """A new person, and the password if it was made for them.

    Whoever is limited themselves makes nobody, and a deleted customer gets nobody.
    """
    _require_free(by)
    faults = Faults()
    faults.of(lambda: require_roles(asked.roles, of_customer=customer_id is not None))
    faults.of(lambda: require_good(asked.password, asked.email))
    if faults.found:
        raise ValidationFailed(*faults.found)
    password, hash = uow.outside("password", lambda: uow.memory.passwords.new(asked.password))
    if customer_id is not None and await realms.is_deleted(uow, customer_id):
        raise CustomerDeleted
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


async def page(
    uow: UnitOfWork, of: UUID | None, wanted: Mapping[str, Any], cursor: Cursor | None, size: int
) -> Page[Person]:
    """One page of the people of a customer, or of the platform, newest first."""
    return await store.page(uow.session, of, wanted, cursor, size)


async def by_email(uow: UnitOfWork, email: str) -> Person | None:
    """The person of an address in whatever letter case, of whichever customer."""
    return await store.by_email(uow.session, email.lower()) if is_email(email) else None


async def change(
    uow: Uow, id: UUID, asked: ChangePerson, *, of: UUID | None, by: Limits = FREE, but: UUID | None = None
) -> Person:
    """The person as they are then.

    A new password, or none that lets them in any more, ends their sessions, all `but` one.
    """
    _require_free(by)
    before = await get(uow, id, of=of, lock=True)
    faults = Faults()
    faults.of(lambda: require_roles(asked.roles or (), of_customer=of is not None))
    faults.of(lambda: require_good(asked.password, before.email))
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
        await sessions.end_all(uow, id, but=but)
    return after


async def delete(uow: UnitOfWork, id: UUID, *, of: UUID | None) -> Person:
    """The person as they were: nothing is left of them here, their sessions end, and the audit log forgets them."""
    person = await get(uow, id, of=of, lock=True)
    await sessions.end_all(uow, id)
    await store.drop(uow.session, id)
    await audit.forget(uow, id)
    uow.audited(KIND, audited(person), None)
    return person


async def delete_all(uow: UnitOfWork, customer_id: UUID) -> None:
    """The same for everybody of a customer."""
    for id in await store.of_customer(uow.session, customer_id):
        await delete(uow, id, of=customer_id)


async def end_session(uow: UnitOfWork, id: UUID, session_id: UUID, *, of: UUID | None) -> None:
    """End one session of a person, whose access tokens are refused from then on."""
    person = await get(uow, id, of=of, lock=True)
    session = await sessions.end_one(uow, session_id, of=id)
    note(uow, person, "session_ended", before=told(session))


async def end_sessions(uow: UnitOfWork, id: UUID, *, of: UUID | None, but: UUID | None = None) -> int:
    """The same with all sessions of a person, but for that one; how many."""
    person = await get(uow, id, of=of, lock=True)
    ended, left = await sessions.end_all(uow, id, but=but), int(but is not None)
    note(uow, person, "sessions_ended", before={"sessions": ended + left}, after={"sessions": left})
    return ended


async def by_id(uow: UnitOfWork, id: UUID) -> Person | None:
    """The person of a session."""
    return await store.by_id(uow.session, id)


async def signed_in(uow: UnitOfWork, id: UUID) -> Person | None:
    """The person of a session, if they may be signed in."""
    person = await store.by_id(uow.session, id)
    return person if person and person.status == "active" else None


def note(
    uow: UnitOfWork,
    person: Person,
    action: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note in the audit log what a person did, or what was done to their sessions."""
    whose = {"id": person.id, "customer_id": person.customer_id}
    uow.audited(KIND, before and {**whose, **before}, after and {**whose, **after}, action)


def told(session: Session) -> dict[str, Any]:
    """A session as the audit log tells it."""
    return {"session": session.id, "tm_create": session.tm_create, "user_agent": session.user_agent}


def _require_free(by: Limits) -> None:
    """People are held to their roles alone, so a key that is held to more would make more than it is."""
    if by != FREE:
        raise PermissionDenied


def require_good(password: Secret | None, email: str) -> None:
    """`ValidationFailed` for a password that whoever knows the address would try first."""
    if password and password.reveal().lower() == email.lower():
        raise ValidationFailed(Fault("password", "must not be the e-mail address"))
