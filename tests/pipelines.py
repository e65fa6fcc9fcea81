"""A pipeline that can be run in a test of the whole product: its policy, and who answers."""

from typing import Any, Final
from uuid import UUID

import msgspec

from ringback.app import Ringback
from ringback.kit.bus import Letter
from ringback.router.policies.model import Policy
from tests.router.invoking.edges import WHEN

SUPPORT: Final[dict[str, Any]] = {
    "version": "1.0",
    "pre": [{"id": "normalize_text"}],
    "validators": [{"id": "pii_guard"}],
    "providers": [{"id": "mock_provider"}],
    "post": [{"id": "mask_sensitive_data", "mode": "optional"}],
}


async def lower(letter: Letter) -> Letter:
    return Letter(msgspec.json.encode({"payload": text_of(letter).lower()}))


async def guard(letter: Letter) -> Letter:
    if "@" in text_of(letter):
        return Letter(b'{"status":"reject","reason":"pii_detected","details":{"pattern":"email","match":"all of it"}}')
    return Letter(b'{"status":"ok"}')


async def echo(letter: Letter) -> Letter:
    prompt = msgspec.json.decode(letter.body)["prompt"]
    if prompt == "crash":
        return Letter(b'{"error":{"code":"overheated","message":"it smokes"}}')
    usage = {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
    return Letter(msgspec.json.encode({"provider_id": "mock_provider", "output": prompt, "usage": usage}))


def text_of(letter: Letter) -> str:
    text: str = msgspec.json.decode(letter.body)["payload"]["payload"]
    return text


async def serve(ringback: Ringback, customer_id: UUID, id: str = "support_en") -> None:
    """The customer has a policy of that id, and all but its last step are there."""
    registry = ringback.router.registry
    before = registry.served()
    policy = Policy(customer_id, id, SUPPORT, WHEN, WHEN)
    registry.install(before.with_changes(before.revision, (), [policy]))
    for name, answer in (("normalize_text", lower), ("pii_guard", guard), ("mock_provider", echo)):
        await ringback.router.services.serve(name, registry.lookup(name).subject, answer)
