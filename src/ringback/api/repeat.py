"""`Idempotency-Key`: a POST or PATCH that is sent again under its key is done once, and answered as it was then."""

import re
from hashlib import sha256
from typing import Any, Final

import msgspec
from starlette.requests import Request

from ringback.api.call import Answer, Caller, Route, Verb, without_secrets
from ringback.api.request import path_of
from ringback.kit import replays
from ringback.kit.errors import ValidationFailed
from ringback.kit.reading import object_of
from ringback.kit.replays import Once
from ringback.kit.routing import Route as Entry

HEADER: Final = "Idempotency-Key"
METHODS: Final = ("POST", "PATCH")
KEY: Final = "[!-~]{1,255}"
REPLAYED: Final = {"idempotent-replay": "true"}


class Kept(msgspec.Struct, frozen=True):
    """An answer as it is given again: without secrets."""

    data: msgspec.Raw
    status: int
    location: str | None
    tag: str | None
    headers: dict[str, str]


def takes_key(route: Entry[Route]) -> bool:
    """Whether a key means anything there: where nothing is written nothing is done twice, and nobody has no keys.

    What streams is not kept to be compared; it says by itself what of it was done before.
    """
    if route.method not in METHODS:
        return False
    return not (route.about.get("reads") or route.about.get("streams")) and route.about["right"] is not None


def key_of(request: Request, route: Entry[Route]) -> str | None:
    """The key of the request, if it has one that means anything there."""
    given = request.headers.getlist(HEADER) if takes_key(route) else []
    if given and not (len(given) == 1 and re.fullmatch(KEY, given[0])):
        raise ValidationFailed(**{HEADER: "must be 1 to 255 visible ASCII characters"})
    return given[0] if given else None


def once(verb: Verb, key: str | None, request: Request, raw: bytes, caller: Caller) -> Verb:
    """The verb, or what it was answered the first time.

    Keys are their owner's. All of the request but its headers must be the same; of the body what it says, not how.
    Neither the key nor the body is kept, and the hash of the body cannot be guessed without the key.
    """
    if key is None:
        return verb
    said = [request.method, path_of(request.scope), request.scope["query_string"].decode("latin-1"), object_of(raw)]
    whose = (str(caller.customer_id), caller.identity, key)
    this = Once(_hash(whose), _hash((whose, said)))

    async def done(uow: Any) -> Answer:
        if before := await replays.begin(uow, this):
            return _again(msgspec.json.decode(before, type=Kept))
        answer = await verb(uow)
        if answer.refused:
            await replays.drop(uow, this)
            return answer
        await replays.keep(uow, this, msgspec.json.encode(_kept(answer)).decode())
        return answer

    return done


def _hash(what: object) -> str:
    return sha256(msgspec.json.encode(what, order="sorted")).hexdigest()


def _kept(answer: Answer) -> Kept:
    data = msgspec.Raw(msgspec.json.encode(without_secrets(answer.data)))
    return Kept(data, answer.status, answer.location, answer.entity_tag, dict(answer.headers))


def _again(kept: Kept) -> Answer:
    return Answer(kept.data, kept.status, kept.location, kept.tag, kept.headers | REPLAYED)
