"""Asks a Ringback over REST: one request, and what was asked for or the failure that it meant."""

import http.client
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import IO, Any, Final, Self
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import msgspec

from ringback.kit.errors import CannotStart, Failure, Unauthenticated, Unavailable
from ringback.kit.replies import BY_CODE, BY_STATUS, Refusal
from ringback.kit.secret import Secret

PATIENCE: Final = 30.0
"""Seconds that an answer may take."""
OURSELVES: Final = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")
TOKEN: Final = re.compile(r"[!-~]+")
AWAY: Final = (502, 503, 504)
"""What a proxy in front of a Ringback says while that is away."""


class NobodyAnswers(Unavailable):
    """No server is there."""

    reason = "NO_SERVER"


class NotUnderstood(Failure):
    """What answers is no Ringback, or not one of today."""

    reason = "UNREADABLE_REPLY"


class Told(Refusal):
    """What is said of it; of a run that failed how far it came."""

    run: dict[str, Any] | None = None


class Refused(msgspec.Struct):
    """The body of a refusal (registrar 18.1)."""

    error: Told


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to REST; `patience` are the seconds that its answer may take."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    if_match: str | None = None
    patience: float = PATIENCE


class _Stay(HTTPRedirectHandler):
    """Follows nobody elsewhere: the key is for the place that was named."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        return None


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Ringback is: `http://host:port` or `https://…`, with a path in front where a proxy wants one."""

    url: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str, name: str) -> Self:
        """`CannotStart` says what is wrong with the one of that name."""
        try:
            parts = urlsplit(text.strip())
            host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]
            host.encode("idna")
        except (ValueError, KeyError):
            raise CannotStart(f"{name}: must be http://host:port or https://host:port") from None
        if not host or "@" in parts.netloc or parts.query or parts.fragment or re.search(r"[^!-~]", parts.path):
            raise CannotStart(f"{name}: must be http://host:port or https://host:port, without a user or a query")
        return cls(_plain(parts), host, port)

    @property
    def is_ours(self) -> bool:
        """Whether it is on this machine."""
        return self.host in OURSELVES

    def is_same(self, other: "Address") -> bool:
        """Whether it is the same server, by whichever name of this machine."""
        hosts = self.host == other.host or (self.is_ours and other.is_ours)
        return hosts and (self.port, self.is_tls) == (other.port, other.is_tls)

    @property
    def is_tls(self) -> bool:
        return self.url.startswith("https:")


def _plain(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


class Client:
    """REST at one address with one key, which it never shows."""

    def __init__(self, at: Address, key: Secret, key_from: str) -> None:
        """`key_from` says where the key came from. A server of this machine is not asked through a proxy."""
        if not TOKEN.fullmatch(key.reveal()):
            raise CannotStart(f"{key_from}: is no access key")
        self._at = at
        self._key = key
        self._key_from = key_from
        self._opener = build_opener(_Stay, *([ProxyHandler({})] if at.is_ours else []))

    def ask(self, asked: Asked) -> dict[str, Any]:
        """The JSON object that comes back; any `Failure`, also where nobody or somebody else answers."""
        status, headers, raw = self._exchange(asked)
        if 300 <= status < 400:
            where = headers.get("location", "elsewhere")
            raise _strange(f"{self._at.url} leads to {where}, where the key is not sent: name that address")
        if status >= 400:
            raise self._refusal(status, headers, raw)
        try:
            return msgspec.json.decode(raw, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _strange(f"what answers at {self._at.url} is no Ringback: it sent no JSON object") from None

    def _exchange(self, asked: Asked) -> tuple[int, Message, bytes]:
        try:
            try:
                reply = self._opener.open(self._request(asked), timeout=asked.patience)
            except HTTPError as refusal:
                reply = refusal
            with reply:
                return reply.status, reply.headers, reply.read()
        except URLError as error:
            reason = error.reason
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = error
        raise self._silence(reason, asked)

    def _request(self, asked: Asked) -> Request:
        headers = {"Authorization": f"Bearer {self._key.reveal()}", "Accept": "application/json"}
        if asked.body is not None:
            headers["Content-Type"] = "application/json"
        if asked.if_match is not None:
            headers["If-Match"] = asked.if_match
        url = f"{self._at.url}{asked.path}{'?' if asked.query else ''}{urlencode(asked.query)}"
        return Request(url, asked.body, headers, method=asked.method)  # noqa: S310  (its scheme was looked at)

    def _silence(self, reason: object, asked: Asked) -> Failure:
        """Why no answer came."""
        url = self._at.url
        if isinstance(reason, ssl.SSLCertVerificationError):
            return _strange(
                f"the certificate of {url} is not trusted ({reason.verify_message}): SSL_CERT_FILE names those that are"
            )
        if isinstance(reason, ssl.SSLError):
            return _strange(f"{url} does not speak TLS as it should ({reason.reason}): is it http:// there?")
        if isinstance(reason, TimeoutError):
            doubt = "" if asked.method == "GET" else "; whether it has done it is not known"
            return NobodyAnswers.of("TIMEOUT", f"{url} does not answer within {asked.patience:g} s{doubt}")
        if isinstance(reason, socket.gaierror):
            return NobodyAnswers.of(NobodyAnswers.reason, f"the host of {url} is not known")
        told = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return NobodyAnswers.of(NobodyAnswers.reason, f"nobody answers at {url} ({told})")

    def _refusal(self, status: int, headers: Message, raw: bytes) -> Failure:
        """What the server meant."""
        try:
            told = msgspec.json.decode(raw, type=Refused).error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._unreadable(status)
        if told.reason in ("ROUTE_NOT_FOUND", "METHOD_NOT_ALLOWED"):
            return _strange(
                f"the Ringback at {self._at.url} does not know this operation: it runs no router-manager, or is older "
                "than this command"
            )
        kind = BY_STATUS.get(told.status) or BY_CODE.get(status) or NotUnderstood
        message = f"{told.message} ({self._key_from})" if kind is Unauthenticated else told.message
        if status == 500 and (request_id := headers.get("x-request-id")):
            message = f"{message} (its log has it as request {request_id})"
        failure = kind.of(told.reason, message, told.faults)
        failure.tag = headers.get("etag")
        failure.more = {"run": told.run} if told.run else {}
        return failure

    def _unreadable(self, status: int) -> Failure:
        kind = Unavailable if status in AWAY else BY_CODE[status] if status in (401, 403) else NotUnderstood
        return kind.of(kind.reason, f"what answers at {self._at.url} is no Ringback: it said {status} in its own way")


def _strange(sentence: str) -> Failure:
    return NotUnderstood.of(NotUnderstood.reason, sentence)
