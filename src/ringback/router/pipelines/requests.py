"""What router extensions are asked: JSON put together of parts that are encoded once each (router 5.5)."""

import os
import re
from collections.abc import Callable, Mapping
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
    return {
        name: value if type(value) is str else discreet(value)
        for name, value in context.items()
        if not is_reserved(name)
    }


def merged_metadata(context: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """The context after what a router extension said: it wins, but for what only the router and the client say."""
    return {
        **context,
        **{name: value for name, value in said.items() if name not in SERVER_VALUES and not is_reserved(name)},
    }


def head_of(trace_id: str, tenant_id: str | None) -> bytes:
    """The beginning of all requests of one run."""
    return b'{"trace_id":' + encode(trace_id) + b',"tenant_id":' + encode(tenant_id)


def for_processor(head: bytes, payload: bytes, metadata: bytes, step: Prepared) -> bytes:
    """A request of pre, validator and post."""
    return b"".join((head, b',"payload":', payload, b',"metadata":', metadata, step.tail))


def prompt_of(message: Mapping[str, Any]) -> str:
    """The text payload, or its JSON text."""
    payload = message.get("payload", "")
    return payload if isinstance(payload, str) else encode(payload).decode()


def for_provider(head: bytes, step: Prepared, prompt: str, conversation: Any, tenant_id: str | None) -> bytes:
    """A request of a provider."""
    parameters = {name: step.effective[name] for name in PARAMETERS if name in step.effective}
    context = {"conversation_id": conversation, "customer_id": tenant_id}
    own = encode({"provider_id": step.id, "prompt": prompt, "parameters": parameters, "context": context})
    return b"".join((head, b",", own[1:-1], step.tail))


def traced(trace_id: str | None, given: str | None, ids: Callable[[], str]) -> tuple[str, str]:
    """The trace id of a run, and the W3C trace context of its calls with a span of our own.

    Calls go on with the caller's trace. Without one they have that of the run, or another where it is none of W3C's.
    """
    found, span = TRACEPARENT.fullmatch(given.strip()) if given else None, os.urandom(8).hex()
    if found:
        return trace_id or found[1], f"00-{found[1]}-{span}-{found[2]}"
    trace_id = trace_id or ids()
    return trace_id, f"00-{trace_id if TRACE.fullmatch(trace_id) else os.urandom(16).hex()}-{span}-01"
