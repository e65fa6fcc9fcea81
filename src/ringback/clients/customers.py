"""The customer manager for other programs: a method for each of its RPCs."""

import time
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from msgspec.json import Decoder

from ringback.customers.model import CustomerNotFound
from ringback.customers.wire import CustomerFilters, CustomerManagerCustomer
from ringback.kit.errors import (
    DatabaseUnavailable,
    Failure,
    Internal,
    InvalidJsonBody,
    InvalidPageToken,
    RouteNotFound,
    ValidationFailed,
)
from ringback.kit.peer import TIMEOUT, Observer, Peer
from ringback.kit.rpc import Send

CUSTOMER_MANAGER: Final = "bin-manager.customer-manager.request"
"""The target that the customer manager answers at."""

REFUSALS: Final[tuple[type[Failure], ...]] = (
    ValidationFailed,
    InvalidJsonBody,
    InvalidPageToken,
    RouteNotFound,
    CustomerNotFound,
    DatabaseUnavailable,
    Internal,
)
"""What the customer manager refuses with; any other reason becomes the class of its status."""

CUSTOMER: Final = Decoder(CustomerManagerCustomer)
CUSTOMERS: Final = Decoder(list[CustomerManagerCustomer])


class CustomerClient:
    """Asks the customer manager, in process, over a socket or over a broker: that is the business of `send`.

    Every method raises the `Failure` that it meant, with its faults, or `PeerUnavailable` when there was no answer
    within `timeout` seconds; after five such silences in a row it is left alone for 30 seconds. Make one client for a
    process.
    """

    def __init__(
        self,
        send: Send,
        publisher: str,
        *,
        target: str = CUSTOMER_MANAGER,
        timeout: float = TIMEOUT,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._peer = Peer(send, target, publisher, REFUSALS, timeout=timeout, observer=observer, clock=clock)

    async def customer_list(
        self, filters: CustomerFilters | None = None, *, page_size: int | None = None, page_token: str | None = None
    ) -> Sequence[CustomerManagerCustomer]:
        """Newest first; the next page begins at the token that is the last one's `tm_create`."""
        page = {"page_size": page_size, "page_token": page_token}
        return await self._peer.ask(CUSTOMERS, "GET", "/v1/customers", data=filters, query=page)

    async def customer_get(self, id: UUID) -> CustomerManagerCustomer:
        """One customer; one who is deleted is not found."""
        return await self._peer.ask(CUSTOMER, "GET", "/v1/customers/<customer-id>", id)
