"""Asks a vendor of language models: a key that is looked up when needed, one post, and short codes for all that fails.

No word of the vendor's is passed on but the answer itself: what it says of a failure might quote the prompt or the key.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
import structlog

from ringback.kit.secret import Secret
from ringback.router.secrets import is_reference
from ringback.router.workers.model import CannotAnswer, understood
from ringback.router.workers.prompts import parameters_of, prompt_of, provider_of, reply
from ringback.router.workers.secrets import NoSecret, Secrets
from ringback.transports.https import Https, NoAnswer, TooLong, TooSlow

CODES: Final = {
    400: "invalid_request",
    401: "unauthorized",
    403: "unauthorized",
    404: "model_not_found",
    408: "timeout",
    413: "too_large",
    422: "invalid_request",
    429: "rate_limited",
    504: "timeout",
}
"""By the status of an answer; any other from 300 on is `redirected`, `error` or `unavailable`."""

log = structlog.get_logger()


class Said(msgspec.Struct, frozen=True):
    """What came back, whoever's shape it had."""

    output: str
    model: str | None
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int


class Api(Protocol):
    """How one vendor is spoken to."""

    @property
    def source(self) -> str: ...
    @property
    def path(self) -> str: ...
    def headers(self, key: Secret) -> dict[str, str]: ...
    def document(self, prompt: str, parameters: Mapping[str, Any]) -> dict[str, Any]: ...
    def read(self, body: bytes) -> Said:
        """`msgspec.DecodeError` for what is no answer."""


class Config(msgspec.Struct, frozen=True):
    api_key: str | None = None
    """A reference to a key of this router extension's own."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """A worker of type provider. `setting` is the name of the setting that holds `key`; `url` is the API's."""

    id: str
    api: Api
    url: str
    setting: str
    key: str
    secrets: Secrets
    https: Https
    note: Callable[[str, str], None] = lambda id, code: log.warning("a vendor did not answer", worker=id, code=code)

    async def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        document = self.api.document(prompt_of(request), parameters_of(request))
        key = self._key(understood(Config, request, "config").api_key)
        try:
            said = await self._ask(key, document)
        except CannotAnswer as failure:
            self.note(self.id, failure.code)
            raise
        return reply(
            provider_of(request, self.id),
            said.output,
            said.prompt_tokens,
            said.completion_tokens,
            model=said.model,
            finish_reason=said.finish_reason,
            source=self.api.source,
        )

    def _key(self, own: str | None) -> Secret:
        if own is not None and not is_reference(own):
            raise CannotAnswer("invalid_config", "config.api_key must be env:NAME or file:NAME")
        if not (named := own or self.key):
            raise CannotAnswer("not_configured", f"{self.setting} is not set")
        try:
            key = self.secrets.found(named)
        except NoSecret as none:
            raise CannotAnswer("not_configured", f"{'config.api_key' if own else self.setting}: {none}") from None
        if not (key.reveal().isascii() and key.reveal().isprintable()):
            raise CannotAnswer("not_configured", f"{'config.api_key' if own else self.setting} is no key")
        return key

    async def _ask(self, key: Secret, document: Mapping[str, Any]) -> Said:
        try:
            status, body = await self.https.post(self.url + self.api.path, self.api.headers(key), document)
        except NoAnswer as none:
            code = (
                "timeout" if isinstance(none, TooSlow) else "malformed" if isinstance(none, TooLong) else "unreachable"
            )
            raise CannotAnswer(code, "there was no whole answer of the vendor") from None
        if status != 200:
            rest = "unavailable" if status >= 500 else "redirected" if 300 <= status < 400 else "error"
            raise CannotAnswer(CODES.get(status, rest), f"the vendor answered {status}")
        try:
            return self.api.read(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise CannotAnswer("malformed", "the answer of the vendor is not what it documents") from None
