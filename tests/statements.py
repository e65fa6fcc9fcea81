"""Every statement of the product that stands in a module."""

import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Final

import ringback
from ringback.kit.db import Statement

OUTSIDE: Final = ("ringback.demo", "ringback.migrations", "ringback.__main__")
"""What runs no statements of ours, and may need more than is installed."""


@cache
def every_statement() -> dict[str, Statement]:
    """Name → statement: `ringback.kit.outbox.ADD`, `ringback.sip.asterisk.DROP.ps_aors`."""
    modules = (module.name for module in pkgutil.walk_packages(ringback.__path__, "ringback."))
    return dict(found for module in modules if not module.startswith(OUTSIDE) for found in _statements(module))


def _statements(module: str) -> Iterator[tuple[str, Statement]]:
    for name, value in vars(import_module(module)).items():
        for key, statement in value.items() if isinstance(value, dict) else [(None, value)]:
            if isinstance(statement, Statement):
                yield ".".join(filter(None, (module, name, key))), statement
