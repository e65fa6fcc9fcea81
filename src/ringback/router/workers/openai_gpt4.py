"""The worker openai_gpt4: OpenAI's chat completions."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ringback.kit.secret import Secret
from ringback.router.workers.vendor import Said

MODEL: Final = "gpt-4"


class Message(msgspec.Struct, frozen=True):
    content: str


class Choice(msgspec.Struct, frozen=True):
    message: Message
    finish_reason: str | None = None


class Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Completion(msgspec.Struct, frozen=True):
    choices: list[Choice]
    model: str | None = None
    usage: Usage = Usage()


class OpenAi:
    source: Final = "openai"
    path: Final = "/chat/completions"

    def headers(self, key: Secret) -> dict[str, str]:
        return {"Authorization": f"Bearer {key.reveal()}"}

    def document(self, prompt: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"model": MODEL, **parameters, "messages": [{"role": "user", "content": prompt}]}

    def read(self, body: bytes) -> Said:
        done = msgspec.json.decode(body, type=Completion)
        if not done.choices:
            raise msgspec.ValidationError
        choice = done.choices[0]
        return Said(
            choice.message.content,
            done.model,
            choice.finish_reason,
            done.usage.prompt_tokens,
            done.usage.completion_tokens,
        )
