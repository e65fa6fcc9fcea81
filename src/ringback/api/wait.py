"""`?wait=applied`: the answer to a change comes when others have followed it, and says who has not."""

from typing import Annotated, Literal

import msgspec

from ringback.kit.reading import Asked


class Wait(Asked, frozen=True, kw_only=True):
    """Whether to answer at once, or when the others know."""

    wait: (
        Annotated[
            Literal["applied"],
            msgspec.Meta(description="`applied`: answer when all who serve this have followed the change"),
        ]
        | None
    ) = None
    timeout_ms: Annotated[
        int, msgspec.Meta(ge=1, le=10000, description="1 to 10000 milliseconds: how long to wait for them")
    ] = 5000
