"""What goes back over HTTP: an answer, or why there is none."""

from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

from ringback.api import request as asked
from ringback.api.call import Answer
from ringback.kit.errors import Failure, InvalidArgument


class MethodNotAllowed(InvalidArgument):
    """The method is not allowed here."""

    code, reason = 405, "METHOD_NOT_ALLOWED"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__()
        self.allowed = sorted({*allowed, "HEAD"} if "GET" in allowed else allowed)


def response_of(request: asked.Heard, answer: Answer) -> Response:
    """An answer, or that it is known already."""
    headers = dict(answer.headers)
    if answer.stream:
        if request.method == "HEAD":
            return Response(b"", answer.status, headers, answer.media)
        return StreamingResponse(answer.stream, answer.status, headers, answer.media)
    if answer.content is not None:
        return Response(answer.content, answer.status, headers, answer.media)
    if tag := answer.entity_tag:
        headers["etag"] = tag
        if request.method in asked.READING and _is_known(request, headers["etag"]):
            return Response(status_code=304, headers=headers)
    if answer.location:
        headers["location"] = answer.location
    return Response(answer.body, answer.status, headers, asked.JSON)


def _is_known(request: asked.Heard, tag: str) -> bool:
    """Whether the caller has that very state already (RFC 9110 13.1.2, a weak comparison)."""
    known = [text.strip().removeprefix("W/") for text in request.said.get("if-none-match", "").split(",")]
    return tag in known or known == ["*"]


def refusal(failure: Failure, request_id: str) -> Response:
    """The error envelope of REST (registrar 18.1)."""
    error: dict[str, Any] = {
        "status": failure.status,
        "reason": failure.reason,
        "message": failure.sentence,
        "request_id": request_id,
    }
    if details := failure.detail_objects():
        error["details"] = details
    error |= failure.more
    headers = {"allow": ", ".join(failure.allowed)} if isinstance(failure, MethodNotAllowed) else {}
    if failure.tag:
        headers["etag"] = failure.tag
    if failure.seconds:
        headers["retry-after"] = str(failure.seconds)
    if failure.code == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(msgspec.json.encode({"error": error}), failure.code, headers, asked.JSON)
