"""Events of the caller's customer as they happen: `/v1.0/events`."""

from typing import Annotated, Final

import msgspec

from ringback.api.call import Answer, Call, Listening, Nothing, Route
from ringback.api.news import TYPES
from ringback.customers.rights import READ
from ringback.kit.columns import NIL
from ringback.kit.reading import Asked, rule
from ringback.kit.routing import Routes
from ringback.registrar.work import Uow

routes: Routes[Route] = Routes()
STREAM: Final = "text/event-stream"
TYPE: Final = f"(?:{'|'.join(TYPES)})"
EXAMPLE: Final = """\
retry: 2000
: listening
id: 4711

id: 4712
event: extension_deleted
data: {"type":"extension_deleted","publisher":"registrar-manager","data_type":"application/json","data":{…}}

: listening
id: 4720

"""


class ListenTo(Asked, frozen=True, kw_only=True):
    """Which events."""

    types: (
        Annotated[
            str,
            rule(
                f"types of events, with commas between them, of {', '.join(TYPES)}",
                lambda text: set(text.split(",")) <= {*TYPES},
                pattern=f"^{TYPE}(?:,{TYPE})*$",
                examples=["extension_created,extension_deleted"],
            ),
        ]
        | None
    ) = None


class EventStream(msgspec.Struct, frozen=True):
    """Server-sent events until one side ends it, each with its type, its id and, as data, its envelope."""


@routes.on(
    "GET",
    "/v1.0/events",
    right=READ,
    whose="either",
    name="listen",
    query=ListenTo,
    answers=EventStream,
    media=STREAM,
)
async def listen(call: Call[Uow]) -> Answer:
    """Listen to events as they happen.

    Of your customer; with the platform operator's key of all, or of the one that is named. Send the last `id` that you
    have got as `Last-Event-ID` and nothing is left out, for 24 hours (0: all that is kept); what cannot be told any
    more is told by the event `reset`: read anew what you need to know. A line without data comes every 15 seconds.
    """
    types = frozenset(call.query.types.split(",")) if call.query.types else frozenset()
    return Answer(Nothing(), listening=Listening(None if call.customer_id == NIL else call.customer_id, types))
