"""Direct addresses as JSON."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from ringback.kit.errors import Fault
from ringback.kit.reading import Asked, Identity
from ringback.registrar.directs.model import Direct
from ringback.sip.names import direct_uri


class DirectFilters(Asked, frozen=True, kw_only=True):
    """Which directs to list: one of the first three is required."""

    id: Identity | None = None
    customer_id: Identity | None = None
    extension_id: Identity | None = None
    deleted: bool | None = None

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        if not values.keys() & {"id", "customer_id", "extension_id"}:
            yield Fault("customer_id", "is required, or id, or extension_id, or hash in the query")


class DirectNews(msgspec.Struct, frozen=True):
    """A direct address in an event."""

    id: UUID
    customer_id: UUID
    extension_id: UUID
    hash: str
    tm_create: datetime
    tm_update: datetime | None
    tm_delete: datetime | None
    direct_uri: str


def news(direct: Direct, domain: str) -> DirectNews:
    return DirectNews(
        **msgspec.structs.asdict(direct), direct_uri="" if direct.tm_delete else direct_uri(direct.hash, domain)
    )
