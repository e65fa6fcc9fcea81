"""Looks at everything, one after the other: what cannot be looked at keeps nothing else from it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from ringback.doctor import asterisk_folder, asterisks, databases, folders, machine, peers
from ringback.doctor.given import Given
from ringback.kit.checks import Check, unknown

Look = Callable[[Given], Awaitable[list[Check]]]

PATIENCE: Final = 60.0
"""Seconds for one look."""
LOOKS: Final[Sequence[tuple[str, Look]]] = (
    ("home", machine.home),
    ("running", machine.running),
    ("disk", machine.disk),
    ("ports", machine.ports),
    ("certificate", machine.certificates),
    ("rabbitmq", peers.rabbitmq),
    ("redis", peers.redis),
    ("nats", peers.nats),
    ("asterisk_ami", asterisks.managers),
    ("asterisk_config", asterisk_folder.asterisk),
    ("kamailio_config", folders.edge),
)


async def examine(given: Given) -> list[Check]:
    """All checks in their order; without settings there is nothing else to look at."""
    found = await machine.settings(given)
    if given.settings is None:
        return found
    found += await _looked("database", databases.schema, given)
    if all(check.state == "ok" for check in found):
        found += await _looked("tables", databases.tables, given)
        found += await _looked("database", databases.contents, given)
    else:
        found.append(unknown("contents", "What is in the database is not looked at before it is there and up to date"))
    for name, look in LOOKS:
        found += await _looked(name, look, given)
    return found


async def _looked(name: str, look: Look, given: Given) -> list[Check]:
    try:
        async with asyncio.timeout(PATIENCE):
            return await look(given)
    except TimeoutError:
        return [unknown(name, "It took too long", "look at it by itself")]
    except Exception as error:  # an installation that is broken breaks in ways of its own
        return [unknown(name, f"It cannot be looked at ({type(error).__name__}: {error})", "see the log")]
