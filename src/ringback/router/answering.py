"""What all changes of the registry over REST have in common: the revision, the state that is expected, the waiting."""

from typing import Final

from ringback.api.call import Answer, Call, Verb
from ringback.api.wait import Wait
from ringback.kit.errors import DatabaseUnavailable
from ringback.router.work import Uow

REVISION: Final = "x-registry-revision"


def waiting(verb: Verb, asked: Wait) -> Verb:
    """The same verb; where that is asked for, its answer comes when its revision is applied, and says where (R-2c)."""

    async def done(uow: Uow) -> Answer:
        answer = await verb(uow)

        async def wait() -> None:
            revision = int(answer.headers[REVISION])
            try:
                answer.added["applied"] = await uow.registry.wait_applied(revision, asked.timeout_ms / 1000)
            except DatabaseUnavailable:  # the change is committed, whatever becomes of the look at the others
                answer.added["applied"] = None

        uow.then(wait)
        return answer

    return done if asked.wait else verb


def expected(call: Call[Uow]) -> set[int] | None:
    """The revisions that `If-Match` names; what is no revision of ours matches nothing."""
    if call.if_match is None or call.if_match.strip() == "*":
        return None
    tags = (tag.strip().strip('"') for tag in call.if_match.split(","))
    return {int(tag) for tag in tags if tag.isascii() and tag.isdecimal() and len(tag) < 19}


def revision_of(call: Call[Uow]) -> dict[str, str]:
    """The registry revision that the answer stands under."""
    return {REVISION: str(call.uow.revision)}
