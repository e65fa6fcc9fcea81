"""What is cancelled ends, also where a library overhears it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cancellable() -> Iterator[None]:
    """Whoever is cancelled within is so at the latest at the end.

    `asyncio.wait_for` overhears it before Python 3.12 if what it waits for is done in that moment; drivers use it.
    """
    task = asyncio.current_task()
    assert task
    before = task.cancelling()
    try:
        yield
    finally:
        if task.cancelling() > before:
            raise asyncio.CancelledError
