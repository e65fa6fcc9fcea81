"""What goes over the wire, written down by route and by type of event; random values become stand-ins."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import httpx
import msgspec

from ringback.api.events import STREAM
from ringback.kit import outbox
from ringback.kit.events import Message
from ringback.kit.pages import Cursor, cursor_of
from ringback.kit.routing import Found, Routes
from ringback.router.writing import PUBLISHER as ROUTER
from ringback.routes import CUSTOMER_RPC, REST, RPC
from tests.world import World

Key = tuple[str, str]
"""(method, pattern) of a route, or (publisher, type) of an event."""

RANDOM: Final = {
    "id": r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    "token": r'(?:(?<=page_token":")|(?<=page_token=))[\w-]{32}(?![\w-])',
    "request": r"\breq_[A-Z2-7]{26}\b",
    "key": r"\brb_[\w-]{43}(?![\w-])",
    "refresh": r"\brr_[\w-]{64}(?![\w-])",
    "setup": r"\brs_[\w-]{43}(?![\w-])",
    "picture": r'(?<="qr_svg":")<svg.*?</svg>(?=")',
    "access": r"\beyJ[\w-]+\.[\w-]+\.[\w-]+",
    "prefix": r'(?<="prefix":")rb_[\w-]{7}(?=")',
    "password": r'(?<="password":")[A-Za-z0-9]{24}(?=")',
    "state": r'(?<=[hg]: ")[0-9a-f]{32}(?=")',
    "hash": r"\b[0-9a-f]{12}\b",
}
"""Kind → how a value of it looks on the wire; `state` is what an ETag or an If-Match quotes."""
SHOWN: Final = ("Location", "ETag", "Allow", "WWW-Authenticate", "Idempotent-Replay")
"""Headers of an answer that are worth a line."""


class StandIns:
    """For each random value another of the same form: the same one for the same value, and in every run."""

    def __init__(self, *known: str) -> None:
        """`known` are values that are not random, whatever they look like."""
        self._chosen = {value: value for value in known}
        self._pattern = re.compile("|".join(f"(?P<{kind}>{form})" for kind, form in RANDOM.items()))
        self._counts = dict.fromkeys(RANDOM, 0)

    def within(self, text: str) -> str:
        """The text with stand-ins."""
        return self._pattern.sub(lambda found: self._of(str(found.lastgroup), found[0]), text)

    def _of(self, kind: str, value: str) -> str:
        if value not in self._chosen:
            self._counts[kind] += 1
            seed = sha256(f"{kind} {self._counts[kind]}".encode())
            self._chosen[value] = self._token(value) if kind == "token" else MAKE[kind](seed.digest())
        return self._chosen[value]

    def _token(self, value: str) -> str:
        """The same place in the list, by the stand-in of its id."""
        cursor = cursor_of(value)
        assert cursor
        return Cursor(cursor.before, UUID(self.within(str(cursor.id)))).token()


MAKE: Final[dict[str, Callable[[bytes], str]]] = {
    "id": lambda seed: str(UUID(bytes=seed[:16], version=4)),
    "request": lambda seed: "req_" + _letters(seed, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 26),
    "key": lambda seed: "rb_…",
    "refresh": lambda seed: "rr_…",
    "setup": lambda seed: "rs_…",
    "picture": lambda seed: "<svg…",
    "access": lambda seed: "eyJ…",
    "prefix": lambda seed: "rb_…",
    "password": lambda seed: "GeneratedPassword" + _letters(seed, "abcdefghijkmnpqrstuvwxyz23456789", 7),
    "state": lambda seed: seed.hex()[:32],
    "hash": lambda seed: seed.hex()[:12],
}
"""Kind → a stand-in out of 32 bytes. Of a key nothing is shown."""


def _letters(seed: bytes, alphabet: str, size: int) -> str:
    return "".join(alphabet[byte % len(alphabet)] for byte in seed[:size])


@dataclass(frozen=True, slots=True)
class Part:
    """What went one way: the first lines of HTTP (none for an envelope), and the JSON, if there was any."""

    body: Any = None
    head: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was asked and what was answered, and a word about it where there are several of a kind."""

    asked: Part
    answered: Part
    about: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """An event as the bus got it, and what it came from."""

    envelope: Part
    cause: str


@dataclass(frozen=True, slots=True)
class Exchanges:
    """All that was written down. Refusals are by (status code, reason), the first of each."""

    rpc: dict[Key, list[Exchange]] = field(default_factory=dict)
    rest: dict[Key, list[Exchange]] = field(default_factory=dict)
    rpc_refusals: dict[tuple[int, str], Exchange] = field(default_factory=dict)
    rest_refusals: dict[tuple[int, str], Exchange] = field(default_factory=dict)
    sent: dict[str, Told] = field(default_factory=dict)
    heard: dict[Key, Exchange] = field(default_factory=dict)


class Recorder:
    """Speaks to a world by its doors and writes down what goes through them; a second passes before each request."""

    def __init__(self, world: World, client: httpx.AsyncClient, *known: str) -> None:
        """`client` has a key of the world's customer; `known` are values that are not random."""
        self.world = world
        self.client = client
        self.made = Exchanges()
        self._stand_ins = StandIns(*known)
        self._news = outbox.Reading()

    async def rpc(self, method: str, uri: str, data: Any = None, about: str = "", code: int = 200) -> Any:
        """One request envelope, of which `code` is expected; the data of its reply."""
        self.world.wait(1)
        asked = self.world.envelope(method, uri, data, publisher="api-manager")
        answered = await self.world.ringback.local.serve(asked)
        reply = msgspec.json.decode(answered)
        assert reply["status_code"] == code, (method, uri, reply)
        exchange = Exchange(self._part(asked), self._part(answered), about)
        if code == 200:
            route = _route(Routes(RPC, CUSTOMER_RPC), method, uri)
            self.made.rpc.setdefault(route, []).append(exchange)
            await self.carry("`{} {}`".format(*route))
        else:
            reason = f"`{reply['data']['reason']}`" if "data" in reply else "without a typed error"
            self.made.rpc_refusals.setdefault((code, reason), exchange)
        return reply.get("data")

    async def rest(
        self,
        method: str,
        path: str,
        body: Any = None,
        about: str = "",
        code: int = 200,
        *,
        anonymous: bool = False,
        **headers: str,
    ) -> httpx.Response:
        """One HTTP request, of which `code` is expected, with a key unless it is `anonymous`."""
        self.world.wait(1)
        sent = {name.replace("_", "-").title(): value for name, value in headers.items()}
        request = self.client.build_request(method, path, headers=sent, **({} if body is None else {"json": body}))
        if anonymous:
            del request.headers["authorization"]
        answer = await self.client.send(request)
        assert answer.status_code == code, (method, path, answer.text)
        exchange = Exchange(self._request(request, sent), self._answer(answer), about)
        if answer.is_success:
            route = _route(REST, method, path)
            self.made.rest.setdefault(route, []).append(exchange)
            await self.carry("`{} {}`".format(*route))
        else:
            self.made.rest_refusals.setdefault((code, f"`{answer.json()['error']['reason']}`"), exchange)
        return answer

    async def hear(self, publisher: str, type: str, data: Any) -> None:
        """An event of somebody else's, which must be done."""
        self.world.wait(1)
        told = {"type": type, "publisher": publisher, "data_type": "application/json", "data": data}
        asked = msgspec.json.encode(told)
        answered = await self.world.ringback.inbox.serve(asked)
        assert msgspec.json.decode(answered) == {"done": True}, type
        self.made.heard.setdefault((publisher, type), Exchange(self._part(asked), self._part(answered)))
        await self.carry(f"`{type}` of {publisher}")

    async def look(self) -> None:
        """A look at Asterisk's contacts."""
        self.world.wait(1)
        await self.world.ringback.feed.once()
        await self.carry("a look at Asterisk's contacts")

    async def carry(self, cause: str) -> None:
        """Give the buses what waits in the outbox, which came from `cause`."""
        while messages := await self.world.ringback.work.read(self._news.more):
            for message in messages:
                self._hear(message, cause)
        while await self.world.ringback.relay.publish_waiting():
            pass

    def _hear(self, message: Message, cause: str) -> None:
        if message.type not in self.made.sent and message.publisher != ROUTER:
            envelope = self._part(msgspec.json.encode(message.envelope()))
            self.made.sent[message.type] = Told(envelope, cause)

    def _part(self, raw: bytes, head: str = "") -> Part:
        text = self._stand_ins.within(raw.decode())
        return Part(msgspec.json.decode(text) if text else None, self._stand_ins.within(head))

    def _request(self, request: httpx.Request, headers: dict[str, str]) -> Part:
        lines = [f"{request.method} {request.url.raw_path.decode()}"]
        return self._part(request.content, "\n".join([*lines, *(f"{name}: {text}" for name, text in headers.items())]))

    def _answer(self, answer: httpx.Response) -> Part:
        lines = [f"{answer.status_code} {HTTPStatus(answer.status_code).phrase}"]
        lines += [f"{name}: {answer.headers[name]}" for name in SHOWN if name in answer.headers]
        if answer.headers["content-type"].startswith(STREAM):
            return self._part(b"", "\n".join([*lines, f"Content-Type: {STREAM}", "", answer.text.strip()]))
        return self._part(answer.content, "\n".join(lines))


def _route(routes: Routes[Any], method: str, uri: str) -> Key:
    found = routes.find(method, uri.partition("?")[0])
    assert isinstance(found, Found), (method, uri)
    return method, found.route.pattern
