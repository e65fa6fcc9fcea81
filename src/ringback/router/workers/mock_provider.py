"""The worker mock_provider: a provider that says what it was told, the same every time, an error, or nothing."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from ringback.router.workers.model import CannotAnswer, understood
from ringback.router.workers.prompts import prompt_of, provider_of, reply

ID: Final = "mock_provider"
FOR_EVER: Final = 301.0
"""Seconds, longer than anybody may wait for a provider."""


class Config(msgspec.Struct, frozen=True):
    mode: Literal["echo", "fixed", "error", "timeout"] = "echo"
    latency_ms: Annotated[float, msgspec.Meta(ge=0, le=300_000)] = 50
    output: str = "This is a fixed reply."
    """What it says in the mode `fixed`."""


class MockProvider:
    """`pause` waits some seconds, or until the process ends."""

    def __init__(self, pause: Callable[[float], Awaitable[None]]) -> None:
        self._pause = pause

    async def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Usage counts words between white space."""
        config, prompt = understood(Config, request, "config"), prompt_of(request)
        await self._pause(FOR_EVER if config.mode == "timeout" else config.latency_ms / 1000)
        if config.mode in ("error", "timeout"):
            raise CannotAnswer(f"mock_{config.mode}", f"the mode of this provider is {config.mode}")
        output = prompt if config.mode == "echo" else config.output
        words = len(prompt.split()), len(output.split())
        return reply(provider_of(request, ID), output, *words, model="mock", finish_reason="stop", source="mock")
