"""What a call needs of memory: the payload is encoded once on its way out, and decoded once on its way back."""

import gc
import tracemalloc
from typing import Final

import msgspec
import pytest

from tests.router.pipelines.stand import Stand

SIZE: Final = 500_000
"""Bytes of a payload."""


async def needed(stand: Stand, answer: bytes) -> float:
    """How many payloads the memory of one call is large, at its worst."""
    stand.add("upper", answer=answer)
    message = {"message_id": "m-1", "payload": "x" * SIZE}
    await stand.run({"pre": [{"id": "upper"}]}, message)
    stand.desk.letters.clear()
    gc.collect()
    tracemalloc.start()
    try:
        await stand.run("p", message)
        return tracemalloc.get_traced_memory()[1] / SIZE
    finally:
        tracemalloc.stop()


@pytest.mark.contract("router T-4")
@pytest.mark.sqlite
async def test_a_payload_is_copied_by_one_encoding_and_one_decoding_alone() -> None:
    """The encoder itself takes two and a half payloads for a moment, since its buffer grows."""
    reply = msgspec.json.encode({"payload": {"message_id": "m-1", "payload": "y" * SIZE}})

    assert await needed(Stand(), b"{}") < 2.8, "what is encoded, and what is sent"
    assert await needed(Stand(), reply) < 5.3, "that, what is read, and what is encoded of it"
