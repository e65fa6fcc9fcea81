"""What the doors of extensions and of trunks have in common: lists over REST and RPC."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Protocol, TypeVar

import msgspec

from ringback.api.call import Call
from ringback.kit import rpc
from ringback.kit.pages import LARGEST, Cursor, Page, PageSize, PageToken, cursor_of, page_of
from ringback.kit.reading import Asked, read
from ringback.registrar.work import Uow

P = TypeVar("P", covariant=True)
T = TypeVar("T")

Exactly = Annotated[str, msgspec.Meta(description="only those with exactly this")]
Gone = Annotated[bool, msgspec.Meta(description="true: those that are no more; false: those that live")]
OF_PAGES: Final = {"page_size", "page_token", "deleted"}
"""What of a query is no column."""


class Fetch(Protocol[P]):
    """A service's list: `page` for REST, `whole_moments` for RPC."""

    async def __call__(
        self, uow: Uow, wanted: Mapping[str, Any], cursor: Cursor | None, size: int, *, deleted: bool
    ) -> P: ...


class ListQuery(Asked, frozen=True, kw_only=True):
    """Which of them, and which page."""

    page_size: PageSize = LARGEST
    page_token: PageToken | None = None
    name: Exactly | None = None
    username: Exactly | None = None
    domain_name: Exactly | None = None
    deleted: Gone = False


async def page(call: Call[Uow], fetch: Fetch[Page[T]]) -> Page[T]:
    """The page that a customer asks for, of what is theirs."""
    asked: ListQuery = call.query
    wanted = {name: value for name, value in asked.given().items() if name not in OF_PAGES}
    wanted["customer_id"] = call.customer_id
    return await fetch(call.uow, wanted, cursor_of(asked.page_token), asked.page_size, deleted=asked.deleted)


async def whole_moments(call: rpc.Call[Uow], shape: type[Asked], fetch: Fetch[list[T]]) -> list[T]:
    """What a peer asks for by filters; it goes on from the last `tm_create`."""
    filters, cursor, size = page_of(
        call.query.get("page_size"),
        call.query.get("page_token"),
        lambda: read(shape, call.data, refuse_null=True),
    )
    wanted = filters.given()
    return await fetch(call.uow, wanted, cursor, size, deleted=bool(wanted.pop("deleted", False)))
