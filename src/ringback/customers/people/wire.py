"""People as they are asked for and shown; a password only once, where it was made."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from ringback.customers.keys.wire import Name, Role
from ringback.customers.people.model import LONGEST, SHORTEST, Person, Status
from ringback.customers.wire import Email
from ringback.kit.reading import Asked, rule
from ringback.kit.secret import Discreet, Secret

Password = Annotated[
    Secret,
    rule(
        f"{SHORTEST} to {LONGEST} characters",
        lambda secret: SHORTEST <= len(secret.reveal()) <= LONGEST,
        minLength=SHORTEST,
        maxLength=LONGEST,
        writeOnly=True,
    ),
]
Roles = Annotated[tuple[Role, ...], rule("a list of at least one role", bool, minItems=1)]


class NewPerson(Asked, frozen=True, kw_only=True):
    """Somebody who shall be able to sign in; without `password` one is made and shown once."""

    email: Email
    name: Name
    roles: Roles
    password: Password | None = None


class ChangePerson(Asked, frozen=True, kw_only=True):
    """What is to become different; absent and null fields stay as they are."""

    name: Name | None = None
    roles: Roles | None = None
    status: Annotated[Status, msgspec.Meta(description="disabled: cannot sign in")] | None = None
    password: Password | None = None

    def plain(self) -> dict[str, Any]:
        """The fields that are kept as they are given."""
        fields = {name: value for name, value in self.given().items() if name != "password"}
        return {**fields, "roles": tuple(dict.fromkeys(self.roles))} if self.roles else fields


class CustomerManagerPerson(Discreet, frozen=True):
    """A person. `password` is empty but in the answer that made it; `customer_id` is null for the platform's own."""

    id: UUID
    customer_id: UUID | None
    email: str
    name: str
    roles: list[str]
    status: Status
    password: str
    tm_create: datetime
    tm_update: datetime | None


def shown(person: Person, password: Secret | None = None) -> CustomerManagerPerson:
    return CustomerManagerPerson(
        id=person.id,
        customer_id=person.customer_id,
        email=person.email,
        name=person.name,
        roles=list(person.roles),
        status=person.status,
        password=password.reveal() if password else "",
        tm_create=person.tm_create,
        tm_update=person.tm_update,
    )


def audited(person: Person) -> dict[str, Any]:
    """The same for the audit log, which hides the password and tells that it is another one."""
    return {**msgspec.to_builtins(shown(person)), "password": person.password_hash}


class SignIn(Asked, frozen=True, kw_only=True):
    """An e-mail address, in whatever letter case, and its password."""

    email: str
    password: Annotated[Secret, msgspec.Meta(extra_json_schema={"writeOnly": True})]


class ChangeOwnPassword(Asked, frozen=True, kw_only=True):
    """The password that works now, and the one that shall."""

    current_password: Annotated[Secret, msgspec.Meta(extra_json_schema={"writeOnly": True})]
    password: Password


class PasswordChanged(msgspec.Struct, frozen=True):
    """The new password works; all other sessions have ended."""

    changed: bool


class Refresh(Asked, frozen=True, kw_only=True):
    """The newest refresh token of a session."""

    refresh_token: Annotated[Secret, msgspec.Meta(extra_json_schema={"writeOnly": True})]


class SignedIn(Discreet, frozen=True):
    """An access token for requests (`expires_in` seconds), and the refresh token for the next one."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int


class SignedOut(msgspec.Struct, frozen=True):
    """There is no such session any more."""

    signed_out: bool


class WhoAmI(msgspec.Struct, frozen=True):
    """Who is asking: a `key`, a `person`, or an `agent` of VoIPbin. `scopes` null: whatever the roles allow."""

    kind: str
    id: str
    name: str
    email: str | None
    customer_id: UUID | None
    roles: list[str]
    scopes: list[str] | None
    tm_expire: datetime | None
