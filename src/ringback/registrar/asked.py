"""What requests about extensions and about trunks have in common."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from ringback.kit.errors import Fault
from ringback.kit.reading import Asked, Identity, read
from ringback.registrar.fields import Password, Text

C = TypeVar("C", bound="Change")


class OfCustomer(Asked, frozen=True, kw_only=True):
    """A request about one customer."""

    customer_id: Identity


class Change(Asked, frozen=True, kw_only=True):
    """What is to become different; absent and null fields stay as they are."""

    name: Text | None = None
    detail: Text | None = None
    password: Password | None = None
    password_regenerate: bool | None = None

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        if values.get("password_regenerate") and "password" in values:
            yield Fault("password_regenerate", "must not be true together with a password")


class Filters(Asked, frozen=True, kw_only=True):
    """Which of them a peer wants: equality, ANDed; of one customer, or the one of that id."""

    id: Identity | None = None
    customer_id: Identity | None = None
    name: str | None = None
    domain_name: str | None = None
    realm: str | None = None
    username: str | None = None
    deleted: bool | None = None

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        if not values.keys() & {"id", "customer_id"}:
            yield Fault("customer_id", "is required, or id")


def change_from_peer(shape: type[C], data: Mapping[str, object], empty: str) -> C:
    """The change that a PUT over RPC asks for.

    Go's api-manager always sends a password, empty when there is none; `empty` says what that does (keep, refuse).
    """
    if empty == "keep" and data.get("password") == "":
        data = {name: value for name, value in data.items() if name != "password"}
    return read(shape, data)
