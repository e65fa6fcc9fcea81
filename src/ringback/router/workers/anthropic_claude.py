"""The worker anthropic_claude: Anthropic's messages."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ringback.kit.secret import Secret
from ringback.router.workers.vendor import Said

MODEL: Final = "claude-3-opus-20240229"
MAX_TOKENS: Final = 4096
"""Which has to be said."""
VERSION: Final = "2023-06-01"


class Block(msgspec.Struct, frozen=True):
    type: str
    text: str = ""


class Usage(msgspec.Struct, frozen=True):
    input_tokens: int = 0
    output_tokens: int = 0


class Message(msgspec.Struct, frozen=True):
    content: list[Block]
    model: str | None = None
    stop_reason: str | None = None
    usage: Usage = Usage()


class Anthropic:
    source: Final = "anthropic"
    path: Final = "/messages"

    def headers(self, key: Secret) -> dict[str, str]:
        return {"x-api-key": key.reveal(), "anthropic-version": VERSION}

    def document(self, prompt: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "model": MODEL,
            "max_tokens": MAX_TOKENS,
            **parameters,
            "messages": [{"role": "user", "content": prompt}],
        }

    def read(self, body: bytes) -> Said:
        done = msgspec.json.decode(body, type=Message)
        text = "".join(block.text for block in done.content if block.type == "text")
        return Said(text, done.model, done.stop_reason, done.usage.input_tokens, done.usage.output_tokens)
