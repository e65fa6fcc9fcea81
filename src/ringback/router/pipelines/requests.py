"""What router extensions are asked: JSON put together of parts that are encoded once each (router 5.5)."""

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from ringback.router.pipelines.compiling import Prepared
from ringback.router.policies.conditions import SERVER_VALUES
from ringback.router.secrets import discreet, is_credential

RESERVED: Final = frozenset(("dry_run", "deadline"))
PARAMETERS: Final = ("model", "max_tokens", "temperature")
TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
TRACE: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
encode: Final = msgspec.json.Encoder().encode


@lru_cache(4096)
def is_reserved(name: str) -> bool:
    """Whether it is a word between client and router alone, which no router extension is told."""
    return name in RESERVED or name.startswith("_") or is_credential(name)


def metadata_of(context: Mapping[str, Any]) -> dict[str, Any]:
    """What of the context router extensions are told: no credential, at any depth (S-4)."""
    return {name: discreet(value) for name, value in context.items() if not is_reserved(name)}


def merged_metadata(context: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """The context after what a router extension said: it wins, but for what only the router and the client say."""
    return {
        **context,
        **{name: value for name, value in said.items() if name not in SERVER_VALUES and not is_reserved(name)},
    }


def head_of(trace_id: str, tenant_id: str | None) -> bytes:
    """The beginning of all requests of one run."""
    return b'{"trace_id":' + encode(trace_id) + b',"tenant_id":' + encode(tenant_id)


def for_processor(head: bytes, payload: bytes, metadata: bytes, config: bytes, told: bytes) -> bytes:
    """A request of pre, validator and post."""
    return b"".join(
        (head, b',"payload":', payload, b',"metadata":', metadata, b',"config":', config, b',"extension":', told, b"}")
    )


def prompt_of(message: Mapping[str, Any]) -> str:
    """The text payload, or its JSON text."""
    payload = message.get("payload", "")
    return payload if isinstance(payload, str) else encode(payload).decode()


def for_provider(head: bytes, step: Prepared, prompt: str, conversation: Any, tenant_id: str | None) -> bytes:
    """A request of a provider."""
    parameters = {name: step.effective[name] for name in PARAMETERS if name in step.effective}
    context = {"conversation_id": conversation, "customer_id": tenant_id}
    own = encode({"provider_id": step.id, "prompt": prompt, "parameters": parameters, "context": context})
    return b"".join((head, b",", own[1:-1], b',"config":', step.config, b',"extension":', step.told, b"}"))


def trace_of(traceparent: str | None) -> str | None:
    """The trace id of a caller's W3C trace context, if it is one."""
    found = _understood(traceparent)
    return found[1] if found else None


def traceparent_of(given: str | None, trace_id: str) -> str:
    """The W3C trace context of a call: the caller's trace, or one of the run's, with a span of our own."""
    found, made = _understood(given), os.urandom(24).hex()
    trace = found[1] if found else trace_id if TRACE.fullmatch(trace_id) else made[16:]
    return f"00-{trace}-{made[:16]}-{found[2] if found else '01'}"


def _understood(traceparent: str | None) -> re.Match[str] | None:
    return TRACEPARENT.fullmatch(traceparent.strip()) if traceparent else None
