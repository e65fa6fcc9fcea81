"""Asterisk asks what becomes of a call before it rings: HTTP in, one line for its dialplan out (router P-6)."""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl, quote

import structlog
from starlette.requests import Request
from starlette.responses import Response

from ringback.api.gateway import Page
from ringback.api.request import bytes_of, read_query
from ringback.kit.errors import Failure
from ringback.router.pipelines.screening import Passed, Question, Rejected

PATH: Final = "/screen"
METHODS: Final = ("POST",)
Screen = Callable[[Question], Awaitable[Passed]]

log = structlog.get_logger()


def pages(screen: Screen) -> dict[str, Page]:
    """What is served where Asterisk asks."""

    async def answered(request: Request) -> Response:
        """`pass|<number>|<name>`, `reject`, or the failure of the run: then the dialplan does what the policy says."""
        text = b"&".join((request.scope["query_string"], await bytes_of(request))).decode("latin-1")
        # A caller's text may be cut in the middle of a letter, or be no UTF-8: that is no way around a policy.
        asked = read_query(Question, dict(parse_qsl(text, keep_blank_values=True, errors="replace")))
        try:
            return Response(told(await screen(asked)), media_type="text/plain")
        except Rejected:
            return Response("reject", media_type="text/plain")
        except Failure as failure:
            log.warning("a call was not screened", customer_id=str(asked.customer_id), reason=failure.reason)
            raise

    return {PATH: answered}


def told(passed: Passed) -> str:
    """As the dialplan reads it: each field empty, or a colon and the text, escaped as in addresses."""
    return "|".join(("pass", *map(_field, (passed.caller, passed.caller_name))))


def _field(text: str | None) -> str:
    return "" if text is None else f":{quote(text, safe='')}"
