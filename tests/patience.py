"""How long tests wait for what must come."""

from typing import Final

ENOUGH: Final = 60.0
"""Seconds that nothing takes, even where many tests run at once on a slow machine: what takes longer hangs."""
