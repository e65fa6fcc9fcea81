"""The built-in workers at work: each answers its subject, over NATS or in one process, until all of them end."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from ringback.kit.bus import Letter, Services
from ringback.router.workers import mask_sensitive_data, normalize_text, pii_guard
from ringback.router.workers.anthropic_claude import Anthropic
from ringback.router.workers.mock_provider import MockProvider
from ringback.router.workers.model import CannotAnswer, Worker
from ringback.router.workers.openai_gpt4 import OpenAi
from ringback.router.workers.secrets import Secrets
from ringback.router.workers.texts import processor
from ringback.router.workers.vendor import Vendor
from ringback.settings import Settings
from ringback.spellings import networks_in
from ringback.transports.https import Https

PLACES: Final = {
    "mock_provider": ("provider", "beamline.provider.mock.v1"),
    "openai_gpt4": ("provider", "beamline.provider.openai_gpt4.v1"),
    "anthropic_claude": ("provider", "beamline.provider.anthropic_claude.v1"),
    "normalize_text": ("pre", "beamline.ext.pre.normalize_text.v1"),
    "pii_guard": ("validator", "beamline.ext.validate.pii_guard.v1"),
    "mask_sensitive_data": ("post", "beamline.ext.post.mask_pii.v1"),
}
"""Type and subject, as in the initial rows."""
IDS: Final = tuple(PLACES)
LARGEST: Final = 1 << 20
"""Bytes of a reply (router S-1)."""

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def serving(
    services: Services,
    settings: Settings,
    only: Collection[str] = IDS,
    environment: Mapping[str, str] = os.environ,
    https: Https | None = None,
) -> AsyncIterator[list[Worker]]:
    """Those of the ids, while inside; what is in hand at the end is answered, for `drain_timeout` seconds at most."""
    ending, https = asyncio.Event(), https or Https()
    found = [one for one in workers(settings, ending, https, environment) if one.id in only]
    stops = [await services.serve(one.id, one.subject, partial(answered, one)) for one in found]
    try:
        yield found
    finally:
        ending.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settings.drain_timeout):
                await asyncio.gather(*(stop() for stop in stops))
        await https.close()


def workers(
    settings: Settings, ending: asyncio.Event, https: Https, environment: Mapping[str, str]
) -> Sequence[Worker]:
    """All six. They wait for nothing longer than until `ending` is set."""

    async def pause(seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), seconds)

    secrets = Secrets(environment, settings.ringback_home, networks_in(settings.secret_env_names))
    ask_openai = Vendor(
        "openai_gpt4", OpenAi(), settings.openai_base_url, "openai_api_key",
        settings.openai_api_key.get_secret_value(), secrets, https,
    )  # fmt: skip
    ask_anthropic = Vendor(
        "anthropic_claude", Anthropic(), settings.anthropic_base_url, "anthropic_api_key",
        settings.anthropic_api_key.get_secret_value(), secrets, https,
    )  # fmt: skip
    answers = {
        "mock_provider": MockProvider(pause).answer,
        "openai_gpt4": ask_openai.answer,
        "anthropic_claude": ask_anthropic.answer,
        "normalize_text": processor(normalize_text.answer),
        "pii_guard": processor(pii_guard.answer),
        "mask_sensitive_data": processor(mask_sensitive_data.answer),
    }
    return [Worker(id, *place, answers[id]) for id, place in PLACES.items()]


async def answered(worker: Worker, letter: Letter) -> Letter:
    """The reply to a request, whatever it is."""
    try:
        reply = await worker.answer(_request(letter.body))
    except CannotAnswer as failure:
        reply = _failed(worker, failure)
    except RecursionError:
        reply = _failed(worker, CannotAnswer("invalid_request", "the request is too deep"))
    if len(body := msgspec.json.encode(reply)) > LARGEST:
        refused = CannotAnswer("too_large", "what comes of it is larger than a reply may be")
        body = msgspec.json.encode(_failed(worker, refused))
    return Letter(body)


def _request(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise CannotAnswer("invalid_request", "a request is one JSON object") from None


def _failed(worker: Worker, failure: CannotAnswer) -> dict[str, Any]:
    """A failure in the form of the worker's type (router 5.5)."""
    if worker.type != "provider":
        return {"error": {"code": failure.code, "message": failure.sentence}}
    return {
        "provider_id": worker.id,
        "status": "error",
        "error_code": failure.code,
        "error_message": failure.sentence,
    }
