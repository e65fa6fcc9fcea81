"""What providers are asked and what they answer (router 5.5)."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from ringback.router.workers.model import CannotAnswer, understood


class Parameters(msgspec.Struct, frozen=True):
    """What a request says itself goes before what the config says."""

    model: str | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0)] | None = None


NONE: Final = Parameters()


def parameters_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `model`, `max_tokens` and `temperature` that there are."""
    config, own = understood(Parameters, request, "config"), understood(Parameters, request, "parameters")
    chosen = msgspec.structs.asdict(config) | {k: v for k, v in msgspec.structs.asdict(own).items() if v is not None}
    return {name: value for name, value in chosen.items() if value is not None}


def prompt_of(request: Mapping[str, Any]) -> str:
    if not isinstance(prompt := request.get("prompt"), str):
        raise CannotAnswer("invalid_request", "prompt must be a string")
    return prompt


def provider_of(request: Mapping[str, Any], own: str) -> str:
    """Under which id it is asked: a record of another id may share its subject."""
    return asked if isinstance(asked := request.get("provider_id"), str) and asked else own


def reply(
    provider: str, output: str, prompt_tokens: int, completion_tokens: int, **metadata: str | None
) -> dict[str, Any]:
    """The canonical reply; of `model`, `finish_reason` and `source` what is known."""
    return {
        "provider_id": provider,
        "output": output,
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
        "metadata": {name: value for name, value in metadata.items() if value is not None},
    }
