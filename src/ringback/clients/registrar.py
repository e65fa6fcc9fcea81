"""The registrar for other programs: a method for each RPC of its contract, section 5."""

import time
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import msgspec
from msgspec.json import Decoder

from ringback.kit.errors import (
    DatabaseUnavailable,
    Failure,
    Internal,
    InvalidJsonBody,
    InvalidPageToken,
    PeerUnavailable,
    RouteNotFound,
    ValidationFailed,
)
from ringback.kit.peer import TIMEOUT, Observer, Peer
from ringback.kit.rpc import Send
from ringback.registrar.asked import OfCustomer
from ringback.registrar.contacts.model import Contact, ContactNotFound
from ringback.registrar.contacts.wire import ContactsToForget, OfExtension
from ringback.registrar.directs.model import (
    Direct,
    DirectFlagsConflict,
    DirectNotEnabled,
    DirectNotFound,
    HashUnavailable,
    LookupRateLimited,
)
from ringback.registrar.directs.wire import DirectFilters
from ringback.registrar.extensions.model import ExtensionNotFound, NumberTaken
from ringback.registrar.extensions.wire import (
    ChangeExtension,
    ExtensionFilters,
    ExtensionOverRpc,
    NewExtensionOfCustomer,
)
from ringback.registrar.realms.model import (
    CustomerDeleted,
    CustomerFrozen,
    LabelInUse,
    LabelTaken,
    LimitExceeded,
    RealmNotFound,
)
from ringback.registrar.realms.wire import CustomerDomain
from ringback.registrar.trunks.model import DomainTaken, OutboundTaken, TrunkNotFound
from ringback.registrar.trunks.wire import ChangeTrunk, NewTrunkOfCustomer, TrunkFilters, TrunkOverRpc

REGISTRAR: Final = "bin-manager.registrar-manager.request"
"""The target that the registrar answers at."""

FAILURES: Final[tuple[type[Failure], ...]] = (
    ValidationFailed,
    InvalidJsonBody,
    InvalidPageToken,
    RouteNotFound,
    ExtensionNotFound,
    NumberTaken,
    TrunkNotFound,
    DomainTaken,
    OutboundTaken,
    DirectNotFound,
    DirectNotEnabled,
    DirectFlagsConflict,
    HashUnavailable,
    LookupRateLimited,
    CustomerFrozen,
    CustomerDeleted,
    LabelTaken,
    LabelInUse,
    LimitExceeded,
    RealmNotFound,
    ContactNotFound,
    DatabaseUnavailable,
    PeerUnavailable,
    Internal,
)
"""What the registrar refuses with (registrar 3.2); any other reason becomes the class of its status."""


class Count(msgspec.Struct):
    """How many there are."""

    count: int


EXTENSION: Final = Decoder(ExtensionOverRpc)
EXTENSIONS: Final = Decoder(list[ExtensionOverRpc])
DIRECT: Final = Decoder(Direct)
DIRECTS: Final = Decoder(list[Direct])
CONTACTS: Final = Decoder(list[Contact])
COUNT: Final = Decoder(Count)
TRUNK: Final = Decoder(TrunkOverRpc)
TRUNKS: Final = Decoder(list[TrunkOverRpc])
DOMAIN: Final = Decoder(CustomerDomain)


class RegistrarClient:
    """Asks the registrar, in process, over a socket or over a broker: that is the business of `send`.

    Every method raises the `Failure` that the registrar meant, with its faults, or `PeerUnavailable` when there was no
    answer within `timeout` seconds; then a change may have been made all the same. After five such silences in a row
    the registrar is left alone for 30 seconds. Make one client for a process.
    """

    def __init__(
        self,
        send: Send,
        publisher: str,
        *,
        target: str = REGISTRAR,
        timeout: float = TIMEOUT,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._peer = Peer(send, target, publisher, FAILURES, timeout=timeout, observer=observer, clock=clock)

    async def contact_list(self, customer_id: UUID, extension: str) -> Sequence[Contact]:
        """RPC 1: the live contacts of a customer's number; none for an unknown one."""
        asked = OfExtension(customer_id=customer_id, extension=extension)
        return await self._peer.ask(CONTACTS, "GET", "/v1/contacts", data=asked)

    async def contact_delete(self, customer_id: UUID, extension: str, id: str = "") -> Sequence[Contact]:
        """RPC 21: take away all contacts of a number, or the one of that id; those that went."""
        asked = ContactsToForget(customer_id=customer_id, extension=extension, id=id)
        return await self._peer.ask(CONTACTS, "DELETE", "/v1/contacts", data=asked)

    async def contact_refresh(self, customer_id: UUID, extension: str) -> None:
        """RPC 2: the next read of these contacts goes to the database."""
        asked = OfExtension(customer_id=customer_id, extension=extension)
        await self._peer.tell("PUT", "/v1/contacts", data=asked)

    async def extension_count(self, customer_id: UUID) -> int:
        """RPC 3: how many live extensions a customer has."""
        asked = OfCustomer(customer_id=customer_id)
        return (await self._peer.ask(COUNT, "GET", "/v1/extensions/count_by_customer", data=asked)).count

    async def extension_direct_regenerate(self, id: UUID) -> ExtensionOverRpc:
        """RPC 4: a new hash for the extension's direct address."""
        return await self._peer.ask(EXTENSION, "POST", "/v1/extensions/<extension-id>/direct-hash-regenerate", id)

    async def extension_get(self, id: UUID) -> ExtensionOverRpc:
        """RPC 5."""
        return await self._peer.ask(EXTENSION, "GET", "/v1/extensions/<extension-id>", id)

    async def extension_update(self, id: UUID, asked: ChangeExtension) -> ExtensionOverRpc:
        """RPC 6: change what is given, leave the rest; a new password is in the result, and never again."""
        return await self._peer.ask(EXTENSION, "PUT", "/v1/extensions/<extension-id>", id, data=asked)

    async def extension_delete(self, id: UUID) -> ExtensionOverRpc:
        """RPC 7: end it; the result has its `tm_delete`."""
        return await self._peer.ask(EXTENSION, "DELETE", "/v1/extensions/<extension-id>", id)

    async def extension_create(self, asked: NewExtensionOfCustomer) -> ExtensionOverRpc:
        """RPC 8: give a customer an extension; its password is in the result, and never again."""
        return await self._peer.ask(EXTENSION, "POST", "/v1/extensions", data=asked)

    async def extension_list(
        self, filters: ExtensionFilters, *, page_size: int | None = None, page_token: str | None = None
    ) -> Sequence[ExtensionOverRpc]:
        """RPC 9: newest first; the next page begins at the token that is the last one's `tm_create`."""
        page = {"page_size": page_size, "page_token": page_token}
        return await self._peer.ask(EXTENSIONS, "GET", "/v1/extensions", data=filters, query=page)

    async def extension_get_by_number(self, customer_id: UUID, number: str) -> ExtensionOverRpc:
        """RPC 10: in whatever letter case."""
        asked = OfCustomer(customer_id=customer_id)
        return await self._peer.ask(EXTENSION, "GET", "/v1/extensions/extension/<extension>", number, data=asked)

    async def trunk_count(self, customer_id: UUID) -> int:
        """RPC 11: how many live trunks a customer has."""
        asked = OfCustomer(customer_id=customer_id)
        return (await self._peer.ask(COUNT, "GET", "/v1/trunks/count_by_customer", data=asked)).count

    async def trunk_list(
        self, filters: TrunkFilters, *, page_size: int | None = None, page_token: str | None = None
    ) -> Sequence[TrunkOverRpc]:
        """RPC 12: pages as of RPC 9."""
        page = {"page_size": page_size, "page_token": page_token}
        return await self._peer.ask(TRUNKS, "GET", "/v1/trunks", data=filters, query=page)

    async def trunk_create(self, asked: NewTrunkOfCustomer) -> TrunkOverRpc:
        """RPC 13: give a customer a trunk; its password is in the result, and never again."""
        return await self._peer.ask(TRUNK, "POST", "/v1/trunks", data=asked)

    async def trunk_get(self, id: UUID) -> TrunkOverRpc:
        """RPC 14."""
        return await self._peer.ask(TRUNK, "GET", "/v1/trunks/<trunk-id>", id)

    async def trunk_update(self, id: UUID, asked: ChangeTrunk) -> TrunkOverRpc:
        """RPC 15: change what is given, leave the rest; a new password is in the result, and never again."""
        return await self._peer.ask(TRUNK, "PUT", "/v1/trunks/<trunk-id>", id, data=asked)

    async def trunk_delete(self, id: UUID) -> TrunkOverRpc:
        """RPC 16: end it; the result has its `tm_delete`."""
        return await self._peer.ask(TRUNK, "DELETE", "/v1/trunks/<trunk-id>", id)

    async def trunk_get_by_domain_name(self, domain_name: str) -> TrunkOverRpc:
        """RPC 17: in whatever letter case."""
        return await self._peer.ask(TRUNK, "GET", "/v1/trunks/domain_name/<domain-name>", domain_name)

    async def extension_direct_get_by_hash(self, hash: str, *, source: str | None = None) -> Direct:
        """RPC 18 by hash; `source` is who asked for it, so that guessing is throttled there and nowhere else."""
        return await self._peer.ask(DIRECT, "GET", "/v1/extension-directs", query={"hash": hash, "source": source})

    async def extension_direct_list(self, filters: DirectFilters) -> Sequence[Direct]:
        """RPC 18 without a hash."""
        return await self._peer.ask(DIRECTS, "GET", "/v1/extension-directs", data=filters)

    async def extension_get_by_direct_hash(self, hash: str, *, source: str | None = None) -> ExtensionOverRpc:
        """RPC 19: the extension behind a direct address; `source` as with RPC 18."""
        query = {"source": source}
        return await self._peer.ask(EXTENSION, "GET", "/v1/extensions/by-direct-hash/<hash>", hash, query=query)

    async def customer_domain_get_by_realm(self, realm: str) -> CustomerDomain:
        """RPC 20: the customer that a realm belongs to, in whatever letter case."""
        return await self._peer.ask(DOMAIN, "GET", "/v1/customer_domains/realm/<realm>", realm)
